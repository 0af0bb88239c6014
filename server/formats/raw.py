"""Plain completion: a prompt as it stands, and what the model writes after it as plain text.

Knows no messages. Text of a client never becomes a control token; a control token of the model
never becomes text.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from server.core.errors import ServerError
from server.core.events import Event, FinishReason, TokenLogprob
from server.core.messages import Conversation, RawPrompt
from server.core.request import GenerationRequest
from server.formats.base import Format, Ids, Prompt, Rails, Reader, Rule
from server.formats.output_grammar import output_grammar
from server.formats.part_writer import PartWriter
from server.formats.vocabulary import Vocabulary

# How models that fill in the middle spell what comes before, after, and where they are to write.
_FILL_IN = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EitherFormat:
    """A model's format for conversations, and the one for raw prompts: each request gets its own
    (`formats.base.Format`).
    """

    chat: Format
    raw: Format

    def prompt(self, request: GenerationRequest) -> Prompt:
        return self._of(request).prompt(request)

    def rails(self, request: GenerationRequest, reasoning: int | None = None) -> Rails:
        return self._of(request).rails(request, reasoning)

    def reader(self, request: GenerationRequest) -> Reader:
        return self._of(request).reader(request)

    def _of(self, request: GenerationRequest) -> Format:
        match request.prompt:
            case Conversation():
                return self.chat
            case RawPrompt():
                return self.raw


class RawFormat:
    """`stop_ids` end an answer; a prompt of nothing is the id `beginning`, after which the model
    begins a text. With `begins` it stands before every text.
    """

    def __init__(
        self, vocabulary: Vocabulary, stop_ids: Ids, beginning: int, *, begins: bool = False
    ) -> None:
        self._vocabulary = vocabulary
        self._stop_ids = stop_ids
        self._beginning = beginning
        self._begins = begins
        self._fill_in = _fill_in(vocabulary)

    def prompt(self, request: GenerationRequest) -> Prompt:
        tokens = self._tokens(_raw(request))
        return Prompt(tokens=tokens or [self._beginning], stop_ids=self._stop_ids)

    def rails(self, request: GenerationRequest, reasoning: int | None = None) -> Rails:  # noqa: ARG002
        """The form holds from the first token; there is no reasoning."""
        if request.output is None:
            return Rails()
        return Rails(rules=(Rule(grammar=output_grammar(request.output, self._stop_ids[0])),))

    def reader(self, _: GenerationRequest) -> "RawReader":
        return RawReader(self._vocabulary)

    def _tokens(self, prompt: RawPrompt) -> list[int]:
        before = self._ids(prompt)
        if not prompt.suffix:
            return before
        if self._fill_in is None:
            raise ServerError(
                "invalid",
                "Unsupported parameter: 'suffix': this model writes on at the end of a text and"
                " cannot fill in its middle; leave it out.",
                param="suffix",
                code="unsupported_parameter",
            )
        prefix, suffix, middle = self._fill_in
        return [prefix, *before, suffix, *self._vocabulary.encode(prompt.suffix), middle]

    def _ids(self, prompt: RawPrompt) -> list[int]:
        if isinstance(prompt.content, str):
            before = [self._beginning] if self._begins else []
            return before + self._vocabulary.encode(prompt.content)
        check_ids(prompt.content, self._vocabulary, prompt.path)
        return list(prompt.content)


class RawReader:
    """Reads one answer: all of it is one text (`formats.base.Reader`)."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.reason: FinishReason = "stop"
        self.reasoning_tokens = 0
        self.visible_tokens = 0
        self.speaks = True
        self.warning: str | None = None
        self._vocabulary = vocabulary
        self._part = PartWriter(itertools.count(), "text")

    def feed(self, token: int, logprob: TokenLogprob | None = None) -> list[Event]:
        if self._vocabulary.is_control(token):
            return []
        self.visible_tokens += 1
        return self._part.write(self._vocabulary.bytes_of(token), logprob)

    def follow_up(self) -> list[int]:
        return []

    def finish(self) -> list[Event]:
        return self._part.end()


def spelt(tokens: Sequence[int], vocabulary: Vocabulary) -> tuple[bytes, ...]:
    """The bytes of each token, of a control token its name. Errors: ServerError invalid."""
    check_ids(tokens, vocabulary, "tokens")
    return tuple(map(vocabulary.bytes_of, tokens))


def check_ids(ids: Sequence[int], vocabulary: Vocabulary, path: str) -> None:
    """Errors: ServerError invalid for an id that the vocabulary does not have."""
    for index, token in enumerate(ids):
        if not 0 <= token < vocabulary.size:
            raise ServerError(
                "invalid",
                f"Invalid '{path}[{index}]': there is no token {token}; the model's vocabulary"
                f" ends at {vocabulary.size - 1}.",
                param=f"{path}[{index}]",
            )


def _raw(request: GenerationRequest) -> RawPrompt:
    if isinstance(request.prompt, RawPrompt):
        return request.prompt
    raise TypeError("a conversation is no raw prompt")


def _found(vocabulary: Vocabulary, spellings: Sequence[str]) -> Iterator[int]:
    for spelling in spellings:
        with suppress(ValueError):
            yield vocabulary.special(spelling)


def _fill_in(vocabulary: Vocabulary) -> tuple[int, int, int] | None:
    """The ids around a gap, where the model was trained to fill one."""
    for spellings in _FILL_IN:
        try:
            prefix, suffix, middle = map(vocabulary.special, spellings)
        except ValueError:
            continue
        return prefix, suffix, middle
    return None
