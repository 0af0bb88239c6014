"""The headers that may follow `<|channel|>`, as token ids."""

from server.core.messages import Tool
from server.formats.base import Ids
from server.formats.harmony_markers import Markers
from server.formats.vocabulary import Vocabulary


class Heads:
    """Each head begins after `<|channel|>` and ends with `<|message|>`."""

    def __init__(self, vocabulary: Vocabulary, markers: Markers) -> None:
        self._encode = vocabulary.encode
        self._markers = markers
        self.thought = self._plain("analysis")
        self.answer = self._plain("final")
        self.preamble = self._plain("commentary")
        # What a message begins with, before its head; and what leaves the one before.
        self.opening: Ids = (markers.start, *self._encode("assistant"), markers.channel)
        self.leaving: Ids = (markers.end, *self.opening)

    def call(self, tool: Tool) -> Ids:
        """The header of a call, as the model itself writes it."""
        marks, encode = self._markers, self._encode
        addressed = encode(f"commentary to=functions.{tool.name} ")
        return (*addressed, marks.constrain, *encode("json"), marks.message)

    def _plain(self, channel: str) -> Ids:
        return (*self._encode(channel), self._markers.message)
