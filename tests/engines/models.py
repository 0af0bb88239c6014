"""Model files for the tests: the bundled one, and broken copies of it."""

import re
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import TypeAlias

import gguf

from server.core.messages import Conversation, UserMessage
from server.core.request import SAMPLERS_OFF, GenerationRequest, Sampling
from server.engines.allowance import GenerationLimits
from server.engines.local import LocalEngine, LocalOptions
from server.formats.choice import speech_of
from server.worker.messages import ModelOptions, PrefixOptions

TINY = Path(__file__).parents[2] / "models" / "gpt-oss-tiny.gguf"
MARKUP = re.compile(r"<\|\w+\|>")
GREEDY = Sampling(temperature=0.0)
StartEngine: TypeAlias = Callable[..., Awaitable[LocalEngine]]


def limits(**changes: object) -> GenerationLimits:
    return GenerationLimits(**({"sampling": SAMPLERS_OFF, "max_tokens": 256} | changes))


def options(
    path: Path = TINY,
    *,
    slots: int = 4,
    context: int = 32_768,
    queue: int = 16,
    prefixes: PrefixOptions | None = None,
) -> ModelOptions:
    return ModelOptions(
        path=str(path),
        context_length=context,
        slots=slots,
        threads=1,
        gpu_layers=0,
        cpu_moe_layers=0,
        weight_repack="off",
        queue_limit=queue,
        prefixes=prefixes or PrefixOptions(),
    )


def asked(text: str, *, name: str = "test", **more: object) -> GenerationRequest:
    """A greedy request of one user message."""
    conversation = Conversation(messages=(UserMessage(text=text),))
    values = {"effort": "low", "sampling": GREEDY, "max_tokens": 64} | more
    return GenerationRequest(id=name, prompt=conversation, **values)


def local_engine(given: LocalOptions) -> LocalEngine:
    """An engine for gpt-oss on a fixed day, not yet started."""
    return LocalEngine(given, lambda text: speech_of(text, lambda: date(2026, 11, 20)))


def endless(name: str = "endless") -> GenerationRequest:
    """A request whose answer ends for no other reason than its limit of 30,000 tokens."""
    # Without control tokens the model can neither end nor change the channel.
    never = dict.fromkeys(control_ids().values(), -100.0)
    sampling = Sampling(temperature=0.0, logit_bias=never)
    return asked("Hello!", name=name, max_tokens=30_000, sampling=sampling)


def control_ids() -> dict[str, int]:
    """The bundled model's control tokens by their text."""
    field = gguf.GGUFReader(TINY).fields["tokenizer.ggml.tokens"]
    tokens = [bytes(field.parts[at]).decode() for at in field.data]
    return {token: index for index, token in enumerate(tokens) if MARKUP.fullmatch(token)}


def patched(target: Path, old: bytes, new: bytes) -> Path:
    """A copy of the bundled model with one byte string replaced by another of the same length."""
    assert len(old) == len(new)
    data = TINY.read_bytes()
    assert old in data
    target.write_bytes(data.replace(old, new))
    return target
