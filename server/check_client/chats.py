"""Chats as a bot sends them, and whether what comes back is what a bot can use."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from server.check_client.asking import Frame, Reply, Server
from server.check_client.refusals import refusal, words_of
from server.verdicts import Failure, Verdict, note, ok

CHATS = "/v1/chat/completions"
SECOND = "second turn"
MAX_TOKENS = 64
# How long bots commonly wait before they give up.
COMMON_PATIENCE_S = 60.0
SHOWN_CHARACTERS = 80
# What belongs to the model's own format or to its thoughts; nobody's user should see it.
_MARKUP = re.compile(
    r"<\|\w+\|>|</?think(ing)?>|^\s*(analysis|commentary)(?=[A-Z]|\W|to=)|assistant(final|analysis)"
)
SYSTEM = "Ты — вежливый помощник магазина. Отвечай коротко, по-русски."
QUESTION = "Привет! Чем ты можешь помочь?"
SECOND_QUESTION = "Спасибо! А как тебя зовут?"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_order_status",
        "description": "Узнать состояние заказа по его номеру",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}},
            "required": ["order_id"],
        },
    },
}
HIDE_REASONING = "set the reasoning apart on the server: gpt-api sends it as `reasoning`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A plain answer that was good: its text, and the seconds that it took."""

    text: str
    seconds: float


@dataclass
class _Heard:
    """What a stream brought."""

    text: str = ""
    pieces: int = 0
    first_s: float | None = None
    last_s: float = 0.0
    done: bool = False
    usage: dict[str, Any] = field(default_factory=dict)

    def hear(self, frame: Frame) -> None:
        """Errors: Failure for an error amid the stream."""
        self.last_s = frame.seconds
        if frame.data == "[DONE]":
            self.done = True
            return
        chunk = _object(frame.data)
        if "error" in chunk:
            raise refusal("stream", 500, chunk)
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices") or ():
            if piece := (choice.get("delta") or {}).get("content"):
                self.first_s = frame.seconds if self.first_s is None else self.first_s
                self.text += piece
                self.pieces += 1


def body(model: str, *more: dict[str, str]) -> dict[str, Any]:
    """A chat as a bot sends it; `more` are the turns after the first question."""
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": QUESTION},
            *more,
        ],
        "temperature": 0.7,
        "max_tokens": MAX_TOKENS,
        "stream": False,
        "tools": [TOOL],
        "tool_choice": "auto",
    }


def plain(server: Server, model: str) -> Iterator[Verdict | Talk]:
    """One chat; the last thing is the Talk. Errors: Failure."""
    reply = server.post("chat", CHATS, body(model))
    choice = _choice(reply, "chat")
    text = _content(choice, "chat")
    check_text("chat", text, _reason(choice), reply.body)
    words = " ".join(text.split())
    shown = words if len(words) <= SHOWN_CHARACTERS else f"{words[:SHOWN_CHARACTERS]}..."
    yield ok("chat", f'in {reply.seconds:.1f} s it answers: "{shown}"')
    yield check_usage(reply.body.get("usage"))
    if reply.seconds > COMMON_PATIENCE_S:
        yield note(
            "time",
            f"{reply.seconds:.0f} s are more than most bots wait ({COMMON_PATIENCE_S:.0f} s)",
            f"think less ({model.partition(':low')[0]}:low as Model Name), and see gpt-api bench"
            " on the server",
        )
    if warning := reply.body.get("warning"):
        yield note("chat", f"the server warns: {warning}")
    yield Talk(text=text, seconds=reply.seconds)


def streamed(server: Server, model: str) -> Verdict:
    """The same chat as a stream: when the first text comes. Errors: Failure."""
    asked = body(model) | {"stream": True, "stream_options": {"include_usage": True}}
    heard = _Heard()
    for frame in server.stream("stream", CHATS, asked):
        heard.hear(frame)
    if heard.first_s is None:
        raise _empty("stream", "", {})
    check_text("stream", heard.text, "", {})
    if not heard.done:
        raise Failure(
            "stream",
            "it ends without [DONE]: something cut it",
            "raise the time limit of the proxy, and see the server's log",
        )
    words = f"first text after {heard.first_s:.1f} s, all of it after {heard.last_s:.1f} s"
    return ok("stream", f"{words}, in {heard.pieces} pieces")


