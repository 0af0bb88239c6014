"""The grammar of an answer that must have a form. Knows neither where the answer begins nor how it
is drawn.
"""

from server.core.messages import JsonSchema
from server.core.request import JsonOutput, Output
from server.formats.base import Grammar
from server.formats.json_schema import checked

ANY_OBJECT: JsonSchema = {"type": "object"}


def output_grammar(output: Output, end: int) -> Grammar:
    """The form as a grammar, after which the id `end` is written. Errors: ServerError invalid,
    naming what a schema has that cannot be held to.
    """
    if not isinstance(output, JsonOutput):
        return Grammar(kind="gbnf", text=output.text, end=end)
    schema = ANY_OBJECT if output.schema is None else output.schema
    return Grammar(kind="json_schema", text=checked(schema, output.path), end=end)
