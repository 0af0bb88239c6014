"""The frames of the seam between the gateway and a worker: small immutable msgpack structs.

Commands go to the worker, reports come back: `wire` says how. Tokens are ids everywhere; text never
crosses, but to a worker that makes embeddings (`embedding.messages`).
"""

from typing import Literal, TypeAlias

import msgspec

from server.core.ports import PrefixCounters, SpeculationCounters

# "invalid": what the request asks for turned out to be impossible.
EndReason: TypeAlias = Literal["stop", "length", "cancelled", "failed", "invalid"]
RefusalKind: TypeAlias = Literal["busy", "context_too_long", "invalid"]

# What a worker tokenises once, so that the gateway's tokeniser can be compared with llama.cpp's:
# words, numbers, blanks, signs and scripts that llama.cpp splits as the models' authors do.
SAMPLE_TEXT = (
    "Hello, World! You're here; they'll see 1234567 things,\tdon't they?\n\n"
    "def f(x):\n    return x ** 2  # squared\n\nПривет, мир! 你好，世界。 naïve café 🙂\n"
)


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of all frames."""


# --- configuration, handed over at start ---------------------------------------------------------


class PrefixOptions(Frame, frozen=True, kw_only=True):
    """Where computed prompts are kept. `memory_bytes`: -1 = a share of what is free (auto), 0 =
    none are kept at all. Without a folder, or with 0 `disk_bytes`, none survive the process.
    """

    memory_bytes: int = -1
    folder: str = ""
    disk_bytes: int = 0


class ModelOptions(Frame, frozen=True, kw_only=True):
    """How the worker loads its model. `gpu_layers`: -1 = all, -2 = as many as fit (auto)."""

    path: str
    context_length: int
    slots: int
    threads: int
    gpu_layers: int
    cpu_moe_layers: int
    weight_repack: Literal["auto", "on", "off"]
    queue_limit: int
    queue_deadline_s: float | None = None
    owner_slots: int | None = None
    max_stall_ms: int | None = None
    prefixes: PrefixOptions = PrefixOptions()
    require_gpu: bool = False


# --- commands ------------------------------------------------------------------------------------


class SamplerOptions(Frame, frozen=True, kw_only=True):
    """Every value is set; the meanings are those of `core.request.Sampling`."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    typical_p: float
    repeat_penalty: float
    repeat_last_n: int
    frequency_penalty: float
    presence_penalty: float
    dry_multiplier: float
    dry_base: float
    dry_allowed_length: int
    dry_penalty_last_n: int
    top_n_sigma: float
    xtc_probability: float
    xtc_threshold: float
    mirostat: int
    mirostat_tau: float
    mirostat_eta: float
    seed: int
    logit_bias: dict[int, float]


class Grammar(Frame, frozen=True, kw_only=True):
    """What may be drawn: text of llama.cpp's GBNF or of a JSON schema, or one of `choices`, which
    are sequences of any ids. Where it may end, drawing any of the request's `stop_ids` or `end`
    ends it; where it must end, nothing is drawn. Either way `end` is written then (one token, which
    may complete a rule's suffix), and nothing is constrained any more.
    """

    kind: Literal["gbnf", "json_schema", "choice"]
    text: str = ""
    choices: list[list[int]] = []
    end: int


class Rule(Frame, frozen=True, kw_only=True):
    """When what was generated ends with `suffix`, `force` is written next, and what comes after
    that is drawn within `grammar`; what an earlier rule's grammar constrained is over. With
    `instead` the suffix's last token, just drawn, is not kept.

    An empty suffix is the start of the answer. A rule applies every time; the first that matches
    wins. While tokens are forced no rule applies; the last forced token may complete a suffix, but
    of no rule with `instead`: it stands. After a stop id nothing applies, unless it is replaced.
    """

    suffix: list[int]
    force: list[int] = []
    grammar: Grammar | None = None
    instead: bool = False


class Budget(Frame, frozen=True, kw_only=True):
    """Once `tokens` were generated in all, a stretch that `begin` opened and `end` has not closed
    is left: `force` is written, also when it is opened only then. Rules come first. An empty
    `begin` is the start of the answer; an empty `end` never comes.
    """

    tokens: int
    begin: list[int]
    end: list[int]
    force: list[int]


class Minimum(Frame, frozen=True, kw_only=True):
    """No stop id is drawn, nor what ends a grammar, until so many tokens were generated after the
    last `after`; an empty `after` is the start of the answer. A grammar that leaves nothing else to
    draw ends all the same.
    """

    tokens: int
    after: list[int]


