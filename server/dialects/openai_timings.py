"""How long an answer took, in the words of llama.cpp's server."""

from collections.abc import Sequence

from server.core.events import Finished

MS = 1000.0


def timings_object(ends: Sequence[Finished]) -> dict[str, float]:
    """Milliseconds and tokens. Choices are generated side by side: their tokens add up, the longest
    of their times counts; the prompt is the first one's.
    """
    usage = ends[0].usage
    prompt_n = usage.prompt_tokens - usage.cached_tokens
    prompt_s = ends[0].timings.prompt_s
    predicted_n = sum(end.usage.completion_tokens for end in ends)
    predicted_s = max(end.timings.generation_s for end in ends)
    return {
        "cached_n": usage.cached_tokens,
        "prompt_n": prompt_n,
        "prompt_ms": prompt_s * MS,
        "prompt_per_second": _rate(prompt_n, prompt_s),
        "predicted_n": predicted_n,
        "predicted_ms": predicted_s * MS,
        "predicted_per_second": _rate(predicted_n, predicted_s),
        "queue_ms": max(end.timings.queue_s for end in ends) * MS,
    }


def _rate(tokens: int, seconds: float) -> float:
    return tokens / seconds if seconds > 0 else 0.0
