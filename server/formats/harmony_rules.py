"""What a gpt-oss answer is held to while it is drawn: which messages may follow one another, what
their bodies may hold, and how the reasoning is left.

Knows ids and their order, not how they are drawn nor how many there may be.
"""

from collections.abc import Iterator

from server.core.request import GenerationRequest
from server.formats.argument_grammar import argument_grammar
from server.formats.base import Ids, Rails, Rule, Stretch
from server.formats.harmony_heads import Heads
from server.formats.harmony_markers import Markers
from server.formats.openings import opening
from server.formats.output_grammar import output_grammar
from server.formats.vocabulary import Vocabulary


class HarmonyRules:
    """Rails for requests. Most answers are free but for the length of their reasoning. Those that
    must have a form are bound: every header is one of a few, and ids that would break a message off
    are not taken.
    """

    def __init__(self, vocabulary: Vocabulary, markers: Markers) -> None:
        self._markers = markers
        self._heads = Heads(vocabulary, markers)

    def rails(self, request: GenerationRequest) -> Rails:
        """Errors: ServerError invalid, naming what a schema has that cannot be held to."""
        speech = (self._markers.channel, *self._heads.answer)
        if request.conversation.begun is not None:
            return Rails(thinking=self._thinking(self._heads.leaving + self._heads.answer))
        if _is_bound(request):
            rules = tuple(self._bound(request))
            # The rule for the end of a message opens the next one.
            thinking = self._thinking((self._markers.end,))
        else:
            rules, thinking = self._free(request)
        return Rails(
            rules=rules,
            thinking=None if request.reasoning_budget == 0 else thinking,
            speech=speech,
        )

    def _free(self, request: GenerationRequest) -> tuple[tuple[Rule, ...], Stretch]:
        heads, marks = self._heads, self._markers
        if not request.conversation.offered:
            return (), self._thinking(heads.leaving + heads.answer)
        # It may still call a tool; if it goes on to think, it has to answer.
        empty = (marks.channel, *heads.thought, *heads.leaving)
        return (Rule(suffix=empty, force=heads.answer),), self._thinking(heads.leaving)

    def _thinking(self, leave: Ids) -> Stretch:
        begin = (self._markers.channel, *self._heads.thought)
        return Stretch(begin=begin, end=(self._markers.end,), leave=leave)

    # --- answers with a form ----------------------------------------------------------------------

    def _bound(self, request: GenerationRequest) -> Iterator[Rule]:
        heads, marks = self._heads, self._markers
        calls = {heads.call(tool): tool for tool in request.conversation.offered}
        later = self._later(request, list(calls))
        first = later if request.reasoning_budget == 0 else [heads.thought, *later]
        yield opening((marks.channel,), first, ())
        yield opening(heads.opening, later, (marks.end,))
        # What ends a text that is held to nothing is the model's decision; nothing else is.
        must = _has_form(request)
        for stray in (marks.start, marks.channel, *(marks.stops if must else ())):
            yield opening(heads.leaving, later, (stray,), instead=True)
        if request.output is not None:
            grammar = output_grammar(request.output, marks.return_)
            yield Rule(suffix=(marks.channel, *heads.answer), grammar=grammar)
        for head, tool in calls.items():
            # No stop id is drawn before the least length: a call has to end by its grammar.
            arguments = argument_grammar(tool, marks.call, must=must or request.min_tokens > 0)
            if arguments is not None:
                yield Rule(suffix=head, grammar=arguments)

    def _later(self, request: GenerationRequest, calls: list[Ids]) -> list[Ids]:
        """What may follow the reasoning."""
        if request.conversation.tool_choice == "required":
            return calls
        plain = [self._heads.answer]
        if calls and request.output is None:
            plain.append(self._heads.preamble)
        return plain + calls


def _has_form(request: GenerationRequest) -> bool:
    """Whether all that is visible of the answer has a form."""
    return request.output is not None or request.conversation.tool_choice == "required"


def _is_bound(request: GenerationRequest) -> bool:
    offered = request.conversation.offered
    narrow = bool(request.conversation.callable_tools) or request.min_tokens > 0
    return (
        _has_form(request)
        or request.reasoning_budget == 0
        or (bool(offered) and narrow)
        or any(tool.strict for tool in offered)
    )