def two_turns(server: Server, model: str, first: Talk) -> Verdict:
    """A second question behind the first answer, as bots send it. Errors: Failure."""
    turns = (
        {"role": "assistant", "content": first.text},
        {"role": "user", "content": SECOND_QUESTION},
    )
    reply = server.post(SECOND, CHATS, body(model, *turns))
    choice = _choice(reply, SECOND)
    words = f"answered in {reply.seconds:.1f} s"
    if choice["message"].get("tool_calls"):
        # Odd, but a bot knows what to do with it.
        words = f"answered in {reply.seconds:.1f} s by calling the tool"
    else:
        check_text(SECOND, _content(choice, SECOND), _reason(choice), reply.body)
    usage = reply.body.get("usage") or {}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    if not cached:
        return note(
            SECOND,
            f"{words}; nothing of the conversation was remembered, so that long ones get slow",
            "set PREFIX_CACHE_RAM=auto on the server",
        )
    return ok(SECOND, f"{words}; {cached} of {usage.get('prompt_tokens')} tokens were remembered")


def check_text(subject: str, text: str, reason: str, reply: dict[str, Any]) -> None:
    """Errors: Failure for a text that a bot's user should not see."""
    if not text.strip():
        raise _empty(subject, reason, reply)
    if found := _MARKUP.search(text):
        raise Failure(
            subject,
            f"the model's inner format shows in the answer: {found[0].strip()!r}",
            HIDE_REASONING,
        )
    if "\ufffd" in text:
        raise Failure(
            subject,
            "letters of the answer are broken (U+FFFD)",
            "something between cuts UTF-8 in the middle: check the proxy, update the server",
        )


def check_usage(usage: Any) -> Verdict:
    """Whether tokens were counted, as those do who bill by them."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    found = [usage.get(name) for name in names] if isinstance(usage, dict) else []
    counts = [count for count in found if isinstance(count, int)]
    if len(counts) != len(names):
        return note("usage", "the tokens are not counted", "a bot that bills by them cannot")
    prompt, completion, total = counts
    if prompt + completion != total:
        return note("usage", f"{prompt} and {completion} tokens are told to be {total}")
    return ok("usage", f"{prompt} tokens in, {completion} out")


def _choice(reply: Reply, subject: str) -> dict[str, Any]:
    """The only choice, which has a message. Errors: Failure."""
    if reply.status != 200:
        raise refusal(subject, reply.status, reply.body, reply.retry_after)
    choices = reply.body.get("choices") if reply.has_json else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        said = words_of(reply.body)[:SHOWN_CHARACTERS]
        raise Failure(
            subject,
            f'the answer is no chat of OpenAI\'s form: "{said}"',
            "another service answers there: check the port and the path",
        )
    return choice


def _content(choice: dict[str, Any], subject: str) -> str:
    """Its text. Errors: Failure."""
    content = choice["message"].get("content")
    if content is not None and not isinstance(content, str):
        raise Failure(
            subject,
            f"choices[0].message.content is no text but a {type(content).__name__}",
            "bots need a text: update the server",
        )
    if not content and choice["message"].get("tool_calls"):
        raise Failure(
            subject,
            "the model calls a tool instead of answering a greeting",
            "leave tools out of the bot's settings, or use a larger model",
        )
    return content or ""


def _reason(choice: dict[str, Any]) -> str:
    return str(choice.get("finish_reason") or "")


def _empty(subject: str, reason: str, reply: dict[str, Any]) -> Failure:
    if warning := reply.get("warning"):
        return Failure(subject, f"the answer is empty: {warning}", "ask for more tokens")
    if reason == "length":
        return Failure(
            subject,
            f"the answer is empty: its {MAX_TOKENS} tokens were spent before the first word",
            "raise max_tokens in the bot, or have the model think less: a Model Name with :low",
        )
    return Failure(
        subject,
        f"the answer is empty{f' (finish_reason {reason})' if reason else ''}",
        "see the server's log: journalctl -u gpt-api -n 100",
    )


def _object(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except ValueError:
        chunk = None
    if not isinstance(chunk, dict):
        raise Failure(
            "stream",
            f"an event is no JSON object: {data[:SHOWN_CHARACTERS]!r}",
            "something between changes the stream: check the proxy",
        )
    return chunk
