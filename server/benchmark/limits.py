"""What limits the speed, and what to change: sentences out of figures. Pure arithmetic; where a
figure is 0, it is not known and nothing is concluded from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from server.hub.progress import amount

GB = 1e9
# Of the speed at which memory can be read, what an engine reaches when nothing else holds it up.
MEMORY_BOUND = 0.6
# Below this the server's own work on a token shows.
SHORT_TOKEN_S = 0.004
# More than this of the weights read again from the disk for a token is no chance.
REREAD_SHARE, LEAST_REREAD = 0.02, 4e6
STOLEN_SHARE, THROTTLED_SHARE, OTHERS_CORES = 0.03, 0.05, 0.25
NOISE = 0.15
WORTHWHILE_GAIN = 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Speeds in tokens a second, sizes in bytes, `bandwidth` in bytes a second; `spread` as a part
    of the median; `stolen` and `throttled` as parts of the time of the processors in use.
    `reread_a_token`: bytes from the disk. `others`: processors that other programs kept busy.
    """

    prompt_per_s: float
    alone_per_s: float
    together_per_s: float = 0.0
    streams: int = 1
    spread: float = 0.0
    bandwidth: float = 0.0
    weight_bytes: int = 0
    active_bytes: int = 0
    kv_bytes: int = 0
    available_bytes: int = 0
    layers: int = 0
    gpu_layers: int = 0
    repack: bool = True
    threads: int = 0
    granted_cpus: int = 0
    cores: int = 0
    unused_features: tuple[str, ...] = ()
    card_without_build: bool = False
    reread_a_token: float = 0.0
    swapped_bytes: int = 0
    stolen: float = 0.0
    throttled: float = 0.0
    others: float = 0.0

    @property
    def on_card(self) -> bool:
        """Whether every layer is on a graphics card."""
        return 0 < self.layers <= self.gpu_layers

    @property
    def ceiling_per_s(self) -> float:
        """What memory alone would allow one answer."""
        return self.bandwidth / self.active_bytes if self.active_bytes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One thing that holds answers up, and what to do; without `change` there is nothing."""

    cause: str
    change: str = ""

    def __str__(self) -> str:
        return f"{self.cause} {self.change}".strip()


def limits(facts: Facts) -> list[Limit]:
    """The gravest first."""
    return [
        *_memory_too_small(facts),
        *_taken_away(facts),
        *_card(facts),
        *_threads(facts),
        *_build(facts),
        *_one_answer(facts),
        *_several(facts),
        *_prompts(facts),
        *_doubts(facts),
    ]


def _memory_too_small(facts: Facts) -> Iterator[Limit]:
    change = (
        "Give the machine more memory, end other programs, lower CONTEXT_LENGTH and N_PARALLEL, or"
        " set WEIGHT_REPACK=off."
    )
    if facts.reread_a_token > max(REREAD_SHARE * facts.active_bytes, LEAST_REREAD):
        size = amount(int(facts.reread_a_token))
        yield Limit(
            cause=f"Memory is too small: for every token {size} were read from the disk again.",
            change=change,
        )
    elif facts.swapped_bytes > 0.01 * max(facts.weight_bytes, 1 << 30):
        size = amount(facts.swapped_bytes)
        cause = f"Memory is too small: {size} of the model's process are in the swap."
        yield Limit(cause=cause, change=change)


def _taken_away(facts: Facts) -> Iterator[Limit]:
    if facts.others > OTHERS_CORES:
        yield Limit(
            cause=f"Other programs kept {facts.others:.1f} of {facts.granted_cpus} processors busy"
            " meanwhile: alone the figures would be better.",
            change="End them and measure again; what else stands here may be wrong.",
        )
    if facts.throttled > THROTTLED_SHARE:
        yield Limit(
            cause=f"A quota takes {facts.throttled:.0%} of the processors' time away.",
            change="Raise it (CPUQuota= of the service, --cpus of the container), or set N_THREADS"
            " to the processors that it grants.",
        )
    if facts.stolen > STOLEN_SHARE:
        yield Limit(
            cause=f"The host gives {facts.stolen:.0%} of the processors' time to its other guests.",
            change="Nothing here helps against that: take a plan with dedicated cores.",
        )


def _card(facts: Facts) -> Iterator[Limit]:
    if facts.card_without_build:
        yield Limit(
            cause="There is an NVIDIA card, and llama-cpp-python was built without CUDA.",
            change="sudo scripts/install.sh --gpu installs the build that uses it: an answer is"
            " many times faster there.",
        )
    elif 0 < facts.gpu_layers < facts.layers:
        yield Limit(
            cause=f"{facts.gpu_layers} of {facts.layers} layers are on the graphics card, and every"
            " token waits for the others.",
            change="Lower CONTEXT_LENGTH or N_PARALLEL so that more fit, leave experts alone in"
            " main memory (N_GPU_LAYERS=all with N_CPU_MOE), or take a larger card.",
        )


def _threads(facts: Facts) -> Iterator[Limit]:
    if facts.on_card or not facts.threads or not facts.granted_cpus:
        return
    best = min(facts.granted_cpus, facts.cores or facts.granted_cpus)
    if facts.threads > facts.granted_cpus:
        yield Limit(
            cause=f"N_THREADS is {facts.threads}, and {facts.granted_cpus} processors are granted:"
            " the threads wait for each other.",
            change=f"Set N_THREADS={best}.",
        )
    elif facts.threads < best:
        yield Limit(
            cause=f"{facts.threads} of {best} cores compute.",
            change=f"Set N_THREADS={best}, or leave it out.",
        )
    elif facts.threads > best:
        yield Limit(
            cause=f"{facts.threads} threads share {best} cores.",
            change=f"Try N_THREADS={best} and measure again.",
        )


def _build(facts: Facts) -> Iterator[Limit]:
    if facts.unused_features and not facts.on_card:
        yield Limit(
            cause=f"llama.cpp was built without {', '.join(facts.unused_features)}, which this"
            " processor has.",
            change="sudo scripts/install.sh --engine source builds it for this processor: prompts"
            " are read faster then.",
        )


def _one_answer(facts: Facts) -> Iterator[Limit]:
    if facts.on_card or not facts.ceiling_per_s or facts.gpu_layers:
        return
    share = facts.alone_per_s / facts.ceiling_per_s
    used = facts.alone_per_s * facts.active_bytes / GB
    figures = (
        f"a token needs {amount(facts.active_bytes)} of weights, and at"
        f" {facts.alone_per_s:.3g} tokens/s that is {used:.2g} of the {facts.bandwidth / GB:.1f}"
        " GB/s at which this machine reads memory"
    )
    if share >= MEMORY_BOUND:
        yield Limit(
            cause=f"One answer is limited by memory: {figures}.",
            change="More threads do not help, and no setting brings much more than"
            f" {max(facts.ceiling_per_s, facts.alone_per_s):.0f} tokens/s; faster memory does (more"
            " channels, a graphics card), or a model with smaller weights.",
        )
    elif facts.alone_per_s * SHORT_TOKEN_S > 1:
        yield Limit(
            cause=f"Neither memory nor processor limit an answer of so small a model: {figures}."
        )
    elif facts.others <= OTHERS_CORES:
        yield Limit(
            cause=f"One answer is limited by the processor, not by memory: {figures}.",
            change="More or faster cores help, and so does ending what else uses them.",
        )


def _several(facts: Facts) -> Iterator[Limit]:
    if facts.streams < 2 or not facts.together_per_s or not facts.alone_per_s:
        return
    gain = facts.together_per_s / facts.alone_per_s
    each = facts.together_per_s / facts.streams
    figures = (
        f"{facts.streams} answers at once get {facts.together_per_s:.3g} tokens/s together,"
        f" {each:.3g} each, and one alone {facts.alone_per_s:.3g}"
    )
    if gain >= WORTHWHILE_GAIN:
        yield Limit(
            cause=f"{figures}: N_PARALLEL={facts.streams} serves {gain:.1f} times as much.",
            change="Where each answer has to be fast, lower it: who comes later waits instead.",
        )
    elif facts.others <= OTHERS_CORES:
        fewer = "1 or 2" if facts.streams > 2 else "1"
        yield Limit(
            cause=f"{figures}: sharing brings nothing.",
            change=f"Set N_PARALLEL={fewer}: an answer is done sooner, and contexts take less"
            f" memory ({amount(facts.kv_bytes)} now).",
        )


def _prompts(facts: Facts) -> Iterator[Limit]:
    if facts.on_card or not facts.weight_bytes:
        return
    if not facts.repack and facts.available_bytes > facts.weight_bytes + 2 * GB:
        yield Limit(
            cause="The weights are not in the layout that prompts are read fastest in.",
            change="Set WEIGHT_REPACK=on: prompts are read some 40 % faster, for"
            f" {amount(facts.weight_bytes)} of memory.",
        )
    if facts.alone_per_s and facts.prompt_per_s < 10 * facts.alone_per_s:
        yield Limit(
            cause=f"Prompts are read at {facts.prompt_per_s:.3g} tokens/s, which the processor"
            " limits: a thousand tokens that are new take"
            f" {1000 / facts.prompt_per_s:.0f} s.",
            change="Keep what a bot always says first the same, so that it is read once (it is"
            " remembered), and short; cores, AVX-512, AMX or a graphics card make it faster.",
        )


def _doubts(facts: Facts) -> Iterator[Limit]:
    if facts.spread > NOISE:
        yield Limit(
            cause=f"The rounds differ by {facts.spread:.0%}: take no smaller difference for real."
        )
