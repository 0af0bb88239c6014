"""The `options` of an Ollama request -> sampling, length and stop strings.

Values out of range are moved into it, as Ollama's sampler does. What would load the model anew
(num_ctx, num_gpu) is the operator's business and ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from server.core.request import UNLIMITED, Sampling
from server.dialects.base import Rules
from server.dialects.ollama_errors import refused
from server.dialects.wire import HUGE, LONGEST_WINDOW

INTEGERS = frozenset({"mirostat", "num_predict", "repeat_last_n", "seed", "top_k"})
FLOATS = frozenset(
    {
        "frequency_penalty",
        "min_p",
        "mirostat_eta",
        "mirostat_tau",
        "presence_penalty",
        "repeat_penalty",
        "temperature",
        "top_p",
        "typical_p",
    }
)
IGNORED = frozenset(
    {
        "draft_num_predict",
        "f16_kv",
        "logits_all",
        "low_vram",
        "main_gpu",
        "num_batch",
        "num_ctx",
        "num_gpu",
        "num_keep",
        "num_thread",
        "numa",
        "penalize_newline",
        "tfs_z",
        "use_mlock",
        "use_mmap",
        "vocab_only",
    }
)
# Beyond this a number means nothing more to a sampler, and less to its 32-bit floats.
LARGEST = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for. `max_tokens` may be more than any context holds."""

    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...]
    unknown: tuple[str, ...]


def read_options(raw: Mapping[str, Any] | None, rules: Rules) -> Options:
    """Errors: ServerError invalid for a value of the wrong type."""
    given = {name: value for name, value in (raw or {}).items() if value is not None}
    numbers: dict[str, Any] = {
        name: _integer(name, given[name]) for name in INTEGERS & given.keys()
    }
    numbers |= {name: _float(name, given[name]) for name in FLOATS & given.keys()}
    unknown = given.keys() - INTEGERS - FLOATS - IGNORED - {"stop"}
    return Options(
        sampling=_sampling(numbers),
        max_tokens=_max_tokens(numbers.get("num_predict", -1), rules),
        stop=_stop(given.get("stop"), rules),
        unknown=tuple(sorted(f"options.{name}" for name in unknown)),
    )


def _max_tokens(asked: int, rules: Rules) -> int:
    """-1 and -2 ask for as much as the context holds."""
    wanted = asked if 0 < asked < UNLIMITED else UNLIMITED
    limit = rules.output_tokens_limit
    return wanted if limit is None else min(wanted, limit)


def _stop(value: Any, rules: Rules) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise _wrong_type("stop", "array")
    kept = tuple(stop for stop in stops if stop)
    if len(kept) > rules.stop_limit:
        raise refused(f'option "stop" has more than {rules.stop_limit} strings', "options.stop")
    return kept


def _sampling(numbers: Mapping[str, Any]) -> Sampling:
    top_p = _within(numbers.get("top_p"), 0, 1)
    greedy = top_p == 0
    temperature = _within(numbers.get("temperature"), 0, LARGEST)
    typical_p = _within(numbers.get("typical_p"), 0, 1)
    return Sampling(
        temperature=0.0 if greedy else temperature,
        top_p=None if greedy else top_p,
        top_k=_whole_within(numbers.get("top_k"), 0, HUGE),
        min_p=_within(numbers.get("min_p"), 0, 1),
        typical_p=typical_p or None,
        repeat_penalty=_repeat_penalty(numbers.get("repeat_penalty")),
        repeat_last_n=_window(numbers.get("repeat_last_n")),
        frequency_penalty=_within(numbers.get("frequency_penalty"), -LARGEST, LARGEST),
        presence_penalty=_within(numbers.get("presence_penalty"), -LARGEST, LARGEST),
        mirostat=_mirostat(numbers.get("mirostat")),
        mirostat_tau=_within(numbers.get("mirostat_tau"), 0, LARGEST),
        mirostat_eta=_within(numbers.get("mirostat_eta"), 0, LARGEST),
        seed=_seed(numbers.get("seed")),
    )


def _repeat_penalty(value: float | None) -> float | None:
    if value is not None and value <= 0:
        raise refused('option "repeat_penalty" must be above 0', "options.repeat_penalty")
    return _within(value, 0, LARGEST)


def _mirostat(value: int | None) -> int | None:
    if value not in (None, 0, 1, 2):
        raise refused('option "mirostat" must be 0, 1 or 2', "options.mirostat")
    return value


def _window(value: int | None) -> int | None:
    """-1 looks back over the whole context."""
    return LONGEST_WINDOW if value == -1 else _whole_within(value, 0, LONGEST_WINDOW)


def _seed(value: int | None) -> int | None:
    """A seed has 32 bits inside; -1 asks for a random one."""
    return None if value is None or value == -1 else value % 2**32


def _within(value: float | None, least: float, most: float) -> float | None:
    return None if value is None else min(max(value, least), most)


def _whole_within(value: int | None, least: int, most: int) -> int | None:
    return None if value is None else min(max(value, least), most)


def _integer(name: str, value: Any) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and isfinite(value))
    if isinstance(value, bool) or not whole:
        raise _wrong_type(name, "integer")
    return int(value)


def _float(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(name, "float32")
    return float(_within(value, -LARGEST, LARGEST) or 0)


def _wrong_type(name: str, kind: str) -> Exception:
    return refused(f'option "{name}" must be of type {kind}', f"options.{name}")
