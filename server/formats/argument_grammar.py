"""The grammar of a call's arguments. Knows neither where they stand nor how they are drawn."""

from server.core.errors import ServerError
from server.core.messages import JsonSchema, Tool
from server.formats.base import Grammar
from server.formats.json_schema import checked
from server.formats.output_grammar import ANY_OBJECT

NO_ARGUMENTS: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}


def argument_grammar(tool: Tool, end: int, *, must: bool) -> Grammar | None:
    """The schema's where it is promised; where a form `must` be kept also if it can be, or at least
    an object. `end` is written after them. Errors: ServerError invalid, naming what a strict tool's
    schema has that cannot be held to.
    """
    if not (tool.strict or must):
        return None
    path = f"{tool.path}.parameters"
    try:
        text = checked(NO_ARGUMENTS if tool.parameters is None else tool.parameters, path)
    except ServerError:
        if tool.strict:
            raise
        text = checked(ANY_OBJECT, path)
    return Grammar(kind="json_schema", text=text, end=end)
