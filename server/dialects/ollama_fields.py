"""The fields that Ollama's chat and generate requests share: what their values mean.

Knows neither messages nor prompts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.core.durations import read_duration
from server.core.request import Effort, JsonOutput
from server.dialects.json_body import Body, read
from server.dialects.ollama_body import OllamaAnswerBody
from server.dialects.ollama_errors import refused

MOST_LOGPROBS = 20

_EFFORTS: Mapping[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "max": "high"}


def read_request(raw: bytes, model: type[Body]) -> Body:
    """Errors: ServerError invalid."""
    if not raw.strip():
        raise refused("missing request body")
    return read(raw, model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """How long to think, at most how many tokens, and whether to show it."""

    effort: Effort
    budget: int | None = None
    shown: bool = True


def to_thinking(value: Any, default: Effort) -> Thinking:
    """What `think` asks for. Errors: ServerError invalid."""
    if value is None or value is True or value == "":
        return Thinking(effort=default)
    if value is False:
        return Thinking(effort="low", budget=0, shown=False)
    if isinstance(value, str) and value in _EFFORTS:
        return Thinking(effort=_EFFORTS[value])
    shown = value[:40] if isinstance(value, str) else _compact(value)
    raise refused(
        f'invalid think value: "{shown}" (must be "high", "medium", "low", "max", true, or false)',
        "think",
    )


def to_output(value: Any) -> JsonOutput | None:
    """What `format` asks for. Errors: ServerError invalid."""
    if value is None or value == "":
        return None
    if value == "json":
        return JsonOutput()
    if isinstance(value, dict):
        return JsonOutput(schema=value, path="format")
    raise refused(
        f'invalid format: {_compact(value)}; expected "json" or a valid JSON Schema object',
        "format",
    )


def to_logprobs(body: OllamaAnswerBody) -> int | None:
    """How many alternatives to each token, if log probabilities are wanted at all."""
    top = body.top_logprobs or 0
    if not 0 <= top <= MOST_LOGPROBS:
        raise refused(f"top_logprobs must be between 0 and {MOST_LOGPROBS}", "top_logprobs")
    return top if body.logprobs else None


def keep_alive_seconds(value: Any) -> float | None:
    """Seconds, negative: for ever; None where the client does not say. Errors: ServerError
    invalid.
    """
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, str):
        try:
            return read_duration(value.strip())
        except ValueError as error:
            raise refused(f"time: {error}", "keep_alive") from None
    raise refused("invalid keep_alive: it must be a number of seconds or a duration", "keep_alive")


def _compact(value: Any) -> str:
    return json.dumps(value)[:80]
