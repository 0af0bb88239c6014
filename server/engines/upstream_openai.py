"""OpenAI's protocol as other servers speak it (OpenAI, vLLM, llama-server, Ollama, this one): chat
completions, and completions for raw prompts.

Reads what one of them writes otherwise than the others; what requests look like: upstream_request.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from server.core.errors import ServerError
from server.core.events import Event, TokenLogprob, Usage
from server.core.messages import Conversation
from server.core.request import GenerationRequest
from server.engines.upstream_answer import AnswerWriter, CallPiece, Disorder
from server.engines.upstream_exchange import Outgoing
from server.engines.upstream_lines import EndlessLine, Frame, Frames
from server.engines.upstream_options import UpstreamOptions
from server.engines.upstream_refusals import told_failure, unanswered
from server.engines.upstream_request import chat_body, completion_body

_CHAT, _COMPLETIONS = "/chat/completions", "/completions"
_OVER = b"[DONE]"


class OpenAiWire:
    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options
        self._base = options.base_url.rstrip("/").removesuffix(_CHAT)

    def outgoing(self, request: GenerationRequest) -> Outgoing:
        if isinstance(request.prompt, Conversation):
            path, body = _CHAT, chat_body(request, request.prompt, self._options)
        else:
            path, body = _COMPLETIONS, completion_body(request, request.prompt, self._options)
        return Outgoing(url=self._base + path, body=msgspec.json.encode(body))

    def reader(self, request: GenerationRequest) -> "OpenAiReader":
        return OpenAiReader(self._options.name, request.stop)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    """A whole message, or what is new of it."""

    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Alternative(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Token(_Alternative):
    top_logprobs: list[_Alternative] | None = None


class _Logprobs(msgspec.Struct):
    """Those of a chat (`content`), or of a completion: lists side by side."""

    content: list[_Token] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    text: str | None = None
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Chunk(msgspec.Struct):
    """`warning` is this server's own word."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    warning: str | None = None


class OpenAiReader:
    """A stream of server-sent events; or one JSON object, from servers that do not stream."""

    def __init__(self, name: str, stops: tuple[str, ...]) -> None:
        self._name = name
        self._stops = stops
        self._frames = Frames()
        self._whole: bytearray | None = None
        self._seen = False
        self._answer = AnswerWriter()
        self._reason: str | None = None
        self._stop_string: str | None = None
        self._usage: Usage | None = None
        self._warning = ""
        self.done = False

    @property
    def complete(self) -> bool:
        return self.done or self._reason is not None

    def feed(self, data: bytes) -> Iterator[Event]:
        if not self._seen and (data := data.lstrip()):
            self._seen = True
            self._whole = bytearray() if data.startswith(b"{") else None
        if self._whole is not None:
            self._whole += data
        else:
            yield from self._read(lambda: self._frames.feed(data))

    def finish(self) -> Iterator[Event]:
        whole = self._whole
        if whole is not None:
            yield from self._read(lambda: iter([Frame(bytes(whole))]))
        elif not self.done:
            yield from self._read(self._frames.finish)
        if not self.complete:
            raise unanswered(self._name, "ended before its answer was finished")
        yield from self._checked(
            lambda: self._answer.finish(
                self._reason, self._usage, stop_string=self._stop_string, warning=self._warning
            )
        )

    def _read(self, frames: Callable[[], Iterator[Frame]]) -> Iterator[Event]:
        def events() -> Iterator[Event]:
            for frame in frames():
                if not self.done:
                    yield from self._frame(frame)

        yield from self._checked(events)

    def _checked(self, events: Callable[[], Iterator[Event]]) -> Iterator[Event]:
        """Errors: ServerError for what is no answer."""
        try:
            yield from events()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, EndlessLine):
            raise unanswered(self._name, "says what is no answer in OpenAI's protocol") from None
        except Disorder as error:
            raise unanswered(self._name, str(error)) from None

    def _frame(self, frame: Frame) -> Iterator[Event]:
        if not frame.data:
            yield from self._answer.begin()
        elif frame.data.strip() == _OVER:
            self.done = True
        else:
            chunk = self._chunk(frame)
            yield from self._answer.begin()
            if chunk.usage is not None:
                self._usage = _usage(chunk.usage)
            self._warning = chunk.warning or self._warning
            for choice in chunk.choices or ():
                if choice.index == 0:
                    yield from self._choice(choice)

    def _chunk(self, frame: Frame) -> _Chunk:
        """Errors: ServerError for a failure that is told; msgspec.DecodeError."""
        if frame.event == b"error":
            data = msgspec.json.decode(frame.data)
            nested = isinstance(data, dict) and "error" in data
            raise told_failure(self._name, data if nested else {"error": data}) or self._amid()
        if b'"error"' in frame.data:
            error = told_failure(self._name, msgspec.json.decode(frame.data))
            if error is not None:
                raise error
        return msgspec.json.decode(frame.data, type=_Chunk)

    def _amid(self) -> ServerError:
        return unanswered(self._name, "failed amid its answer")

    def _choice(self, choice: _Choice) -> Iterator[Event]:
        logprobs = _logprobs(choice.logprobs) if choice.logprobs else ()
        if message := choice.delta or choice.message:
            yield from self._answer.reason(message.reasoning or message.reasoning_content or "")
            yield from self._answer.say(_text(message), logprobs)
            for piece in _pieces(message):
                yield from self._answer.call(piece)
        elif choice.text:
            yield from self._answer.say(choice.text, logprobs)
        if choice.finish_reason == "error":
            raise self._amid()
        self._reason = choice.finish_reason or self._reason
        if isinstance(choice.stop_reason, str) and choice.stop_reason in self._stops:
            self._stop_string = choice.stop_reason


