"""What becomes of the fields of a body that it does not declare: ignored, refused, or unknown.

Knows no particular body.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from server.dialects.refusals import unknown_parameter, unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherFields:
    """`ignored` change nothing in the text of an answer: taken and not used. `refused` would change
    its meaning, and this server does not do them; each with the reason or the way out.
    """

    ignored: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)

    def check(self, body: BaseModel, *, strict: bool) -> tuple[str, ...]:
        """The names nobody knows. Errors: ServerError invalid for a field that is refused, and when
        `strict` for an unknown one.
        """
        extra = body.model_extra or {}
        for name, reason in self.refused.items():
            if extra.get(name) is not None:
                raise unsupported(name, reason)
        unknown = tuple(sorted(extra.keys() - self.ignored - self.refused.keys()))
        if unknown and strict:
            raise unknown_parameter(unknown[0])
        return unknown
