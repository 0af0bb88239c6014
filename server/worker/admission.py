"""What is refused before it runs: requests that cannot fit or that would break llama.cpp. Knows the
limits, not how busy the worker is.

The gateway checks a client's values in the client's own words first; this is the engine's own door.
"""

from dataclasses import dataclass
from math import inf, isfinite

from server.worker.messages import RefusalKind, Refused, SamplerOptions, Submit
from server.worker.rule_limits import constraints_fault

# llama.cpp computes with 32-bit floats: inside these bounds no logit becomes infinite or NaN.
BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (-100.0, 100.0),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "frequency_penalty": (-100.0, 100.0),
    "presence_penalty": (-100.0, 100.0),
    "dry_multiplier": (0.0, 100.0),
    "dry_base": (0.0, 100.0),
    "dry_allowed_length": (0, 1 << 20),
    "top_n_sigma": (-1.0, 100.0),
    "xtc_probability": (0.0, 1.0),
    "xtc_threshold": (0.0, 1.0),
    "mirostat": (0, 2),
    "mirostat_tau": (0.0, 1000.0),
    "mirostat_eta": (0.0, 1000.0),
}
LARGEST_BIAS = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one worker offers. `context_length` is one slot's, prompt and answer together;
    `queue_limit` counts the requests that wait for a slot, `queue_deadline_s` bounds how long one
    may be expected to; `owner_slots` are what one owner's requests may hold at once (None: all);
    `max_stall_s` bounds the pause of a running stream.
    """

    slots: int
    context_length: int
    vocabulary_size: int
    queue_limit: int
    max_stall_s: float
    queue_deadline_s: float = inf
    owner_slots: int | None = None


def refusal(submit: Submit, limits: Limits) -> Refused | None:
    """Why this request can never run, if it cannot."""
    if length := _length_fault(submit, limits.context_length):
        return _refused(submit, "context_too_long", length)
    fault = _request_fault(submit, limits.vocabulary_size)
    fault = fault or _sampler_fault(submit.sampler, limits.vocabulary_size)
    fault = fault or constraints_fault(submit, limits.vocabulary_size)
    return _refused(submit, "invalid", fault) if fault else None


def _refused(submit: Submit, kind: RefusalKind, message: str) -> Refused:
    return Refused(id=submit.id, kind=kind, message=message)


def _length_fault(submit: Submit, context_length: int) -> str | None:
    prompt = len(submit.prompt)
    if prompt >= context_length:
        return (
            f"The conversation takes {prompt} tokens, but the context holds {context_length}"
            " together with the answer; shorten the conversation."
        )
    if prompt + submit.max_tokens > context_length:
        return (
            f"The conversation takes {prompt} tokens and {submit.max_tokens} were asked for, but"
            f" the context holds {context_length}; ask for at most {context_length - prompt}"
            " tokens or shorten the conversation."
        )
    return None


def _request_fault(submit: Submit, vocabulary_size: int) -> str | None:
    if not submit.prompt:
        return "The prompt is empty; send at least one token."
    if submit.max_tokens < 1:
        return f"max_tokens is {submit.max_tokens}; ask for at least 1."
    lowest, highest = min(submit.prompt), max(submit.prompt)
    if lowest < 0 or highest >= vocabulary_size:
        stray = lowest if lowest < 0 else highest
        return f"The prompt has token {stray}, but the vocabulary ends at {vocabulary_size - 1}."
    if submit.top_logprobs is not None and not 0 <= submit.top_logprobs <= vocabulary_size:
        return f"top_logprobs is {submit.top_logprobs}; it must be 0 to {vocabulary_size}."
    return None


def _sampler_fault(sampler: SamplerOptions, vocabulary_size: int) -> str | None:
    for name, (low, high) in BOUNDS.items():
        value = getattr(sampler, name)
        # NaN fails both comparisons.
        if not low <= value <= high:
            return f"{name} is {value}; it must be {low:g} to {high:g}."
    for token, bias in sampler.logit_bias.items():
        if not 0 <= token < vocabulary_size:
            return f"logit_bias names token {token}; the vocabulary ends at {vocabulary_size - 1}."
        if not isfinite(bias) or abs(bias) > LARGEST_BIAS:
            return f"logit_bias of token {token} is {bias}; it must be within ±{LARGEST_BIAS:g}."
    return None
