"""JSON bytes -> a checked wire model, or one error that names the field at fault as a path.

Knows no particular request.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from server.core.errors import ServerError
from server.dialects.refusals import invalid_value, missing

Body = TypeVar("Body", bound=BaseModel)

# Elements of lists and fields of objects, in all. What no model could read would take seconds to
# look at, in which nobody else is answered; most are the token ids of many texts to embed.
MOST_VALUES = 300_000


def read(raw: bytes, model: type[Body]) -> Body:
    """`raw` as a `model`. Errors: ServerError invalid for whatever does not fit."""
    if raw.count(b"[") + raw.count(b"{") > MOST_VALUES:
        raise _too_many()
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise ServerError(
            "invalid", f"The request body is not valid JSON: {error}.", code="json_invalid"
        ) from None
    if not isinstance(value, dict):
        raise ServerError("invalid", "The request body must be a JSON object.", code="json_invalid")
    _check_count(value)
    if b"\\u0000" in raw:
        _refuse_nul(value)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_context=False), value) from None


def path_text(path: Sequence[str | int]) -> str:
    """`("messages", 2, "content")` as `messages[2].content`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def reason_text(detail: ErrorDetails) -> str:
    """What pydantic has against a value, amid a sentence, in the words of JSON."""
    if detail["type"] in ("dict_type", "model_type", "model_attributes_type"):
        return "input should be a valid object"
    return detail["msg"][:1].lower() + detail["msg"][1:]


def _check_count(value: Any) -> None:
    """Errors: ServerError invalid for too many values."""
    count, rest = 0, [value]
    while rest:
        container = rest.pop()
        count += len(container)
        if count > MOST_VALUES:
            raise _too_many()
        values = container.values() if isinstance(container, dict) else container
        rest += [each for each in values if isinstance(each, dict | list)]


def _too_many() -> ServerError:
    return ServerError(
        "invalid",
        f"The request body is made of too many pieces; at most {MOST_VALUES} elements of lists and"
        " fields of objects are read. Send less at once.",
    )


def _refusal(details: list[ErrorDetails], value: Any) -> ServerError:
    """One error of several: the deepest, because a union reports every branch that did not fit."""
    paths = [_real_path(detail, value) for detail in details]
    deepest = max(paths, key=len)
    fitting = [detail for detail, path in zip(details, paths, strict=True) if path == deepest]
    param = path_text(deepest)
    if fitting[0]["type"] == "missing":
        return missing(param)
    return invalid_value(param, ", or ".join(dict.fromkeys(map(reason_text, fitting))))


def _real_path(detail: ErrorDetails, value: Any) -> tuple[str | int, ...]:
    """The part of pydantic's location that exists in `value`: without the names of a union's
    branches, and with the name of a missing field.
    """
    path: list[str | int] = []
    for step in detail["loc"]:
        if _holds(value, step):
            value = value[step]
            path.append(step)
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return tuple(path)


def _holds(value: Any, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _refuse_nul(value: Any) -> None:
    for path in _nul_paths(value, ()):
        raise invalid_value(path_text(path), "text must not contain the NUL character")


def _nul_paths(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Where NUL characters are. The parser bounds the depth of nesting, so this may recurse."""
    if isinstance(value, str) and "\0" in value:
        yield path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nul_paths(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if "\0" in key:
                yield path
            yield from _nul_paths(item, (*path, key))
