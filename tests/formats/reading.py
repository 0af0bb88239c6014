"""Reading harmony text in the tests: parts instead of events."""

from collections.abc import Iterable
from dataclasses import dataclass

from server.core.events import Event, PartDelta, PartStarted
from server.formats.harmony_markers import Markers
from server.formats.harmony_reader import HarmonyReader
from server.formats.vocabulary import Vocabulary
from tests.contracts import check_events
from tests.formats.vocabularies import spell

TOOLS = ("get_weather", "do.it-now_2")
CALL_ID = "call_1"
Parts = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Reading:
    parts: Parts
    reason: str
    reasoning_tokens: int
    warning: str | None
    events: list[Event]


def reader(vocabulary: Vocabulary, tools: Iterable[str] = TOOLS) -> HarmonyReader:
    return HarmonyReader(vocabulary, Markers.of(vocabulary), list(tools), lambda: CALL_ID)


def read(vocabulary: Vocabulary, ids: Iterable[int], tools: Iterable[str] = TOOLS) -> Reading:
    """A whole answer, fed token by token; its events keep the contract."""
    reading = reader(vocabulary, tools)
    events = [event for token in ids for event in reading.feed(token)]
    events += reading.finish()
    check_events(events)
    assert reading.finish() == []
    return Reading(
        parts=parts_of(events),
        reason=reading.reason,
        reasoning_tokens=reading.reasoning_tokens,
        warning=reading.warning,
        events=events,
    )


def read_text(vocabulary: Vocabulary, text: str, tools: Iterable[str] = TOOLS) -> Reading:
    return read(vocabulary, spell(vocabulary, text), tools)


def parts_of(events: Iterable[Event]) -> Parts:
    """(kind, text) of each part; a call's kind is its function's name with ()."""
    heads: list[str] = []
    texts: list[list[str]] = []
    for event in events:
        if isinstance(event, PartStarted):
            heads.append(f"{event.name}()" if event.name else event.kind)
            texts.append([])
        elif isinstance(event, PartDelta):
            texts[-1].append(event.text)
    return [(head, "".join(text)) for head, text in zip(heads, texts, strict=True)]
