"""The header of a harmony message: who speaks, on which channel, to whom.

Reads what models really write: repeated channels, missing and extra words, no `<|message|>`.
"""

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from server.core.events import TokenLogprob

Channel: TypeAlias = Literal["analysis", "commentary", "final"]

CHANNELS: tuple[Channel, ...] = ("analysis", "commentary", "final")
PEOPLE = frozenset({"assistant", "user", "all"})
OTHERS = frozenset({b"user", b"system", b"developer", b"tool", b"python"})
OTHER_TOOLS = (b"functions.", b"browser.")
CONTENT_TYPES = frozenset({b"", b"json", b"code", b"text"})

# Bytes. No header is longer (a tool's name has at most 64); what is, is text without a header.
HEADER_LIMIT = 256

_RECIPIENT = re.compile(rb"to=\s*(\S+)")
# How a header looks that was cut short before its first marker.
_ADDRESSED = re.compile(rb"\s*(?:assistant\s+)?to=")
_ROLE = re.compile(rb"\s*(?:assistant)?\s*(?:to)?\s*")
_ADDRESSEE = re.compile(rb"^\s*to=\s*\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`author` is set when it is not the assistant, `recipient` when it is not a person."""

    author: str | None = None
    channel: Channel | None = None
    recipient: str | None = None


@dataclass(slots=True, kw_only=True)
class HeaderBuffer:
    """A header being collected. `started`: after `<|start|>`, so that a role comes first;
    `answering`: right after the prompt, where the role has been said already.
    """

    started: bool = False
    answering: bool = False
    tokens: int = 0
    logprobs: list[TokenLogprob] = field(default_factory=list)
    _role: bytearray = field(default_factory=bytearray)
    _channels: list[bytearray] = field(default_factory=list)
    _size: int = 0

    def write(self, data: bytes, logprob: TokenLogprob | None = None) -> None:
        (self._channels[-1] if self._channels else self._role).extend(data)
        self._size += len(data)
        self.tokens += 1
        if logprob is not None:
            self.logprobs.append(logprob)

    def begin_channel(self) -> None:
        """At `<|channel|>`. The channel begun last is the message's."""
        self._channels = [*self._channels[-1:], bytearray()]

    def begin_type(self) -> None:
        """At `<|constrain|>`: whatever stood before it ends here."""
        self.write(b" ")

    @property
    def empty(self) -> bool:
        return not self._role and not self._channels

    @property
    def full(self) -> bool:
        return self._size > HEADER_LIMIT

    def parse(self) -> Header:
        """What the header says, whatever it is made of."""
        channel = self._channel()
        return Header(author=self._author(), channel=channel, recipient=self._recipient(channel))

    def bare(self) -> tuple[Channel | None, bytes | None]:
        """What it is if no `<|message|>` comes: a channel and the text on it. The text is None if
        it is not for people, and empty if there are only a header's words.
        """
        if not self._channels:
            return None, self._bare_answer()
        header = self.parse()
        addressed = header.recipient is not None and header.channel != "final"
        if header.author is not None or addressed:
            return header.channel, None
        text = bytes(self._channels[-1]).lstrip()[len(header.channel or "") :]
        text = _ADDRESSEE.sub(b"", text).lstrip()
        return header.channel, b"" if text.strip() in CONTENT_TYPES else text

    def _bare_answer(self) -> bytes | None:
        text = bytes(self._role)
        if self.started:
            if self._author() is not None:
                return None
            text = text.lstrip().removeprefix(b"assistant").lstrip()
        if _ADDRESSED.match(text):
            return None
        return b"" if _ROLE.fullmatch(text) else text

    def _channel(self) -> Channel | None:
        """The channel that the last marker names; models glue other words to the name."""
        text = bytes(self._channels[-1]).lstrip().lower() if self._channels else b""
        return next((name for name in CHANNELS if text.startswith(name.encode())), None)

    def _author(self) -> str | None:
        words = _RECIPIENT.sub(b"", self._role).split()
        if self.answering or not words:
            return None
        name = words[0].split(b":")[0]
        return _name(name) if name in OTHERS or name.startswith(OTHER_TOOLS) else None

    def _recipient(self, channel: Channel | None) -> str | None:
        """The last one named in the role or with the last channel; what the channel before it names
        counts only if this is still the channel of calls.
        """
        texts = [self._role, *self._channels[-1:]]
        if channel == "commentary":
            texts[:0] = self._channels[:-1]
        names = [_name(found) for text in texts for found in _RECIPIENT.findall(bytes(text))]
        tools = [name for name in names if name not in PEOPLE]
        return tools[-1] if tools else None


def _name(text: bytes) -> str:
    return text.decode("utf-8", "replace")
