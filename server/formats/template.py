"""The format of models whose file brings a chat template: requests to the template's prompts,
tagged output to events.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from server.core.errors import ServerError
from server.core.request import GenerationRequest
from server.formats.base import Ids, Prompt, Rails
from server.formats.model_text import ModelText
from server.formats.tagged_reader import TaggedReader
from server.formats.tags import Tags, tags_of
from server.formats.template_prompt import TemplatePrompt
from server.formats.template_rules import TemplateRules
from server.formats.vocabulary import Vocabulary

CALL_ID_BYTES = 18  # 24 characters


class TemplateFormat:
    """`stops` end an answer; `today` is the date that a template may tell.

    Errors: ValueError for a template that is no Jinja or cannot write the simplest chat.
    """

    def __init__(
        self, vocabulary: Vocabulary, text: ModelText, stops: Ids, today: Callable[[], date]
    ) -> None:
        self.tags: Tags = tags_of("\n".join(text.templates.values()))
        self._vocabulary = vocabulary
        self._stops = stops
        self._prompt = TemplatePrompt(vocabulary, text, self.tags, today)
        self._rules = TemplateRules(vocabulary, self.tags, stops, decides=self._prompt.may_choose)

    def prompt(self, request: GenerationRequest) -> Prompt:
        self._check(request)
        rendered = self._prompt.render(request)
        return Prompt(tokens=rendered.tokens, stop_ids=self._stops, boundaries=rendered.head)

    def rails(self, request: GenerationRequest, reasoning: int | None = None) -> Rails:
        tokens = request.reasoning_budget if reasoning is None else reasoning
        return self._rules.rails(request, self._prompt.opening(request), tokens)

    def reader(self, request: GenerationRequest) -> TaggedReader:
        conversation = request.conversation
        begun = conversation.begun is not None
        tags = self.tags
        if request.output is not None:
            tags = replace(tags, strays=False)
        return TaggedReader(
            self._vocabulary,
            tags,
            self._stops,
            [tool.name for tool in conversation.offered],
            _new_call_id,
            "begun" if begun else self._prompt.opening(request),
        )

    def _check(self, request: GenerationRequest) -> None:
        if request.conversation.offered and self.tags.calls is None:
            raise _unsupported(
                "tools",
                "this model's chat template knows no tools that could be"
                " read here; leave them out or set tool_choice to none",
            )
        if request.reasoning_budget and self.tags.thinking and not self._rules.holds_thoughts:
            raise _unsupported(
                "reasoning_budget",
                "this model's thoughts end in more than one"
                " token and cannot be counted; leave it out",
            )


def _unsupported(param: str, why: str) -> ServerError:
    return ServerError(
        "invalid",
        f"Unsupported parameter: '{param}': {why}.",
        param=param,
        code="unsupported_parameter",
    )


def _new_call_id() -> str:
    return f"call_{secrets.token_urlsafe(CALL_ID_BYTES)}"
