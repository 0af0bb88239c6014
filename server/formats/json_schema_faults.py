"""What is wrong with a schema, and where. Knows no schemas."""


class SchemaFault(Exception):
    """One sentence for the client; `path` leads to the keyword at fault."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def child(path: str, key: str | int) -> str:
    """The path of what `key` names within what is at `path`."""
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}"