def _text(message: _Message) -> str:
    content = message.content
    if isinstance(content, list):
        texts = [part.get("text") for part in content]
        content = "".join(text for text in texts if isinstance(text, str))
    return content or message.refusal or ""


def _pieces(message: _Message) -> Iterator[CallPiece]:
    calls = message.tool_calls or []
    if message.function_call is not None:
        calls = [*calls, _Call(function=message.function_call)]
    for call in calls:
        function = call.function or _Function()
        arguments = function.arguments
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        yield CallPiece(
            index=call.index,
            call_id=call.id or "",
            name=function.name or "",
            arguments=arguments or "",
        )


def _usage(told: _Usage) -> Usage:
    """The counts as they can be: no more of a part than of the whole."""
    prompt, completion = max(told.prompt_tokens or 0, 0), max(told.completion_tokens or 0, 0)
    cached = told.prompt_tokens_details and told.prompt_tokens_details.cached_tokens
    thought = told.completion_tokens_details and told.completion_tokens_details.reasoning_tokens
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=min(max(cached or 0, 0), prompt),
        completion_tokens=completion,
        reasoning_tokens=min(max(thought or 0, 0), completion),
    )


def _logprobs(told: _Logprobs) -> tuple[TokenLogprob, ...]:
    if told.content is not None:
        return tuple(
            TokenLogprob(
                token=_bytes(token),
                logprob=token.logprob,
                top=tuple((_bytes(each), each.logprob) for each in token.top_logprobs or ()),
            )
            for token in told.content
        )
    tokens = told.tokens or []
    numbers = told.token_logprobs or []
    tops = told.top_logprobs or [None] * len(tokens)
    return tuple(
        TokenLogprob(
            token=token.encode(),
            logprob=number or 0.0,
            top=tuple((each.encode(), value) for each, value in (top or {}).items()),
        )
        for token, number, top in zip(tokens, numbers, tops, strict=False)
    )


def _bytes(token: _Alternative) -> bytes:
    """As bytes where they are told: half a character is no text."""
    try:
        return token.token.encode() if token.bytes is None else bytes(token.bytes)
    except ValueError:
        return token.token.encode()
