"""The numbers that a client asks for: lengths, sampling and log probabilities.

What is left out stays None: the engine's defaults are not known here.
"""

import re

from server.core.request import Sampling
from server.dialects.base import Rules
from server.dialects.openai_chat_body import AnswerBody, ChatBody
from server.dialects.refusals import invalid_value
from server.dialects.wire import LONGEST_WINDOW

_TOKEN_ID = re.compile(r"[0-9]{1,9}", re.ASCII)


def to_max_tokens(body: AnswerBody, rules: Rules) -> int | None:
    """The newer field wins; -1, 0 and null mean that the client sets no limit. Errors: ServerError
    invalid.
    """
    newer = body.max_completion_tokens
    name = "max_tokens" if newer is None else "max_completion_tokens"
    asked = body.max_tokens if newer is None else newer
    if asked is None or asked <= 0:
        return None
    limit = rules.output_tokens_limit
    if limit is not None and asked > limit:
        raise invalid_value(name, f"this server gives at most {limit} tokens for one answer")
    return asked


def to_min_tokens(body: AnswerBody, most: int | None) -> int:
    """Errors: ServerError invalid where it is more than the answer may have."""
    least = body.min_tokens or 0
    if most is not None and least > most:
        raise invalid_value("min_tokens", f"the answer may have {most} tokens at most")
    return least


def to_stop(body: AnswerBody, rules: Rules) -> tuple[str, ...]:
    """Errors: ServerError invalid."""
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if len(stops) > rules.stop_limit:
        raise invalid_value("stop", f"at most {rules.stop_limit} stop strings are allowed")
    if "" in stops:
        raise invalid_value("stop", "a stop string must not be empty")
    return tuple(stops)


def to_sampling(body: AnswerBody) -> Sampling:
    """Errors: ServerError invalid."""
    # top_p 0 keeps nothing but the likeliest token: that is greedy, said otherwise.
    greedy = body.top_p == 0
    penalty = body.repeat_penalty
    return Sampling(
        temperature=0.0 if greedy else body.temperature,
        top_p=None if greedy else body.top_p,
        top_k=None if body.top_k is None else max(body.top_k, 0),
        min_p=body.min_p,
        typical_p=body.typical_p,
        repeat_penalty=body.repetition_penalty if penalty is None else penalty,
        repeat_last_n=_window(body.repeat_last_n),
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        mirostat=body.mirostat,
        mirostat_tau=body.mirostat_tau,
        mirostat_eta=body.mirostat_eta,
        top_n_sigma=None if body.top_n_sigma is None else max(body.top_n_sigma, 0.0),
        xtc_probability=body.xtc_probability,
        xtc_threshold=body.xtc_threshold,
        dry_multiplier=body.dry_multiplier,
        dry_base=body.dry_base,
        dry_allowed_length=body.dry_allowed_length,
        dry_penalty_last_n=_window(body.dry_penalty_last_n),
        seed=_seed(body.seed),
        logit_bias=_logit_bias(body),
    )


def to_logprobs(body: ChatBody) -> int | None:
    """How many alternatives beside the chosen token; None: no log probabilities. Errors:
    ServerError invalid.
    """
    if body.logprobs:
        return body.top_logprobs or 0
    if body.top_logprobs:
        raise invalid_value("top_logprobs", "it needs 'logprobs' to be true")
    return None


def _window(tokens: int | None) -> int | None:
    """-1 asks for the whole context."""
    return LONGEST_WINDOW if tokens == -1 else tokens


def _seed(seed: int | None) -> int | None:
    """A seed has 32 bits inside; -1 asks for a random one, as elsewhere."""
    return None if seed is None or seed == -1 else seed % 2**32


def _logit_bias(body: AnswerBody) -> dict[int, float]:
    biases: dict[int, float] = {}
    for key, value in (body.logit_bias or {}).items():
        if not _TOKEN_ID.fullmatch(key):
            raise invalid_value("logit_bias", f"{key[:40]!r} is not a token id")
        biases[int(key)] = value
    return biases
