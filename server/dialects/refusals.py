"""What is wrong with a field, in sentences that name it: the same in every dialect.

Knows no dialect's shape of an error.
"""

from server.core.errors import ServerError


def invalid_value(param: str, reason: str) -> ServerError:
    return ServerError("invalid", f"Invalid '{param}': {reason}.", param=param)


def missing(param: str) -> ServerError:
    return ServerError(
        "invalid",
        f"Missing required parameter: '{param}'.",
        param=param,
        code="missing_required_parameter",
    )


def unsupported(param: str, reason: str) -> ServerError:
    return ServerError(
        "invalid",
        f"Unsupported parameter: '{param}': {reason}.",
        param=param,
        code="unsupported_parameter",
    )


def unknown_parameter(param: str) -> ServerError:
    return ServerError(
        "invalid",
        f"Unknown parameter: '{param}'; leave it out.",
        param=param,
        code="unknown_parameter",
    )


def unsupported_content(param: str, type_: str, readable: str) -> ServerError:
    return ServerError(
        "invalid",
        f"Unsupported content: '{param}' is of type '{type_}', and this model reads text only;"
        f" send parts of type '{readable}'.",
        param=param,
        code="unsupported_content",
    )
