"""An Ollama chat or generate request -> a core request, and the reply that words its answer.

Knows neither HTTP nor the engine's defaults: a sampling left out stays None.
"""

from collections.abc import Callable
from dataclasses import dataclass

from server.core.messages import (
    AssistantMessage,
    Conversation,
    Instructions,
    RawPrompt,
)
from server.core.request import Effort, GenerationRequest
from server.dialects import ollama_context
from server.dialects.base import Call, Rules
from server.dialects.ollama_body import (
    OllamaAnswerBody,
    OllamaChatBody,
    OllamaGenerateBody,
    unknown_fields,
)
from server.dialects.ollama_errors import lacks, refused
from server.dialects.ollama_fields import (
    keep_alive_seconds,
    to_logprobs,
    to_output,
    to_thinking,
)
from server.dialects.ollama_messages import to_messages, to_tools, with_pictures
from server.dialects.ollama_options import read_options
from server.dialects.ollama_reply import (
    MEDIA_TYPE,
    PING,
    Clock,
    Endpoint,
    OllamaReply,
    OllamaStyle,
    load_body,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is known of a call besides its body: its id, the model's name as the client wrote it,
    the effort that the name's suffix asked for, and whose prompts it may share. `clock` gives the
    time in UTC; `vision`: the model reads pictures.
    """

    id: str
    model: str
    clock: Clock
    effort_suffix: Effort | None = None
    owner: str = ""
    vision: bool = False


def asks_nothing(body: OllamaChatBody | OllamaGenerateBody) -> bool:
    """Whether there is nothing to answer: the client only wants the model to be there, or gone."""
    return not (body.messages if isinstance(body, OllamaChatBody) else body.prompt)


def to_load_reply(body: OllamaChatBody | OllamaGenerateBody, model: str, clock: Clock) -> bytes:
    """The whole reply to a body that asks nothing. Errors: ServerError invalid."""
    endpoint: Endpoint = "chat" if isinstance(body, OllamaChatBody) else "generate"
    style = OllamaStyle(endpoint=endpoint, model=model, clock=clock)
    return load_body(style, unload=keep_alive_seconds(body.keep_alive) == 0)


def to_chat_call(body: OllamaChatBody, asked: Asked, rules: Rules) -> Call:
    """Errors: ServerError invalid, `param` naming the field."""
    tools = to_tools(body.tools)
    messages = to_messages(body.messages or (), asked.model, tools, vision=asked.vision)
    prompt = Conversation(messages=messages, tools=tools)
    return _call(body, prompt, asked, rules)


def to_generate_call(body: OllamaGenerateBody, asked: Asked, rules: Rules) -> Call:
    """Errors: ServerError invalid, `param` naming the field."""
    _check_prompt(body, asked)
    if body.raw:
        return _call(body, RawPrompt(content=body.prompt or ""), asked, rules)
    messages = [*ollama_context.unpack(body.context or ())]
    if body.system:
        messages.append(Instructions(text=body.system))
    messages.append(with_pictures(body.prompt or "", body.images or (), "images"))
    return _call(body, Conversation(messages=tuple(messages)), asked, rules)


def _check_prompt(body: OllamaGenerateBody, asked: Asked) -> None:
    if body.images and (body.raw or not asked.vision):
        raise lacks(asked.model, "vision", "images")
    if body.suffix:
        raise lacks(asked.model, "insert", "suffix")
    if body.raw and (body.template or body.system or body.context):
        raise refused("raw mode does not support template, system, or context", "raw")
    if body.template:
        raise refused(
            "template is not available: this server writes the model's own format", "template"
        )


def _call(
    body: OllamaChatBody | OllamaGenerateBody,
    prompt: Conversation | RawPrompt,
    asked: Asked,
    rules: Rules,
) -> Call:
    unknown = unknown_fields(body, strict=rules.strict_params)
    thinking = to_thinking(body.think, asked.effort_suffix or rules.effort_default)
    options = read_options(body.options, rules)
    request = GenerationRequest(
        id=asked.id,
        owner=asked.owner,
        prompt=prompt,
        effort=thinking.effort,
        max_tokens=options.max_tokens,
        fit=True,
        truncate=isinstance(prompt, Conversation) and _truncates(body, rules),
        reasoning_budget=thinking.budget if isinstance(prompt, Conversation) else 0,
        output=to_output(body.format),
        stop=options.stop,
        sampling=options.sampling,
        logprobs=to_logprobs(body),
        keep_alive_s=keep_alive_seconds(body.keep_alive),
    )
    is_chat = isinstance(body, OllamaChatBody)
    style = OllamaStyle(
        endpoint="chat" if is_chat else "generate",
        model=asked.model,
        clock=asked.clock,
        thinking=thinking.shown,
        logprobs=request.logprobs is not None,
        context=None if is_chat else _context(prompt),
    )
    return Call(
        requests=(request,),
        stream=_streams(body),
        reply=OllamaReply(style),
        unknown=(*unknown, *options.unknown),
        media_type=MEDIA_TYPE,
        ping=PING,
    )


def _truncates(body: OllamaAnswerBody, rules: Rules) -> bool:
    """Ollama does unless told otherwise, here as the operator likes."""
    return rules.ollama_truncate if body.truncate is None else body.truncate


def _context(prompt: Conversation | RawPrompt) -> Callable[[str], list[int]] | None:
    """Makes generate's context of the answer's text; a raw prompt has none."""
    match prompt:
        case Conversation(messages=messages):
            return lambda text: ollama_context.pack([*messages, AssistantMessage(text=text)])
        case RawPrompt():
            return None


def _streams(body: OllamaAnswerBody) -> bool:
    """Ollama streams unless told otherwise."""
    return body.stream is not False