class Submit(Frame, frozen=True, kw_only=True):
    """Generate after `prompt`. A drawn or forced id in `stop_ids` ends the answer (it is reported
    as its last token).

    `top_logprobs` None: no logprobs; n: the chosen token's and the n likeliest. What is computed is
    shared with requests of the same `salt` only; slots are shared out between those of different
    `owner` in turn; `boundaries` are token counts at which other
    prompts may part from this one. Forced tokens are reported like drawn ones and count towards
    `max_tokens`. `speculate`: while the temperature is low, tokens may be guessed from earlier text
    and verified. The answer is the same, as far as llama.cpp computes the same logits for tokens
    alone and together: their last bits differ, which decides where two tokens are equally likely.
    """

    id: int
    prompt: list[int]
    max_tokens: int
    stop_ids: list[int]
    sampler: SamplerOptions
    top_logprobs: int | None = None
    salt: bytes = b""
    owner: bytes = b""
    boundaries: list[int] = []
    rules: list[Rule] = []
    budget: Budget | None = None
    minimum: Minimum | None = None
    speculate: bool = True


class Cancel(Frame, frozen=True, kw_only=True):
    """End request `id` within a step. Unknown or ended ids are ignored: the two may cross on the
    way.
    """

    id: int


class Close(Frame, frozen=True, kw_only=True):
    """End every request and leave."""


class Ping(Frame, frozen=True, kw_only=True):
    """Sent back at once, also in the middle of a load or a step, unless that does not end."""


# --- reports -------------------------------------------------------------------------------------


class ModelText(Frame, frozen=True, kw_only=True):
    """What the model file says of its text, beside its tokens. Ids that it does not name are -1.

    `tokeniser` and `pre` are the file's names for how text is split; `kinds` has a byte for every
    token: 0 text, 1 control, 2 text that is always a token of its own, 3 a byte; plus 0x40 and 0x80
    where it takes the blanks to its left and right. `scores` are there where the tokeniser needs
    them. With `begins` a text starts with the id `bos`, with `space_prefix` with a blank.
    `templates` are the file's chat templates in Jinja by name, the usual one ""; `sample` are the
    ids of SAMPLE_TEXT, without `bos`.
    """

    tokeniser: str = ""
    pre: str = ""
    kinds: bytes = b""
    scores: list[float] = []
    bos: int = -1
    eos: int = -1
    begins: bool = False
    space_prefix: bool = False
    templates: dict[str, str] = {}
    sample: list[int] = []


class Loaded(Frame, frozen=True, kw_only=True):
    """The model is in memory and answers.

    `context_length` is one slot's, prompt and answer together. `tokens` are the vocabulary's
    entries as raw bytes in order of id; `control_ids` those that are control tokens and not text;
    `end_ids` those that end generation for llama.cpp. `notes`: what was chosen at load, in
    sentences for an operator. `unclaimed_bytes`: see `core.ports.ModelCard`.
    """

    architecture: str
    description: str
    context_length: int
    training_context_length: int
    parameters: int
    size_bytes: int
    slots: int
    sliding_window: int
    gpu_layers: int
    notes: list[str]
    tokens: list[bytes]
    control_ids: list[int]
    end_ids: list[int]
    text: ModelText = ModelText()
    unclaimed_bytes: int = 0


class LoadFailed(Frame, frozen=True, kw_only=True):
    """llama.cpp refused the model; `message` is one sentence with its reason."""

    message: str


class LoadProgress(Frame, frozen=True, kw_only=True):
    fraction: float


class Accepted(Frame, frozen=True, kw_only=True):
    """Request `id` is in the queue or in a slot."""

    id: int


class Refused(Frame, frozen=True, kw_only=True):
    """Request `id` never ran. `retry_after` in seconds, when waiting helps."""

    id: int
    kind: RefusalKind
    message: str
    retry_after: float | None = None


class Token(Frame, frozen=True, kw_only=True):
    """One sampled token of request `id`; logprobs only if asked, `top` as (token id, logprob)."""

    id: int
    token: int
    logprob: float | None = None
    top: list[tuple[int, float]] = []


class Ended(Frame, frozen=True, kw_only=True):
    """The last word on request `id`. Of its prompt so many tokens were not computed but restored.
    Seconds: in the queue, computing the prompt, generating.
    """

    id: int
    reason: EndReason
    message: str = ""
    cached_tokens: int = 0
    queue_s: float = 0.0
    prompt_s: float = 0.0
    generation_s: float = 0.0


class Step(Frame, frozen=True, kw_only=True):
    """What the last step or steps brought: tokens in order, then the sequences that ended; how many
    steps so far held streams up for longer than was meant; and the counters of the prefix store and
    of what was guessed, where they have changed.

    A fast model's steps come several to a frame, so that frames are not what costs.
    """

    tokens: list[Token]
    ended: list[Ended]
    running: int
    waiting: int
    stalls: int = 0
    prefixes: PrefixCounters | None = None
    speculation: SpeculationCounters | None = None
