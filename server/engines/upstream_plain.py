"""The messages of requests to servers that take a conversation and nothing else.

What changes the form of an answer is refused by name. Lengths and sampling are not: they are chosen
there, and every client sends some.
"""

from collections.abc import Iterator

from server.core.errors import ServerError
from server.core.messages import (
    AssistantMessage,
    Conversation,
    Instructions,
    ToolResult,
    UserMessage,
)
from server.core.request import GenerationRequest
from server.engines.upstream_wire import lacking, output_param


def plain_messages(request: GenerationRequest, name: str) -> list[tuple[str, UserMessage]]:
    """Who says what, in order. Errors: ServerError invalid."""
    prompt = request.prompt
    if not isinstance(prompt, Conversation):
        raise lacking(name, prompt.path, "raw prompts, but conversations")
    _check(request, prompt, name)
    return list(_said(prompt, name))


def _check(request: GenerationRequest, conversation: Conversation, name: str) -> None:
    if conversation.offered:
        raise lacking(name, "tools", "tools")
    if request.output is not None:
        raise lacking(name, output_param(request), "form of an answer")
    wanted = {
        "stop": bool(request.stop),
        "logprobs": request.logprobs is not None,
        "logit_bias": bool(request.sampling.logit_bias),
        "min_tokens": bool(request.min_tokens),
        "reasoning_budget": bool(request.reasoning_budget),
    }
    for param, is_wanted in wanted.items():
        if is_wanted:
            raise lacking(name, param, f"'{param}'")


def _said(conversation: Conversation, name: str) -> Iterator[tuple[str, UserMessage]]:
    for message in conversation.messages:
        match message:
            case Instructions():
                yield "system", UserMessage(text=message.text)
            case UserMessage():
                yield "user", message
            case AssistantMessage(tool_calls=()):
                yield "assistant", UserMessage(text=message.text or "")
            case AssistantMessage() | ToolResult():
                raise _no_calls(name)


def _no_calls(name: str) -> ServerError:
    return lacking(name, "messages", "calls of tools, nor what came of them")
