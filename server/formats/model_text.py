"""What a model file says of its text: its tokens, how they are made of characters, and how a chat
is written. Plain values; what they mean the formats know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# The kinds of tokens as `ModelText.kinds` has them, and what they take of the blanks beside them.
NORMAL, CONTROL, USER_DEFINED, BYTE = range(4)
KIND, STRIPS_LEFT, STRIPS_RIGHT = 0x0F, 0x40, 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelText:
    """`tokens` are raw bytes by id, `kinds` one byte for each of them, `scores` one number where
    `tokeniser` is "llama", else empty. Ids that the file does not name are -1.

    `pre` names how the text is split before its bytes are merged; with `space_prefix` a text begins
    with a blank, with `begins` with the id `bos`. `templates` are Jinja by name, the usual one ""
    (named ones for special occasions, like "tool_use").
    """

    architecture: str
    tokeniser: str
    pre: str = ""
    tokens: Sequence[bytes]
    control_ids: Sequence[int]
    end_ids: Sequence[int] = ()
    kinds: bytes = b""
    scores: Sequence[float] = ()
    bos: int = -1
    eos: int = -1
    begins: bool = False
    space_prefix: bool = False
    templates: Mapping[str, str] = field(default_factory=dict)

    def of_kind(self, kind: int) -> list[int]:
        """The ids of this kind, ascending."""
        return [token for token, flags in enumerate(self.kinds) if flags & KIND == kind]
