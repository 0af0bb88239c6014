"""What a gpt-oss model is told when it ended its turn with no answer, so that it goes on."""

from collections.abc import Sequence

from server.formats.harmony_heads import Heads
from server.formats.harmony_markers import Markers
from server.formats.vocabulary import Vocabulary

SHOWN_TOOLS = 20


class FollowUps:
    """Ids that take the place of the one that ended the turn."""

    def __init__(self, vocabulary: Vocabulary, markers: Markers) -> None:
        self._encode = vocabulary.encode
        self._markers = markers
        self._heads = Heads(vocabulary, markers)

    def answer_now(self) -> list[int]:
        """The message ends, and the final one begins."""
        return [*self._heads.leaving, *self._heads.answer]

    def no_such_tool(self, called: str, offered: Sequence[str]) -> list[int]:
        """The call is answered with an error, and the next message may be anything."""
        marks, encode = self._markers, self._encode
        names = ", ".join(f"functions.{name}" for name in offered[:SHOWN_TOOLS])
        way_out = f"Call one of {names}, or answer." if names else "No tools are there: answer."
        return [
            *(marks.call, marks.start, *encode(called), *encode(" to=assistant")),
            *(marks.channel, *encode("commentary"), marks.message),
            *(*encode(f"Error: {called} is not available. {way_out}"), marks.end),
            *(marks.start, *encode("assistant")),
        ]
