"""A model file's chat template in Jinja: compiled as transformers does, rendered in a sandbox,
within a time and a size. Knows nothing of messages.

A template is as trusted as the file it came with. It reaches nothing but what it is given, and one
that loops is ended; one that is out to fill the memory in a single step still may.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

# A hundred times what a long conversation takes.
RENDER_SECONDS = 10.0
RENDER_CHARACTERS = 1 << 25
# What a template's own code may raise when it meets what it was not written for.
FAULTS = (
    TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
TICK = "tick__"


class TemplateFault(Exception):
    """The template cannot write this conversation; the text is its reason, without a full stop."""


class TemplateRefusal(TemplateFault):
    """The template's author did not want such a conversation (`raise_exception`)."""


class TemplateExcess(TemplateFault):
    """The template takes too long or writes too much."""


class ChatTemplate:
    """One template; `variables` are those that it asks for. `today` is what its `strftime_now`
    tells. Errors: ValueError for a source that is no Jinja, with a sentence.
    """

    def __init__(self, source: str, today: Callable[[], date]) -> None:
        self.source = source
        environment = _Sandbox(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: today().strftime(form)
        try:
            tree = environment.parse(source)
            self.variables = frozenset(meta.find_undeclared_variables(tree))
            for loop in tree.find_all(nodes.For):
                loop.body.insert(0, _tick())
            code = environment.compile(tree)
        except (TemplateSyntaxError, RecursionError) as error:
            where = getattr(error, "lineno", 0)
            raise ValueError(
                f"The model's chat template cannot be read (line {where}: {error})."
            ) from error
        self._template = environment.template_class.from_code(
            environment, code, environment.make_globals(None)
        )

    def render(self, values: Mapping[str, Any]) -> str:
        """The text that the template writes. Errors: TemplateFault."""
        deadline = time.monotonic() + RENDER_SECONDS

        def tick() -> None:
            if time.monotonic() > deadline:
                raise TemplateExcess("it does not come to an end")

        pieces: list[str] = []
        size = 0
        try:
            for piece in self._template.generate({**values, TICK: tick}):
                pieces.append(piece)
                size += len(piece)
                if size > RENDER_CHARACTERS:
                    raise TemplateExcess("it writes too much")
        except FAULTS as error:
            raise TemplateFault(" ".join(str(error).split()).rstrip(".!")) from error
        return "".join(pieces)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Nothing in it grows by leaps."""

    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and (abs(left) > RENDER_CHARACTERS or abs(right) > 64):
            raise TemplateExcess("it computes with numbers that are too large")
        if operator == "*" and _size(left) * _size(right) > RENDER_CHARACTERS:
            raise TemplateExcess("it writes too much")
        return super().call_binop(context, operator, left, right)


class _Generation(Extension):
    """The tag with which training code finds what the model wrote; here it means nothing."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tick() -> nodes.ExprStmt:
    return nodes.ExprStmt(nodes.Call(nodes.Name(TICK, "load"), [], [], None, None))


def _size(value: Any) -> int:
    return abs(value) if isinstance(value, int) else len(value) if hasattr(value, "__len__") else 1


def _refuse(message: object) -> None:
    raise TemplateRefusal(" ".join(str(message).split()).rstrip(".!"))


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers has it: what HTML would need is not escaped, keys stay in order."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
