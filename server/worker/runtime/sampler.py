"""How one sequence draws its tokens: llama.cpp's own chain of samplers in llama.cpp's own order.
Knows numbers that were checked, no requests.
"""

import ctypes
from typing import Any

import llama_cpp.llama_cpp as llama
import numpy as np
from numpy.typing import NDArray

from server.worker.messages import SamplerOptions

# Below this a temperature only overflows 32-bit floats; its limit is the likeliest token.
LEAST_TEMPERATURE = 1e-5
MIN_KEEP = 1
# Tokens from which mirostat 1 estimates the distribution, as in llama.cpp.
MIROSTAT_TOKENS = 100


# Where DRY takes up counting anew, as in llama.cpp.
DRY_BREAKERS = (b"\n", b":", b'"', b"*")
# llama.h: struct llama_token_data
CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Candidates:
    """Room for what a chain chooses from: a vocabulary's ids with their logits. All chains share
    one, for they draw one after the other.
    """

    def __init__(self, vocabulary_size: int) -> None:
        self.vocabulary_size = vocabulary_size
        self._ids = np.arange(vocabulary_size, dtype=np.int32)
        self._room = np.zeros(vocabulary_size, CANDIDATE)
        self._data = self._room.ctypes.data_as(llama.llama_token_data_p)

    def fill(self, logits: NDArray[np.float32], ids: NDArray[np.intp] | None) -> Any:
        """A `llama_token_data_array` of these ids, or of all, in order of id. `logits`: a row."""
        count = len(self._ids) if ids is None else len(ids)
        room = self._room[:count]
        room["id"] = self._ids if ids is None else ids
        room["logit"] = logits if ids is None else logits[ids]
        return llama.llama_token_data_array(data=self._data, size=count, selected=-1, sorted=False)


def is_plain_greedy(options: SamplerOptions) -> bool:
    """Whether the draw is the largest of the raw logits, so that no chain is needed."""
    return not (
        not _is_greedy(options) or options.logit_bias or _penalises(options) or _is_dry(options)
    )


class Chain:
    """A sampler chain with its own random numbers and memory of what it drew. Penalties count the
    drawn tokens, not the prompt and not what was forced: control tokens and the user's words are
    not to be punished. `learns_by_drawing`: a pick leaves a trace even if it is not accepted.
    `vocab` is llama.cpp's.
    """

    def __init__(
        self, options: SamplerOptions, candidates: Candidates, vocab: Any, context_length: int
    ) -> None:
        params = llama.llama_sampler_chain_default_params()
        params.no_perf = True
        self.pointer: Any = llama.llama_sampler_chain_init(params)
        self.learns_by_drawing = bool(options.mirostat) and not _is_greedy(options)
        self._candidates = candidates
        self._vocabulary_size = candidates.vocabulary_size
        self._add_bias(options.logit_bias)
        if _penalises(options):
            self._add_penalties(options, context_length)
        if _is_dry(options):
            self._add_dry(options, vocab, context_length)
        if _is_greedy(options):
            self._add(llama.llama_sampler_init_greedy())
        elif options.mirostat:
            self._add_temperature(options)
            self._add_mirostat(options)
        else:
            self._add_truncation(options)
            self._add_temperature(options)
            self._add(llama.llama_sampler_init_dist(_seed(options)))

    def pick(self, logits: NDArray[np.float32], ids: NDArray[np.intp] | None = None) -> int:
        """Choose among these ids, or all. `logits`: a row, float32 [vocabulary]."""
        array = self._candidates.fill(logits, ids)
        llama.llama_sampler_apply(self.pointer, ctypes.byref(array))
        token: int = array.data[array.selected].id
        return token

    def accept(self, token: int) -> None:
        """Remember that the token was drawn."""
        llama.llama_sampler_accept(self.pointer, token)

    def close(self) -> None:
        """Free the chain; safe to call twice."""
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            llama.llama_sampler_free(pointer)

    def _add(self, sampler: Any) -> None:
        llama.llama_sampler_chain_add(self.pointer, sampler)

    def _add_bias(self, bias: dict[int, float]) -> None:
        if bias:
            rows = (llama.llama_logit_bias * len(bias))()
            for row, (token, value) in zip(rows, bias.items(), strict=True):
                row.token, row.bias = token, value
            self._add(llama.llama_sampler_init_logit_bias(self._vocabulary_size, len(bias), rows))

    def _add_penalties(self, options: SamplerOptions, context_length: int) -> None:
        self._add(
            llama.llama_sampler_init_penalties(
                self._vocabulary_size,
                _window(options.repeat_last_n, context_length),
                options.repeat_penalty,
                options.frequency_penalty,
                options.presence_penalty,
            )
        )

    def _add_dry(self, options: SamplerOptions, vocab: Any, context_length: int) -> None:
        self._add(
            llama.llama_sampler_init_dry(
                vocab,
                options.dry_multiplier,
                options.dry_base,
                options.dry_allowed_length,
                _window(options.dry_penalty_last_n, context_length),
                (ctypes.c_char_p * len(DRY_BREAKERS))(*DRY_BREAKERS),
                len(DRY_BREAKERS),
            )
        )

    def _add_truncation(self, options: SamplerOptions) -> None:
        if options.top_n_sigma > 0:
            self._add(llama.llama_sampler_init_top_n_sigma(options.top_n_sigma))
        if options.top_k > 0:
            self._add(llama.llama_sampler_init_top_k(min(options.top_k, self._vocabulary_size)))
        if options.typical_p < 1:
            self._add(llama.llama_sampler_init_typical(options.typical_p, MIN_KEEP))
        if options.top_p < 1:
            self._add(llama.llama_sampler_init_top_p(options.top_p, MIN_KEEP))
        if options.min_p > 0:
            self._add(llama.llama_sampler_init_min_p(options.min_p, MIN_KEEP))
        if options.xtc_probability > 0:
            chance, threshold = options.xtc_probability, options.xtc_threshold
            self._add(llama.llama_sampler_init_xtc(chance, threshold, MIN_KEEP, _seed(options)))

    def _add_temperature(self, options: SamplerOptions) -> None:
        if options.temperature != 1:
            self._add(llama.llama_sampler_init_temp(options.temperature))

    def _add_mirostat(self, options: SamplerOptions) -> None:
        seed, tau, eta = _seed(options), options.mirostat_tau, options.mirostat_eta
        if options.mirostat == 1:
            size = self._vocabulary_size
            self._add(llama.llama_sampler_init_mirostat(size, seed, tau, eta, MIROSTAT_TOKENS))
        else:
            self._add(llama.llama_sampler_init_mirostat_v2(seed, tau, eta))


def _is_greedy(options: SamplerOptions) -> bool:
    return options.temperature < LEAST_TEMPERATURE


def _penalises(options: SamplerOptions) -> bool:
    return options.repeat_last_n != 0 and (
        options.repeat_penalty != 1
        or options.frequency_penalty != 0
        or options.presence_penalty != 0
    )


def _is_dry(options: SamplerOptions) -> bool:
    return options.dry_multiplier > 0 and options.dry_penalty_last_n != 0


def _window(last: int, context_length: int) -> int:
    """So many of the last tokens; -1: all."""
    return context_length if last < 0 else min(last, context_length)


def _seed(options: SamplerOptions) -> int:
    """The seed as 32 bits; llama.cpp's mark for "take a random one" is not passed on."""
    seed = options.seed & 0xFFFFFFFF
    return 0 if seed == llama.LLAMA_DEFAULT_SEED else seed
