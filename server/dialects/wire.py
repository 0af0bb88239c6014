"""The types that wire models are made of: what JSON may hold where, in every dialect.

Knows no particular body.
"""

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

HUGE = 2**31 - 1
# The longest look-back that any model here has; -1 asks for it.
LONGEST_WINDOW = 131_072


def _integral(value: Any) -> Any:
    """Some clients write every number as a float: 256.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class _FailFast:
    """One slip is enough to refuse a body: to tell of every one would cost more than to answer it.
    (pydantic's own mark cannot stand in a union.)
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return cast(CoreSchema, {**handler(source), "fail_fast": True})


Item = TypeVar("Item")
Array: TypeAlias = Annotated[list[Item], _FailFast()]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True), BeforeValidator(_integral)]


class Wire(BaseModel):
    """Base of the wire models: unknown keys are kept, so that they can be named."""

    model_config = ConfigDict(extra="allow", frozen=True)
