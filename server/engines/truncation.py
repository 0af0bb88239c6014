"""Leaves out the oldest messages of a conversation that is too long, where its client agreed to it.

Knows neither tokens nor what the limit is made of: whoever renders prompts is asked.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from server.core.messages import (
    AssistantMessage,
    Instructions,
    Message,
    ToolResult,
    UserMessage,
)
from server.core.request import GenerationRequest
from server.formats.base import Prompt

# As much more is left out as makes the excess a multiple of this part of the limit: the next turns
# of the conversation are then cut at the same place, and profit from the prompt that was computed.
ROUNDING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A request as it is asked, its prompt, and how many of its messages were left out."""

    request: GenerationRequest
    prompt: Prompt
    left_out: int = 0


def fitted(
    request: GenerationRequest, render: Callable[[GenerationRequest], Prompt], limit: int
) -> Fitted:
    """The request with a prompt of at most `limit` tokens, if enough of it may be left out."""
    whole = render(request)
    excess = len(whole.tokens) - limit
    if excess <= 0 or not request.truncate:
        return Fitted(request=request, prompt=whole)
    messages = request.conversation.messages
    units = removable(messages)
    made = {0: Fitted(request=request, prompt=whole)}

    def without(count: int) -> Fitted:
        if count not in made:
            gone = {index for unit in units[:count] for index in unit}
            kept = tuple(each for index, each in enumerate(messages) if index not in gone)
            shorter = replace(request, prompt=replace(request.conversation, messages=kept))
            made[count] = Fitted(request=shorter, prompt=render(shorter), left_out=len(gone))
        return made[count]

    def fewest(tokens: int) -> int:
        """How many units have to go until no more tokens are left; one too many if all would."""
        counts = range(len(units) + 1)
        return bisect_left(
            counts, True, key=lambda count: len(without(count).prompt.tokens) <= tokens
        )

    step = max(limit // ROUNDING, 1)
    rounded = -(-excess // step) * step
    most = fewest(len(whole.tokens) - rounded - 1) - 1
    return without(min(max(fewest(limit), most), len(units)))


def removable(messages: Sequence[Message]) -> list[list[int]]:
    """What may be left out, the oldest first, as indices of messages that go together: a call and
    its results. Instructions, the last message of the user and what was said last stay.
    """
    units: list[list[int]] = []
    callers: dict[str, list[int]] = {}
    last_user: int | None = None
    for index, message in enumerate(messages):
        match message:
            case Instructions():
                continue
            case ToolResult(call_id=call_id) if call_id in callers:
                callers[call_id].append(index)
                continue
            case UserMessage():
                last_user = index
            case AssistantMessage() | ToolResult():
                pass
        units.append([index])
        if isinstance(message, AssistantMessage):
            callers |= {call.id: units[-1] for call in message.tool_calls}
    last = max((unit[-1] for unit in units), default=None)
    return [unit for unit in units if last_user not in unit and last not in unit]
