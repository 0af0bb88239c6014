"""What upstream engines are made of in these tests, and what they are asked."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from server.core.events import Answer
from server.core.messages import Conversation, RawPrompt, UserMessage
from server.core.request import SAMPLERS_OFF, GenerationRequest
from server.engines.allowance import GenerationLimits
from server.engines.upstream import UpstreamEngine
from server.engines.upstream_options import UpstreamOptions
from tests.engines.scripted_server import frame

GOLDEN = {
    path.stem.removeprefix("upstream_"): json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[1] / "golden").glob("upstream_*.json"))
}
LIMITS = GenerationLimits(sampling=SAMPLERS_OFF, max_tokens=77)


def options(**changes: Any) -> UpstreamOptions:
    given = {"name": "far", "base_url": "http://127.0.0.1:9/v1", "model": "m", "limits": LIMITS}
    return UpstreamOptions(**(given | changes))


@asynccontextmanager
async def upstream(base_url: str, **changes: Any) -> AsyncIterator[UpstreamEngine]:
    """A started engine."""
    engine = UpstreamEngine(options(base_url=base_url, **changes))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def asked(text: str = "Hi", **more: Any) -> GenerationRequest:
    prompt = Conversation(messages=(UserMessage(text=text),))
    return GenerationRequest(**({"id": "test", "prompt": prompt} | more))


def raw(
    content: str | tuple[int, ...] = "Once", suffix: str = "", **more: Any
) -> GenerationRequest:
    prompt = RawPrompt(content=content, suffix=suffix)
    return GenerationRequest(**({"id": "test", "prompt": prompt} | more))


def body_of(golden: dict[str, Any]) -> bytes:
    """The bytes of a golden reply."""
    if "lines" in golden:
        return "".join(line + "\n" for line in golden["lines"]).encode()
    ping = b": ping\n\n" if golden.get("comment") else b""
    return ping + b"".join(map(frame, golden["frames"]))


def told(answer: Answer) -> dict[str, Any]:
    """An answer as golden files hold it."""
    usage = answer.finished.usage
    return {
        "reasoning": answer.reasoning,
        "text": answer.text,
        "tool_calls": [[call.id, call.name, call.arguments] for call in answer.tool_calls],
        "reason": answer.finished.reason,
        "usage": {
            name: getattr(usage, name)
            for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
        },
        "warning": answer.finished.warning,
    }
