"""A core request in the words of OpenAI's protocol: what it has, and by name what it has not.

Knows no server that answers it.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import assert_never

from server.core.messages import (
    AssistantMessage,
    Conversation,
    Instructions,
    Message,
    RawPrompt,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.core.request import SAMPLERS_OFF, UNLIMITED, GenerationRequest, JsonOutput
from server.engines.upstream_options import UpstreamOptions
from server.engines.upstream_wire import content, lacking, output_param

_Json = dict[str, Any]
# Samplers that the protocol has, by the same name.
_SAMPLERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed")
# Those that it has not; what adjusts them is of no use without them.
_OTHERS = (
    "top_k",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "top_n_sigma",
    "xtc_probability",
    "dry_multiplier",
    "mirostat",
)
# Forms have names there, which say nothing.
_FORM = "answer"


def chat_body(
    request: GenerationRequest, conversation: Conversation, options: UpstreamOptions
) -> _Json:
    """Errors: ServerError invalid."""
    if (request.reasoning_budget or 0) > 0:
        raise lacking(options.name, "reasoning_budget", "budget for reasoning, but an effort")
    body = _common(request, options)
    if _is_openai(options.base_url):
        # Its newer models know the length by this name alone.
        body["max_completion_tokens"] = body.pop("max_tokens")
    body["messages"] = [_message(each, options) for each in conversation.messages]
    body |= _tools(conversation)
    if options.reasoning:
        body["reasoning_effort"] = "none" if request.reasoning_budget == 0 else request.effort
    if request.output is not None:
        body["response_format"] = _form(request, options)
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    return _given(body)


def completion_body(
    request: GenerationRequest, prompt: RawPrompt, options: UpstreamOptions
) -> _Json:
    """Errors: ServerError invalid."""
    if request.output is not None:
        raise lacking(options.name, output_param(request), "form of a completion")
    body = _common(request, options)
    body["prompt"] = prompt.content
    body["suffix"] = prompt.suffix or None
    body["logprobs"] = request.logprobs
    if body["max_tokens"] is None:
        # Others write 16 tokens then.
        body["max_tokens"] = options.limits.max_tokens
    return _given(body)


def _common(request: GenerationRequest, options: UpstreamOptions) -> _Json:
    sampling = request.sampling
    for name in _OTHERS:
        if getattr(sampling, name) not in (None, getattr(SAMPLERS_OFF, name)):
            raise lacking(options.name, name, f"'{name}'")
    if request.min_tokens:
        raise lacking(options.name, "min_tokens", "least length")
    return {
        "model": options.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        # More than they have room for they refuse.
        "max_tokens": None if request.max_tokens == UNLIMITED else request.max_tokens,
        "stop": list(request.stop) or None,
        "logit_bias": {str(token): bias for token, bias in sampling.logit_bias.items()} or None,
        **{name: getattr(sampling, name) for name in _SAMPLERS},
    }


def _is_openai(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host.endswith((".openai.com", ".openai.azure.com"))


def _given(body: Mapping[str, Any]) -> _Json:
    return {name: value for name, value in body.items() if value is not None}


def _message(message: Message, options: UpstreamOptions) -> _Json:
    match message:
        case Instructions():
            return {"role": "system", "content": message.text}
        case UserMessage():
            return {"role": "user", "content": content(message)}
        case AssistantMessage():
            return _assistant(message, options)
        case ToolResult():
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
        case _:
            assert_never(message)


def _assistant(message: AssistantMessage, options: UpstreamOptions) -> _Json:
    said: _Json = {"role": "assistant", "content": message.text}
    if message.tool_calls:
        said["tool_calls"] = [_call(call) for call in message.tool_calls]
        # What it thought counts until it has answered. Servers look for it under either name.
        if options.reasoning and message.reasoning:
            said |= dict.fromkeys(("reasoning", "reasoning_content"), message.reasoning)
    elif message.text is None:
        said["content"] = ""
    return said


def _call(call: ToolCall) -> _Json:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _tools(conversation: Conversation) -> _Json:
    """Where some may be called only, the others are not shown: not every server can hide them."""
    if not conversation.tools:
        return {}
    chosen, choice = conversation.callable_tools, conversation.tool_choice
    if choice == "required" and len(chosen) == 1:
        named = {"type": "function", "function": {"name": chosen[0]}}
        return {"tools": [_tool(tool) for tool in conversation.tools], "tool_choice": named}
    shown = conversation.tools if choice == "none" else conversation.offered
    told: _Json = {"tools": [_tool(tool) for tool in shown]}
    return told if choice == "auto" else told | {"tool_choice": choice}


def _tool(tool: Tool) -> _Json:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict or None,
    }
    return {"type": "function", "function": _given(function)}


def _form(request: GenerationRequest, options: UpstreamOptions) -> _Json:
    output = request.output
    if not isinstance(output, JsonOutput):
        raise lacking(options.name, output_param(request), "grammar, but JSON schemas")
    if output.schema is None:
        return {"type": "json_object"}
    form = {
        "name": output.name or _FORM,
        "description": output.description,
        "schema": output.schema,
        "strict": True,
    }
    return {"type": "json_schema", "json_schema": _given(form)}
