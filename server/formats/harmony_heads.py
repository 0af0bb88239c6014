"""The headers that may follow `<|channel|>`, as token ids, and how one of several is asked for."""

from collections.abc import Sequence
from itertools import takewhile

from server.core.messages import Tool
from server.formats.base import Grammar, Ids, Rule
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

    def open(
        self, before: Ids, heads: Sequence[Ids], suffix: Ids, *, instead: bool = False
    ) -> Rule:
        """After `suffix`: `before`, and then one of these heads. What they share is written, the
        rest is the model's choice.
        """
        shared = _shared(heads)
        if len(heads) == 1:
            return Rule(suffix=suffix, force=before + shared, instead=instead)
        rests = tuple(head[len(shared) : -1] for head in heads)
        choice = Grammar(kind="choice", choices=rests, end=self._markers.message)
        return Rule(suffix=suffix, force=before + shared, grammar=choice, instead=instead)

    def _plain(self, channel: str) -> Ids:
        return (*self._encode(channel), self._markers.message)


def _shared(sequences: Sequence[Ids]) -> Ids:
    """What all of them begin with."""
    columns = zip(*sequences, strict=False)
    alike = takewhile(lambda column: len(set(column)) == 1, columns)
    return tuple(column[0] for column in alike)
