"""Real implementations of the ports, without a model behind them."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from server.core.embeddings import EmbeddingRequest, Embeddings
from server.core.errors import ServerError
from server.core.events import (
    Event,
    Finished,
    FinishReason,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    Usage,
)
from server.core.ports import EngineState, EngineStatus, ModelCard
from server.core.request import GenerationRequest

USAGE = Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=6, reasoning_tokens=2)
CARD = ModelCard(
    architecture="gpt-oss",
    description="gpt-oss 20B MXFP4",
    context_length=8192,
    training_context_length=131072,
    parameters=20_914_757_184,
    size_bytes=12_109_566_560,
    slots=4,
    vocabulary_size=201_088,
)


@dataclass(eq=False)
class Pause:
    """A point in a script: `reached` tells the test that it is reached, `go` lets it pass."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)


Step: TypeAlias = Event | Pause | Exception
Script: TypeAlias = tuple[Step, ...]


def part(index: int, kind: PartKind, *texts: str, call_id: str = "", name: str = "") -> Script:
    """One whole part, a delta for each text."""
    return (
        PartStarted(index=index, kind=kind, call_id=call_id, name=name),
        *(PartDelta(text=text) for text in texts),
        PartEnded(),
    )


def finished(reason: FinishReason = "stop", warning: str | None = None) -> Finished:
    return Finished(reason=reason, usage=USAGE, warning=warning)


STARTED = Started(prompt_tokens=USAGE.prompt_tokens)
HELLO: Script = (STARTED, *part(0, "text", "Hel", "lo"), finished())


class ScriptedEngine:
    """An engine that plays a script to every request, or `by_request` its n-th script to the n-th.

    What it was asked is in `requests`. `left` is set when a stream is closed before its end, and
    `running` counts the streams that play.
    """

    def __init__(
        self,
        *script: Step,
        by_request: Mapping[int, Script] | None = None,
        state: EngineState = "ready",
        card: ModelCard | None = CARD,
    ) -> None:
        self.script: Script = script or HELLO
        self.by_request = dict(by_request or {})
        self.state: EngineState = state
        self.requests: list[GenerationRequest] = []
        self.running = 0
        self.left = asyncio.Event()
        self._card = card

    async def start(self) -> None:
        self.state = "ready"

    async def close(self) -> None:
        self.state = "stopped"

    def status(self) -> EngineStatus:
        return EngineStatus(state=self.state, running=self.running)

    def card(self) -> ModelCard | None:
        return self._card

    async def tokenize(self, request: GenerationRequest) -> tuple[int, ...]:
        self._check()
        self.requests.append(request)
        return tuple(range(USAGE.prompt_tokens))

    async def detokenize(self, tokens: Sequence[int]) -> tuple[bytes, ...]:
        """A token is a letter here."""
        self._check()
        return tuple(b"%c" % (ord("a") + token % 26) for token in tokens)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self._check()
        script = self.by_request.get(len(self.requests), self.script)
        self.requests.append(request)
        self.running += 1
        ended = False
        try:
            for step in script:
                if isinstance(step, Pause):
                    step.reached.set()
                    await step.go.wait()
                elif isinstance(step, Exception):
                    ended = True
                    raise step
                else:
                    ended = ended or isinstance(step, Finished)
                    yield step
        finally:
            self.running -= 1
            if not ended:
                self.left.set()

    def _check(self) -> None:
        if self.state == "failed":
            raise ServerError("engine_failed", "The model could not be loaded; see the log.")
        if self.state != "ready":
            raise ServerError("loading", "The model is still loading; try again.", retry_after=3)


class ScriptedEmbedder:
    """An embedder that answers every input with one vector and a token for each of its characters,
    after it has played its script: pauses, and failures.
    """

    def __init__(self, *script: Pause | Exception, state: EngineState = "ready") -> None:
        self.state: EngineState = state
        self.requests: list[EmbeddingRequest] = []
        self.left = asyncio.Event()
        self._script = script

    async def start(self) -> None:
        self.state = "ready"

    async def close(self) -> None:
        self.state = "stopped"

    def status(self) -> EngineStatus:
        return EngineStatus(state=self.state)

    def card(self) -> ModelCard | None:
        return replace(CARD, architecture="bert", embedding_length=2, extra={"pooling": "mean"})

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        self.requests.append(request)
        try:
            for step in self._script:
                if isinstance(step, Exception):
                    raise step
                step.reached.set()
                await step.go.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        return Embeddings(
            vectors=(struct.pack("<2f", 1, 0),) * len(request.inputs),
            tokens=tuple(len(each) for each in request.inputs),
        )
