"""One request in the worker's words: its prompt, its numbers and its rules as frames.

Knows the frames and the format's plain values, not what happens to them.
"""

import secrets
from hashlib import sha256

from server.core.errors import ServerError
from server.core.ports import ModelCard
from server.core.request import GenerationRequest, Sampling
from server.engines.allowance import (
    Allowance,
    GenerationLimits,
    allowance,
    longest_prompt,
    settled,
)
from server.engines.truncation import fitted
from server.formats.base import Format, Rails
from server.formats.base import Grammar as PlainGrammar
from server.formats.base import Rule as PlainRule
from server.worker.messages import Budget, Grammar, Minimum, Rule, SamplerOptions, Submit

SEED_BITS = 32
MARK_BYTES = 16


class Submissions:
    """What is submitted for one request: first its prompt, and again what came of it where the
    model has to go on. Making it renders the prompt: do so off the event loop. `left_out`: how many
    messages it is without.

    Errors: ServerError invalid, context_too_long.
    """

    def __init__(
        self,
        card: ModelCard,
        text_format: Format,
        request: GenerationRequest,
        limits: GenerationLimits,
    ) -> None:
        limit = longest_prompt(card.context_length, request, limits)
        fit = fitted(request, text_format.prompt, limit)
        request, prompt = fit.request, fit.prompt
        tokens = len(prompt.tokens)
        self.left_out = fit.left_out
        self.prompt_tokens = tokens
        self.allowance: Allowance = allowance(tokens, card.context_length, request, limits)
        self._rails: Rails = text_format.rails(request, self.allowance.reasoning)
        self._context = card.context_length
        self._min_tokens = request.min_tokens
        self._first = Submit(
            id=0,
            prompt=prompt.tokens,
            max_tokens=self.allowance.total,
            stop_ids=list(prompt.stop_ids),
            sampler=_sampler(request.sampling.filled(limits.sampling), card.vocabulary_size),
            top_logprobs=request.logprobs,
            salt=b"" if limits.shared_prefixes else _mark(request.owner),
            owner=_mark(request.owner),
            boundaries=list(prompt.boundaries),
            # When guesses are made depends on time, and steps with guesses round otherwise: who
            # names a seed wants the same answer twice.
            speculate=limits.speculate and request.sampling.seed is None,
        )

    def first(self, identity: int) -> Submit:
        return _with(
            self._first,
            id=identity,
            rules=[_rule(rule) for rule in self._rails.rules],
            budget=_budget(self._rails, self.allowance),
            minimum=self._minimum(),
        )

    def again(self, identity: int, said: list[int], visible: int, reasoning: int) -> Submit | None:
        """Go on after the prompt and what was `said` since; so many tokens of it are used up. None
        where the context has no room for it. The rules for the beginning are left out.
        """
        prompt = self._first.prompt + said
        room = self._context - len(prompt)
        left = settled(
            max(self.allowance.visible - visible, 1),
            min(self.allowance.reasoning - reasoning, room // 2),
            room,
        )
        if room < 1:
            return None
        return _with(
            self._first,
            id=identity,
            prompt=prompt,
            max_tokens=left.total,
            rules=[_rule(rule) for rule in self._rails.rules if rule.suffix],
            budget=_budget(self._rails, left),
        )

    def _minimum(self) -> Minimum | None:
        if not self._min_tokens:
            return None
        return Minimum(tokens=self._min_tokens, after=list(self._rails.speech))


def _with(command: Submit, **changes: object) -> Submit:
    values = {name: getattr(command, name) for name in command.__struct_fields__}
    return Submit(**(values | changes))


def _rule(rule: PlainRule) -> Rule:
    grammar = rule.grammar
    return Rule(
        suffix=list(rule.suffix),
        force=list(rule.force),
        grammar=None if grammar is None else _grammar(grammar),
        instead=rule.instead,
    )


def _grammar(grammar: PlainGrammar) -> Grammar:
    choices = [list(choice) for choice in grammar.choices]
    return Grammar(kind=grammar.kind, text=grammar.text, choices=choices, end=grammar.end)


def _budget(rails: Rails, allowed: Allowance) -> Budget | None:
    thinking = rails.thinking
    if thinking is None:
        return None
    return Budget(
        # What opens the reasoning is generated before the first token of it.
        tokens=allowed.reasoning + len(thinking.begin),
        begin=list(thinking.begin),
        end=list(thinking.end),
        force=list(thinking.leave),
    )


def _mark(owner: str) -> bytes:
    """Tells an owner apart where it is written down, without telling who it is."""
    return sha256(f"prefixes of {owner}".encode()).digest()[:MARK_BYTES] if owner else b""


def _sampler(sampling: Sampling, vocabulary: int) -> SamplerOptions:
    """A filled sampling as the worker wants it. Errors: ServerError for a bias on an unknown id."""
    strange = [token for token in sampling.logit_bias if not 0 <= token < vocabulary]
    if strange:
        raise ServerError(
            "invalid",
            f"logit_bias names token {strange[0]}; the vocabulary ends at {vocabulary - 1}.",
            param="logit_bias",
        )
    values = {name: getattr(sampling, name) for name in SamplerOptions.__struct_fields__}
    seed = secrets.randbits(SEED_BITS) if sampling.seed is None else sampling.seed
    values |= {"seed": seed % (1 << SEED_BITS), "logit_bias": dict(sampling.logit_bias)}
    return SamplerOptions(**values)
