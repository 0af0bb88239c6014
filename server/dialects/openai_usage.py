"""OpenAI's words for the tokens that a reply took. Knows no reply that they stand in."""

from collections.abc import Sequence
from typing import Any

from server.core.events import Usage


def usage_object(usages: Sequence[Usage], per_prompt: int | None = None) -> dict[str, Any]:
    """Every prompt once, and every choice's own tokens. `usages` are one a choice, `per_prompt` of
    them in a row for each prompt; None: all for one.
    """
    firsts = usages[:: per_prompt or len(usages)]
    prompt = sum(usage.prompt_tokens for usage in firsts)
    completion = sum(usage.completion_tokens for usage in usages)
    reasoning = sum(usage.reasoning_tokens for usage in usages)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(usage.cached_tokens for usage in firsts)},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
