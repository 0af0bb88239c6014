"""What is measured: the configured model, loaded here for the purpose, or a server that runs. Both
write on after a prompt for exactly so many tokens.

Nothing is guessed from earlier text meanwhile, and nothing of a prompt is remembered.
"""

import asyncio
import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol
from uuid import uuid4

import httpx2

from server.assemble import Workshop
from server.benchmark.figures import Reading
from server.check_client.address import Address
from server.check_client.refusals import refusal
from server.core.errors import ServerError
from server.core.events import Finished, PartDelta
from server.core.messages import RawPrompt
from server.core.request import GenerationRequest, Sampling
from server.registry.entries import Entry
from server.settings.registry_file import Listing
from server.settings.settings import Settings
from server.settings.values import Size
from server.verdicts import Failure

LOOK_EVERY_S = 0.2
# Greedy and the same every time; for a request with a seed nothing is guessed.
SAMPLING = Sampling(temperature=0.0, seed=1)
COMPLETIONS = "/v1/completions"
SUBJECT = "bench"


class Target(Protocol):
    """Errors of both: Failure."""

    async def __aenter__(self) -> "Target": ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def write(self, prompt: str, tokens: int) -> Reading:
        """Write on after `prompt` for so many tokens."""
        ...


class LoadedHere:
    """The configured model in a worker of its own, as the server would load it; `say` hears how far
    that is.
    """

    def __init__(self, settings: Settings, listing: Listing, say: Callable[[str], None]) -> None:
        nothing = {"prefix_cache_ram": Size(0), "prefix_cache_disk": Size(0)}
        entry = Workshop(settings.model_copy(update=nothing)).entry(listing, resident=True)
        assert isinstance(entry, Entry)
        self._engine = entry.engine
        self._say = say

    async def __aenter__(self) -> "LoadedHere":
        await self._engine.start()
        said = ""
        while (status := self._engine.status()).state != "ready":
            if status.state == "failed":
                await self._engine.close()
                raise Failure(SUBJECT, status.detail, "see gpt-api doctor")
            if status.detail != said:
                said = status.detail
                self._say(said)
            await asyncio.sleep(LOOK_EVERY_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.close()

    async def write(self, prompt: str, tokens: int) -> Reading:
        request = GenerationRequest(
            id=f"bench-{uuid4()}",
            prompt=RawPrompt(content=prompt),
            owner=str(uuid4()),
            max_tokens=tokens,
            min_tokens=tokens,
            reasoning_budget=0,
            sampling=SAMPLING,
        )
        began = time.perf_counter()
        arrivals: list[float] = []
        try:
            async for event in self._engine.generate(request):
                if isinstance(event, PartDelta):
                    arrivals.append(time.perf_counter())
                elif isinstance(event, Finished):
                    return _reading(began, arrivals, event)
        except ServerError as error:
            raise Failure(SUBJECT, error.message) from None
        raise Failure(SUBJECT, "an answer did not end", "see gpt-api doctor")


def _reading(began: float, arrivals: list[float], end: Finished) -> Reading:
    return Reading(
        began=began,
        arrivals=tuple(arrivals or [time.perf_counter()]),
        prompt_tokens=end.usage.prompt_tokens,
        cached_tokens=end.usage.cached_tokens,
        tokens=end.usage.completion_tokens,
        prompt_s=end.timings.prompt_s,
        generation_s=end.timings.generation_s,
    )


class RunningServer:
    """A gpt-api at an address, which others may be asking too."""

    def __init__(self, address: Address, key: str, patience_s: float) -> None:
        self._url = address.root + COMPLETIONS
        self._anonymous = not key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx2.Timeout(patience_s, connect=10.0)
        self._client = httpx2.AsyncClient(headers=headers, timeout=timeout, trust_env=False)

    async def __aenter__(self) -> "RunningServer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def write(self, prompt: str, tokens: int) -> Reading:
        body = {
            "prompt": prompt,
            "max_tokens": tokens,
            "min_tokens": tokens,
            "temperature": SAMPLING.temperature,
            "seed": SAMPLING.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
            "timings": True,
        }
        began = time.perf_counter()
        try:
            async with self._client.stream("POST", self._url, json=body) as response:
                if response.status_code == 401 and self._anonymous:
                    way_out = "give one that may do completions with --key (-: standard input)"
                    raise Failure(SUBJECT, "the server wants a key", way_out)
                if response.status_code != 200:
                    raise _refused(response.status_code, await response.aread())
                return await _listen(response, began)
        except httpx2.HTTPError as error:
            words = str(error) or type(error).__name__
            raise Failure(SUBJECT, f"the connection broke ({words})", "see check-client") from None


async def _listen(response: httpx2.Response, began: float) -> Reading:
    arrivals: list[float] = []
    last: dict[str, Any] = {}
    async for line in response.aiter_lines():
        data = line.removeprefix("data:").strip()
        if not data.startswith("{"):
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            raise refusal(SUBJECT, 500, chunk)
        if any(choice.get("text") for choice in chunk.get("choices") or ()):
            arrivals.append(time.perf_counter())
        last = chunk if chunk.get("usage") else last
    timings = last.get("timings")
    if not timings:
        raise Failure(SUBJECT, "the server does not tell how long it took", "measure a gpt-api")
    return Reading(
        began=began,
        # Of a single token there may be no text yet.
        arrivals=tuple(arrivals or [time.perf_counter()]),
        prompt_tokens=last["usage"]["prompt_tokens"],
        cached_tokens=timings["cached_n"],
        tokens=timings["predicted_n"],
        prompt_s=timings["prompt_ms"] / 1000,
        generation_s=timings["predicted_ms"] / 1000,
    )


def _refused(status: int, content: bytes) -> Failure:
    text = content.decode(errors="replace")
    try:
        return refusal(SUBJECT, status, json.loads(text))
    except ValueError:
        return refusal(SUBJECT, status, text)
