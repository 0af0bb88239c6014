"""What the answer of a model with a chat template is held to while it is drawn: when its thoughts
end, which calls come, what form they and the text have. What cannot be held is refused by name.

Knows ids and their order, not how they are drawn nor how many there may be.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from server.core.errors import ServerError
from server.core.messages import Tool
from server.core.request import GenerationRequest
from server.formats.argument_grammar import argument_grammar
from server.formats.base import Ids, Rails, Rule, Stretch
from server.formats.openings import opening
from server.formats.output_grammar import output_grammar
from server.formats.seal import Seal
from server.formats.tags import Tags
from server.formats.template_prompt import Opening
from server.formats.vocabulary import Vocabulary

BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One answer to be held: where it begins, and whether a thought comes first. `decides`: the
    model was asked to think.
    """

    request: GenerationRequest
    opening: Opening
    thinks: bool

    @property
    def calls(self) -> bool:
        return self.request.conversation.tool_choice == "required"

    @property
    def must(self) -> bool:
        """Whether all that is visible of it has a form."""
        return self.request.output is not None or self.calls


class TemplateRules:
    """Rails for requests. `stops` end an answer; `decides`: the prompt says whether the model
    thinks, so that where it may, it does.
    """

    def __init__(self, vocabulary: Vocabulary, tags: Tags, stops: Ids, *, decides: bool) -> None:
        self._vocabulary = vocabulary
        self._seal = Seal(vocabulary.specials)
        self._tags = tags
        self._stops = stops
        self._decides = decides
        self._between = self._ids(BETWEEN)
        self._open = self._ids(tags.thinking.open) if tags.thinking else ()
        self._close = self._ids(tags.thinking.close) if tags.thinking else ()
        self._opener = self._ids(tags.calls.opener) if tags.calls else ()
        self._before = self._ids(tags.calls.before) if tags.calls else ()
        self._after = self._ids(tags.calls.after) if tags.calls else ()

    @property
    def holds_thoughts(self) -> bool:
        """Whether it is seen when a thought ends: the tag has to be one token."""
        return len(self._close) == 1

    def rails(self, request: GenerationRequest, begins: Opening, reasoning: int | None) -> Rails:
        """`reasoning`: how many tokens may be thought. Errors: ServerError invalid."""
        thinks = begins != "answer" and reasoning != 0
        answer = _Answer(request=request, opening=begins, thinks=thinks)
        if request.conversation.begun is not None:
            return Rails()
        if answer.must and begins == "either" and not self._decides:
            # Nobody knows whether it would think at all.
            answer = _Answer(request=request, opening=begins, thinks=False)
        rules = (
            *(self._bound(answer) if answer.must else self._free(answer)),
            *self._calls(answer),
        )
        held = answer.thinks and self.holds_thoughts
        return Rails(
            rules=rules,
            thinking=self._thinking(answer) if held else None,
            speech=self._close if held else (),
        )

    def _thinking(self, answer: _Answer) -> Stretch:
        begin = () if answer.opening == "thought" or answer.must else self._open
        # In a bound answer the rule for the end of a thought opens what comes then.
        leave = self._close if answer.must else self._close + self._between
        return Stretch(begin=begin, end=self._close, leave=leave)

    def _free(self, answer: _Answer) -> Iterator[Rule]:
        """Only the thought is left out where there is to be none."""
        if answer.opening == "answer" or answer.thinks:
            return
        opened = () if answer.opening == "thought" else self._open + self._between
        yield Rule(force=opened + self._close + self._between)

    def _bound(self, answer: _Answer) -> Iterator[Rule]:
        if not answer.thinks:
            inside = answer.opening == "thought"
            yield self._form(answer, (), self._close + self._between if inside else ())
            return
        if not self.holds_thoughts:
            raise _refused(
                answer,
                "this model's thoughts end in more than one token, so that what follows cannot be"
                " held to a form; ask with reasoning_effort none",
            )
        if answer.opening == "either":
            yield Rule(force=self._open + self._ids("\n"))
        yield self._form(answer, self._close, self._between)
        for stop in self._stops:
            yield Rule(suffix=(stop,), force=self._close, instead=True)

    def _form(self, answer: _Answer, suffix: Ids, before: Ids) -> Rule:
        """What is visible begins here."""
        request = answer.request
        if answer.calls:
            heads = [self._head(tool) for tool in request.conversation.offered]
            return opening(before + self._opener, heads, suffix)
        assert request.output is not None
        if request.conversation.offered:
            raise _refused(
                answer, "this model cannot be held to a form and be offered tools; leave one out"
            )
        grammar = output_grammar(request.output, self._stops[0])
        return Rule(suffix=suffix, force=before, grammar=grammar)

    def _calls(self, answer: _Answer) -> Iterator[Rule]:
        """Once a call has begun, it is one of the tools, with the arguments that it takes."""
        conversation = answer.request.conversation
        offered = conversation.offered
        strict = any(tool.strict for tool in offered)
        if not (answer.calls or strict or (offered and conversation.callable_tools)):
            return
        if not answer.calls:
            if len(self._opener) == 1:
                yield opening((), [self._head(tool) for tool in offered], self._opener)
            elif strict:
                raise _refused(
                    answer,
                    "how this model begins a call is more than one token, so that its arguments"
                    " cannot be held to a schema; set strict to false or tool_choice to required",
                )
        for tool in offered:
            yield Rule(
                suffix=self._opener + self._head(tool),
                force=self._after[1:],
                grammar=argument_grammar(tool, self._stops[0], must=True),
            )

    def _head(self, tool: Tool) -> Ids:
        """What stands between the opener and the arguments, as the model itself writes it, up to
        the id that ends the name.
        """
        return (*self._before, *self._plain(tool.name), *self._after[:1])

    def _ids(self, markup: str) -> Ids:
        """Our own words, in which markup is markup."""
        return tuple(
            token
            for piece in self._seal.pieces(markup)
            for token in ([piece] if isinstance(piece, int) else self._plain(piece))
        )

    def _plain(self, text: str) -> list[int]:
        return self._vocabulary.encode_on(text)


def _refused(answer: _Answer, why: str) -> ServerError:
    param = "response_format" if answer.request.output is not None else "tools"
    return ServerError(
        "invalid",
        f"Unsupported parameter: '{param}': {why}.",
        param=param,
        code="unsupported_parameter",
    )
