"""What models write between tags as events, read token by token: thoughts, text, calls.

Expects what models really write and never fails: tags never become text, text is never lost, and
whatever had to be mended is said in `warning`.
"""

import itertools
import json
from collections.abc import Callable, Collection
from typing import Literal, TypeAlias

from server.core.events import Event, FinishReason, PartKind, TokenLogprob
from server.formats.held_text import HeldText, withheld
from server.formats.json_span import JsonSpan
from server.formats.part_writer import PartWriter
from server.formats.tags import Tags
from server.formats.template_prompt import Opening
from server.formats.text import Utf8Decoder
from server.formats.vocabulary import Vocabulary

# Before the answer, in a thought, in the answer, before a call's arguments, in them, and in what is
# left out.
State: TypeAlias = Literal["lead", "thought", "text", "head", "arguments", "nowhere"]
# A function's name and what belongs to it take less.
MAX_HEAD = 4_096
BETWEEN = "\n\n"


class TaggedReader:
    """Reads one answer; see `formats.base.Reader`. A call of one of `tools` ends it, calls of
    anything else are left out.

    `opening` is where the prompt ends; `begun`: within the answer. A thought stands before text:
    what looks like one within text is text.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tags: Tags,
        ends: Collection[int],
        tools: Collection[str],
        make_call_id: Callable[[], str],
        opening: Opening | Literal["begun"] = "either",
    ) -> None:
        self.reason: FinishReason = "stop"
        self.reasoning_tokens = 0
        self.visible_tokens = 0
        self.speaks = opening == "begun"
        self.warning: str | None = None
        self._vocabulary = vocabulary
        self._thinking = tags.thinking
        self._calls = tags.calls
        self._names = frozenset(tags.names)
        opens = tags.thinking.open if tags.thinking else ""
        self._strays = tuple(name for name in tags.names if tags.strays and name != opens)
        self._ends = frozenset(ends)
        self._tools = frozenset(tools)
        self._make_call_id = make_call_id
        self._indices = itertools.count()
        self._decoder = Utf8Decoder()
        self._held = HeldText()
        self._part: PartWriter | None = None
        self._span = JsonSpan()
        self._fresh = True
        self._may_call = tags.strays
        self._done = False
        self._state: State = "lead"
        if opening == "begun":
            self._state = "text"
        elif opening == "thought":
            self._state = "thought"

    def feed(self, token: int, logprob: TokenLogprob | None = None) -> list[Event]:
        if self._done:
            return []
        if token in self._ends:
            return self._settle()
        data = self._vocabulary.bytes_of(token)
        if self._vocabulary.is_control(token):
            if not any(data.decode("utf-8", "replace") in name for name in self._names):
                self._mend("The model wrote a control token inside its text; it was left out.")
                return []
            self._held.write_rest(self._decoder.finish())
        self._held.write(self._decoder.feed(data), logprob)
        return self._read()

    def follow_up(self) -> list[int]:
        """Who has only thought is made to answer."""
        if self._done or self._state != "thought" or self._thinking is None:
            return []
        self._mend("The model ended without an answer; it was made to give one.")
        self._state = "lead"
        close = self._vocabulary.specials.get(self._thinking.close)
        told = self._vocabulary.encode_on(self._thinking.close) if close is None else [close]
        return [*told, *self._vocabulary.encode_on(BETWEEN)]

    def finish(self) -> list[Event]:
        events = [] if self._done else self._settle()
        self._done = True
        self.speaks = False
        return events

    # --- reading ----------------------------------------------------------------------------------

    def _read(self) -> list[Event]:
        """Read on as far as it is known what is held."""
        events: list[Event] = []
        goes_on = True
        while goes_on and self._held.text and not self._done:
            match self._state:
                case "lead":
                    goes_on = self._lead()
                case "thought":
                    goes_on = self._thought(events)
                case "text":
                    goes_on = self._text(events)
                case "head":
                    goes_on = self._head(events)
                case "arguments":
                    goes_on = self._arguments(events)
                case "nowhere":
                    self._drop(len(self._held.text))
        self.speaks = not self._done and self._state in ("text", "arguments")
        return events

    def _lead(self) -> bool:
        """Leave blanks out and see what begins."""
        text = self._skip_blanks()
        if not text:
            return False
        thinking = self._thinking
        if thinking is not None and text.startswith(thinking.open):
            self._drop(len(thinking.open))
            self._state, self._fresh = "thought", True
        elif thinking is not None and thinking.open.startswith(text):
            return False
        elif self._calls is not None and not self._calls.opener and self._may_call and self._tools:
            self._state = "head"
        else:
            self._state = "text"
        return True

    def _thought(self, events: list[Event]) -> bool:
        assert self._thinking is not None
        if self._fresh and not self._begin_thought():
            return False
        text, close = self._held.text, self._thinking.close
        at = text.find(close)
        if at < 0:
            loose = len(text) - withheld(text, [close])
            self._say(events, len(text[:loose].rstrip()), "reasoning")
            return False
        thought = len(text[:at].rstrip())
        self._say(events, thought, "reasoning")
        self._drop(at + len(close) - thought)
        self._end_part(events)
        self._state = "lead"
        return True

    def _begin_thought(self) -> bool:
        """Leave out blanks, and the tag where the prompt has it already."""
        assert self._thinking is not None
        text = self._skip_blanks()
        if text.startswith(self._thinking.open):
            self._drop(len(self._thinking.open))
            text = self._skip_blanks()
        elif self._thinking.open.startswith(text):
            return False
        self._fresh = not text
        return bool(text)

    def _text(self, events: list[Event]) -> bool:
        text = self._held.text
        found = [(at, tag) for tag in self._strays if (at := text.find(tag)) >= 0]
        if not found:
            loose = len(text) - withheld(text, self._strays)
            if self._tools and self._calls is not None:
                # Blanks before a call are not part of what is said.
                loose = len(text[:loose].rstrip())
            self._say(events, loose, "text")
            return False
        at, tag = min(found)
        opens = self._calls is not None and tag == self._calls.opener
        said = len(text[:at].rstrip()) if opens else at
        self._say(events, said, "text")
        self._drop(at + len(tag) - said)
        if opens:
            self._end_part(events)
            self._state = "head"
        else:
            self._mend(f"The model wrote {tag} inside its text; it was left out.")
        return True

    def _head(self, events: list[Event]) -> bool:
        assert self._calls is not None
        text = self._held.text
        found = self._calls.head.match(text, partial=True)
        if found is None or len(text) > MAX_HEAD:
            return self._no_call()
        if found.partial:
            return False
        name = _unescaped(found["name"])
        if name not in self._tools:
            if not self._calls.opener:
                return self._no_call()
            self._mend(f"The model called {name}, which was not offered; this was left out.")
            self._state = "nowhere"
            return True
        self._drop(found.end())
        self.reason = "tool_calls"
        self._part = PartWriter(self._indices, "tool_call", self._make_call_id(), name)
        events += self._part.begin()
        self._state = "arguments"
        return True

    def _no_call(self) -> bool:
        """What looked like one is text, or was said to be one and is of no use."""
        assert self._calls is not None
        self._may_call = False
        if not self._calls.opener:
            self._state = "text"
        else:
            self._mend("The model wrote a call that cannot be read; it was left out.")
            self._state = "nowhere"
        return True

    def _arguments(self, events: list[Event]) -> bool:
        self._say(events, self._span.feed(self._held.text), "tool_call")
        if self._span.closed:
            self._end_part(events)
            self._done = True
        return False

    def _settle(self) -> list[Event]:
        """The turn is over: what is held is all there will be."""
        self._held.write_rest(self._decoder.finish())
        events = self._read()
        if self._state == "head" and self._calls is not None and not self._done:
            if self._calls.opener:
                self._mend("The model broke off in a call; it was left out.")
            else:
                self._state = "text"
        kind: PartKind = "reasoning" if self._state == "thought" else "text"
        if self._state in ("lead", "text", "thought"):
            held = self._held.text if self._state == "text" else self._held.text.rstrip()
            self._say(events, len(held), kind)
        self._drop(len(self._held.text))
        self._end_part(events)
        return events

    # --- pieces -----------------------------------------------------------------------------------

    def _say(self, events: list[Event], count: int, kind: PartKind) -> None:
        """The next characters are part of what is said."""
        if count <= 0:
            return
        if self._part is None:
            self._part = PartWriter(self._indices, kind)
        for text, logprob, begins in self._held.take(count):
            self.reasoning_tokens += begins and kind == "reasoning"
            self.visible_tokens += begins and kind != "reasoning"
            events += self._part.write(text.encode(), logprob)

    def _skip_blanks(self) -> str:
        text = self._held.text
        self._drop(len(text) - len(text.lstrip()))
        return self._held.text

    def _drop(self, count: int) -> None:
        self._held.take(count)

    def _end_part(self, events: list[Event]) -> None:
        part, self._part = self._part, None
        if part is not None:
            events += part.end()

    def _mend(self, what: str) -> None:
        self.warning = self.warning or what


def _unescaped(name: str) -> str:
    try:
        text = json.loads(f'"{name}"')
    except ValueError:
        return name
    return text if isinstance(text, str) else name
