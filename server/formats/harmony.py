"""The format of gpt-oss models: requests to harmony prompts, harmony output to events."""

from dataclasses import replace

from server.core.request import Effort, GenerationRequest
from server.formats.base import Prompt, Rails
from server.formats.harmony_markers import Markers
from server.formats.harmony_prompt import Clock, HarmonyPrompt
from server.formats.harmony_reader import HarmonyReader
from server.formats.harmony_rules import HarmonyRules
from server.formats.raw import EitherFormat, RawFormat
from server.formats.vocabulary import Vocabulary


class HarmonyFormat:
    """`clock` gives today's date in UTC. `default_effort` is for requests that name none.

    Errors: ValueError for a vocabulary without harmony's control tokens.
    """

    def __init__(
        self, vocabulary: Vocabulary, clock: Clock, *, default_effort: Effort = "medium"
    ) -> None:
        self._vocabulary = vocabulary
        self._markers = Markers.of(vocabulary)
        self._prompt = HarmonyPrompt(vocabulary, self._markers, clock)
        self._rules = HarmonyRules(vocabulary, self._markers)
        self._default_effort = default_effort

    def prompt(self, request: GenerationRequest) -> Prompt:
        effort = request.effort or self._default_effort
        head = self._prompt.head(request, effort)
        return Prompt(
            tokens=head + self._prompt.turns(request.conversation),
            stop_ids=self._markers.stops,
            boundaries=(len(head),),
        )

    def rails(self, request: GenerationRequest, reasoning: int | None = None) -> Rails:
        if reasoning is not None:
            request = replace(request, reasoning_budget=reasoning)
        return self._rules.rails(request)

    def reader(self, request: GenerationRequest) -> HarmonyReader:
        conversation = request.conversation
        offered = [tool.name for tool in conversation.offered]
        begun = conversation.begun is not None
        return HarmonyReader(self._vocabulary, self._markers, offered, begun=begun)


def gpt_oss_format(vocabulary: Vocabulary, clock: Clock) -> EitherFormat:
    """Harmony for conversations, and plain text for raw prompts. Errors: see `HarmonyFormat`."""
    chat = HarmonyFormat(vocabulary, clock)
    markers = Markers.of(vocabulary)
    raw = RawFormat(vocabulary, markers.stops, beginning=markers.endoftext)
    return EitherFormat(chat=chat, raw=raw)
