"""What was said so far as the list of numbers that Ollama's generate gives and takes as `context`.

Clients hand it back unread. Ollama writes token ids; here it is the texts themselves, two bytes a
number, so that nothing has to be kept on the server.
"""

import struct
from collections.abc import Sequence

import msgspec

from server.core.messages import AssistantMessage, Instructions, Message, UserMessage
from server.dialects.ollama_errors import refused

_Turns = list[tuple[str, str]]
_Kind = type[Instructions] | type[UserMessage] | type[AssistantMessage]
_KINDS: dict[str, _Kind] = {
    "system": Instructions,
    "user": UserMessage,
    "assistant": AssistantMessage,
}


def pack(messages: Sequence[Message]) -> list[int]:
    """Tool calls, which generate knows nothing of, are left out."""
    turns = [
        (role, message.text)
        for message in messages
        for role, kind in _KINDS.items()
        if isinstance(message, kind)
    ]
    text = msgspec.json.encode(turns)
    text += b" " * (len(text) % 2)
    return list(struct.unpack(f">{len(text) // 2}H", text))


def unpack(context: Sequence[int]) -> tuple[Message, ...]:
    """The messages of a list that `pack` made. Errors: ServerError invalid for any other list."""
    if not context:
        return ()
    try:
        text = struct.pack(f">{len(context)}H", *context)
        return tuple(
            _KINDS[role](text=said) for role, said in msgspec.json.decode(text, type=_Turns)
        )
    except (struct.error, msgspec.DecodeError, ValueError, KeyError):
        raise refused(
            "the context is not one that this server gave; send the conversation to /api/chat",
            "context",
        ) from None
