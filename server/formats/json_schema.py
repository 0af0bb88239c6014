"""JSON Schemas of clients: checked, and rewritten into the few keywords that the worker's matcher
holds. What would not be held is refused by its path. Knows no requests and no tokens.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations
from math import lcm
from typing import Any

from llguidance import LLMatcher

from server.core.errors import ServerError
from server.formats.json_schema_choices import Comparison
from server.formats.json_schema_faults import SchemaFault
from server.formats.json_schema_keywords import MAX_FACTOR
from server.formats.json_schema_references import DEFINITIONS, References, endless
from server.formats.json_schema_rewriter import Rewriter

# A client's schema may hold up neither the gateway nor the worker; docs/structured-output.md says
# what these sizes cost.
MAX_BYTES = 1 << 18
# Schemas that are tried alone to find the one at fault.
MAX_PROBES = 600
PLACE = re.compile(r"\s*(while processing|<state>).*", re.DOTALL)


def checked(schema: object, path: str) -> str:
    """The schema as JSON text for a `worker.messages.Grammar`: every text that the grammar matches
    fits the schema. Properties come in the schema's order.

    `path` is where the request has the schema. Errors: ServerError invalid, whose `param` is the
    path of the keyword at fault.
    """
    try:
        return Document(schema, path).text()
    except SchemaFault as fault:
        raise ServerError("invalid", str(fault), param=fault.path) from None


class Document:
    """One schema with all that it refers to. Errors of its methods: SchemaFault."""

    def __init__(self, root: object, path: str) -> None:
        self._path = path
        references = References(root, path)
        self._rewriter = Rewriter(references)
        self._root = self._rewriter.rewrite(root, path)
        self._places: dict[str, str] = {}
        self._definitions: dict[str, Any] = {}
        for name, schema, place in references.fresh():
            self._places[name] = place
            self._definitions[name] = self._rewriter.rewrite(schema, place)

    def text(self) -> str:
        """The whole as JSON, of which the matcher has been asked."""
        self._check_factors()
        self._settle_choices()
        self._check_endings()
        text = self._text_of(self._root)
        if len(text) > MAX_BYTES:
            raise SchemaFault(self._path, f"A schema has at most {MAX_BYTES} characters.")
        reason = _fault_of(text)
        if reason is not None:
            raise self._culprit(SchemaFault(self._path, reason))
        return text

    def _text_of(self, schema: Any) -> str:
        if isinstance(schema, bool):
            schema = {} if schema else {"anyOf": [False]}
        whole = {**schema, "$defs": self._definitions} if self._definitions else schema
        return json.dumps(whole, ensure_ascii=True, allow_nan=False)

    def _check_factors(self) -> None:
        factors = [Decimal(repr(factor)) for factor in set(self._rewriter.factors)]
        if len(factors) < 2 or not self._rewriter.combines:
            return
        # Where schemas are combined the matcher takes their common multiple.
        scale = max(-int(factor.as_tuple().exponent) for factor in factors)
        if lcm(*(int(factor.scaleb(max(scale, 0))) for factor in factors)) > MAX_FACTOR:
            raise SchemaFault(
                self._path,
                "The multipleOf of this schema may have to hold together, and are too far apart;"
                " leave the finer ones out.",
            )

    def _settle_choices(self) -> None:
        """Every oneOf as anyOf, whose branches have nothing in common."""
        compare = Comparison(lambda reference: self._definitions[reference[len(DEFINITIONS) :]])
        for holder, path in self._rewriter.choices:
            branches = holder["oneOf"]
            for first, second in combinations(range(len(branches)), 2):
                if not compare.are_disjoint(branches[first], branches[second]):
                    raise SchemaFault(
                        path,
                        f"Branches {first} and {second} of this oneOf may have values in common;"
                        " use anyOf, or give each a required property with a const of its own.",
                    )
            holder["anyOf"] = holder.pop("oneOf")

    def _check_endings(self) -> None:
        names = endless({**self._definitions, "": self._root})
        if names:
            # A definition, if there is one: the whole only fails with it.
            raise SchemaFault(
                self._places.get(max(names), self._path),
                "No value fits this schema: it demands itself again and again, or what is never"
                " allowed; make a property optional or nullable.",
            )

    def _culprit(self, fault: SchemaFault) -> SchemaFault:
        """The fault of the smallest schema that the matcher refuses by itself."""
        suspects, probes = [self._root], 0
        tried: set[int] = set()
        while suspects and probes < MAX_PROBES:
            suspect = suspects.pop(0)
            probes += 1
            tried.add(id(suspect))
            reason = _fault_of(self._text_of(suspect))
            if reason is not None:
                fault = SchemaFault(self._rewriter.places[id(suspect)], reason)
                suspects = [each for each in self._parts(suspect) if id(each) not in tried]
        return fault

    def _parts(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The schemas directly in a schema, and the one that it refers to."""
        for value in schema.values():
            inner = value.values() if isinstance(value, dict) else value
            for each in [value, *(inner if isinstance(value, dict | list) else ())]:
                if isinstance(each, dict) and id(each) in self._rewriter.places:
                    yield each
        if "$ref" in schema:
            target = self._definitions[schema["$ref"][len(DEFINITIONS) :]]
            if isinstance(target, dict):
                yield target


def _fault_of(text: str) -> str | None:
    """Why the matcher refuses a schema, in one sentence; None: it does not."""
    try:
        grammar = LLMatcher.grammar_from_json_schema(text)
        is_refused, reasons = LLMatcher.validate_grammar_with_warnings(grammar)
    except ValueError as error:
        is_refused, reasons = True, [str(error)]
    except BaseException as error:
        # A Rust panic is no Exception and would take the event loop with it.
        if type(error).__name__ != "PanicException":
            raise
        is_refused, reasons = True, ["it is too complex"]
    if not is_refused:
        return None
    reason = " ".join(PLACE.sub("", reasons[0]).split())
    return f"This schema cannot be held: {reason.rstrip('.')}."
