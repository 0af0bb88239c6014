"""What is asked of an engine: one request, checked, frozen, free of any API's words.

Whether the answer is streamed, how many choices a client wants and which dialect it speaks are not
here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal, TypeAlias

from server.core.messages import Conversation, JsonSchema, RawPrompt

Effort: TypeAlias = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is drawn. `None` means the model's own default, see `filled`.

    temperature 0 is greedy. top_k 0, top_p 1, min_p 0, typical_p 1, penalties 0 (repeat_penalty 1),
    top_n_sigma, xtc_probability and dry_multiplier 0 switch a sampler off. mirostat 0, 1 or 2 as in
    llama.cpp; it replaces the truncating samplers. repeat_last_n and dry_penalty_last_n count
    tokens of the answer, -1 is all of it.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    dry_penalty_last_n: int | None = None
    top_n_sigma: float | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    seed: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)

    def filled(self, defaults: "Sampling") -> "Sampling":
        """This sampling with every `None` taken from `defaults`."""
        missing = {
            f.name: getattr(defaults, f.name) for f in fields(self) if getattr(self, f.name) is None
        }
        return replace(self, **missing)


# What those get who ask for nothing but a temperature: every other sampler is off, and has
# llama.cpp's numbers for those who switch it on.
SAMPLERS_OFF = Sampling(
    temperature=1.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    typical_p=1.0,
    repeat_penalty=1.0,
    repeat_last_n=64,
    frequency_penalty=0.0,
    presence_penalty=0.0,
    dry_multiplier=0.0,
    dry_base=1.75,
    dry_allowed_length=2,
    dry_penalty_last_n=64,
    top_n_sigma=0.0,
    xtc_probability=0.0,
    xtc_threshold=0.1,
    mirostat=0,
    mirostat_tau=5.0,
    mirostat_eta=0.1,
)


# `max_tokens` of who wants as many as there is room for.
UNLIMITED = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonOutput:
    """The visible answer is one JSON value: of this schema, or any object where there is none.

    `path` is where the client wrote the schema, for what is wrong with it.
    """

    schema: JsonSchema | None = None
    name: str = ""
    description: str | None = None
    path: str = field(default="response_format", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarOutput:
    """The visible answer is a sentence of this grammar, written in llama.cpp's GBNF."""

    text: str


Output: TypeAlias = JsonOutput | GrammarOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One answer to be generated: to a conversation in the model's own format, or what it writes on
    after a raw prompt.

    `max_tokens` bounds the visible tokens, `reasoning_budget` the tokens spent before them; None:
    the server's defaults. More `max_tokens` than the context has room for are refused, or with
    `fit` lowered to that. A conversation that is too long is refused, or with `truncate` asked
    without its oldest messages, by an engine that can tell. Before `min_tokens` visible tokens the
    model cannot end its answer. `output` None: free text. `logprobs` None: none wanted; n: the
    chosen token's and the n likeliest of each visible token. `stop` strings end the answer when
    they appear in its visible text and are not part of it. `owner` tells apart those who must not
    learn of each other's prompts, by time or by cached tokens. `keep_alive_s`: how long a model
    that comes and goes stays after this answer, negative: for ever; None: as before.
    """

    id: str
    prompt: Conversation | RawPrompt
    owner: str = ""
    effort: Effort | None = None
    max_tokens: int | None = None
    fit: bool = False
    truncate: bool = False
    reasoning_budget: int | None = None
    min_tokens: int = 0
    output: Output | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    logprobs: int | None = None
    keep_alive_s: float | None = None

    @property
    def conversation(self) -> Conversation:
        """What is to be answered. Errors: TypeError for a raw prompt, which is no conversation."""
        if isinstance(self.prompt, Conversation):
            return self.prompt
        raise TypeError("a raw prompt is no conversation")
