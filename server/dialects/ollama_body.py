"""The bodies of Ollama's requests as clients send them. Checks types; what the fields mean is not
known here.
"""

from typing import Any

from pydantic import Field

from server.core.errors import ServerError
from server.dialects.wire import HUGE, Array, Flag, Whole, Wire

# Fields that change nothing in the text of an answer: taken and not used.
IGNORED = frozenset({"height", "insecure", "name", "shift", "steps", "verbose", "width"})


class OllamaFunctionCall(Wire):
    name: str
    arguments: str | dict[str, Any] | None = None


class OllamaToolCall(Wire):
    id: str | None = None
    function: OllamaFunctionCall


class OllamaMessage(Wire):
    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: Array[OllamaToolCall] | None = None
    tool_name: str | None = None
    name: str | None = None
    tool_call_id: str | None = None


class OllamaFunction(Wire):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OllamaTool(Wire):
    type: str | None = None
    function: OllamaFunction


class OllamaBody(Wire):
    """What every request has."""

    model: str | None = None
    keep_alive: Any = Field(
        default=None,
        description="how long a model that comes and goes stays: seconds, or 5m; -1: for ever",
    )
    options: dict[str, Any] | None = None


class OllamaAnswerBody(OllamaBody):
    """What a chat and a generate request have in common."""

    stream: Flag | None = None
    truncate: Flag | None = Field(
        default=None, description="where false, a conversation that is too long is refused"
    )
    format: Any = None
    think: Any = None
    logprobs: Flag | None = None
    top_logprobs: Whole | None = None


class OllamaChatBody(OllamaAnswerBody):
    """A chat request; without messages it only asks for the model to be loaded."""

    messages: Array[OllamaMessage] | None = None
    tools: Array[OllamaTool] | None = None


class OllamaGenerateBody(OllamaAnswerBody):
    """A generate request; without a prompt it only asks for the model to be loaded."""

    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    context: Array[int] | None = None
    raw: Flag | None = None
    images: list[Any] | None = None


class OllamaShowBody(OllamaBody):
    """Which model to describe; older clients say `name`."""

    name: str | None = None


class OllamaEmbedBody(OllamaBody):
    """Texts to embed: `input`, a text or several, or `prompt` in the older form."""

    input: Any = None
    prompt: str | None = None
    dimensions: Whole | None = Field(default=None, lt=HUGE)
    truncate: Flag | None = None


def unknown_fields(body: OllamaBody, *, strict: bool) -> tuple[str, ...]:
    """The names nobody knows. Errors: ServerError invalid for one when `strict`."""
    unknown = tuple(sorted((body.model_extra or {}).keys() - IGNORED))
    if unknown and strict:
        raise ServerError(
            "invalid", f"unknown field {unknown[0]!r}: leave it out", param=unknown[0]
        )
    return unknown
