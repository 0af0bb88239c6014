"""The objects that a Responses reply is made of: the response around it, its items, its usage.

Knows neither streams nor the request that they answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from server.core.events import Finished, Part, PartKind, Usage
from server.dialects.openai_logprobs import token_objects
from server.dialects.openai_responses_history import id_stem
from server.dialects.openai_responses_items import COMMENTARY, FINAL, SEAL

Json: TypeAlias = dict[str, Any]
ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]

_PREFIXES: dict[PartKind, str] = {
    "reasoning": "rs",
    "preamble": "msg",
    "text": "msg",
    "tool_call": "fc",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseStyle:
    """How a client wants its response. `echo` are the fields that repeat the request, in the order
    of the response's; `created` is Unix time in seconds. `sealed`: reasoning comes a second time in
    the form in which some clients send it back.
    """

    id: str
    created: int
    echo: Json
    reasoning: bool = True
    sealed: bool = False
    logprobs: bool = False

    def shows(self, kind: PartKind) -> bool:
        return self.reasoning or kind != "reasoning"


def item_id(style: ResponseStyle, kind: PartKind, position: int) -> str:
    """The id of the output item at a position: the same in a stream and in a body."""
    return f"{_PREFIXES[kind]}_{id_stem(style.id)}_{position}"


def item_object(style: ResponseStyle, part: Part, id_: str, status: ItemStatus) -> Json:
    """One output item; one that is in progress is empty yet."""
    content = [] if status == "in_progress" else [content_object(style, part)]
    match part.kind:
        case "reasoning":
            item = {"id": id_, "type": "reasoning", "status": status, "summary": []}
            sealed = {"encrypted_content": SEAL + part.text} if style.sealed and content else {}
            return {**item, "content": content, **sealed}
        case "tool_call":
            return {
                "id": id_,
                "type": "function_call",
                "status": status,
                "call_id": part.call_id,
                "name": part.name,
                "arguments": part.text,
            }
        case "preamble" | "text":
            return {
                "id": id_,
                "type": "message",
                "status": status,
                "role": "assistant",
                "phase": COMMENTARY if part.kind == "preamble" else FINAL,
                "content": content,
            }


def content_object(style: ResponseStyle, part: Part) -> Json:
    """What a message or the reasoning holds: one piece of text."""
    if part.kind == "reasoning":
        return {"type": "reasoning_text", "text": part.text}
    logprobs = token_objects(part.logprobs) if style.logprobs else []
    return {"type": "output_text", "text": part.text, "annotations": [], "logprobs": logprobs}


def begun_response(style: ResponseStyle) -> Json:
    """The response before its first item."""
    return _response(style, {"status": "in_progress", "output": [], "usage": None})


def finished_response(style: ResponseStyle, output: Sequence[Json], finished: Finished) -> Json:
    """The whole response: complete, or cut at its length."""
    cut = finished.reason == "length"
    timings = finished.timings
    seconds = timings.queue_s + timings.prompt_s + timings.generation_s
    response = _response(
        style,
        {
            "status": "incomplete" if cut else "completed",
            "completed_at": None if cut else style.created + round(seconds),
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": list(output),
            "usage": _usage_object(finished.usage),
        },
    )
    return response | ({"warning": finished.warning} if finished.warning else {})


def failed_response(style: ResponseStyle, output: Sequence[Json], error: Json) -> Json:
    """What there is of a response that broke off; `error` is `{code, message}`."""
    return _response(
        style, {"status": "failed", "error": error, "output": list(output), "usage": None}
    )


def _response(style: ResponseStyle, state: Json) -> Json:
    return {
        "id": style.id,
        "object": "response",
        "created_at": style.created,
        "status": state["status"],
        "completed_at": state.get("completed_at"),
        "error": state.get("error"),
        "incomplete_details": state.get("incomplete_details"),
        **style.echo,
        "output": state["output"],
        "usage": state["usage"],
    }


def _usage_object(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
