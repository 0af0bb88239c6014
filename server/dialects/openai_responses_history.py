"""What was said in earlier responses, as JSON to be kept: written, read again, listed by page.

Knows neither who keeps it nor for how long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import TypeAdapter

from server.core.errors import ServerError
from server.dialects.openai_errors import invalid_value
from server.dialects.openai_responses_body import InputItem, ItemContent
from server.dialects.openai_responses_items import arguments_text

_ITEMS = TypeAdapter(list[InputItem])
# The beginning of an item's id, by its type; whatever else there may be is named after the message.
_PREFIXES = {"reasoning": "rs", "function_call": "fc", "function_call_output": "fco"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which items are listed: at most `limit`, of those behind the item `after`."""

    limit: int = 20
    after: str | None = None
    newest_first: bool = True


def input_items(given: str | Sequence[InputItem] | None) -> list[InputItem]:
    """The items of a request. A text is what the user says."""
    if isinstance(given, str):
        return [InputItem(role="user", content=given)]
    return list(given or ())


def write_items(items: Sequence[InputItem], response_id: str) -> bytes:
    """Items as a JSON array in the form in which they are listed. Those without an id get one."""
    stem = id_stem(response_id)
    return msgspec.json.encode(
        [_listed(item, f"{stem}_i{index}") for index, item in enumerate(items)]
    )


def read_turn(written: bytes, body: bytes) -> list[InputItem]:
    """The items that were sent in one response and those that it answered; `written` is of
    `write_items`, `body` the whole response.
    """
    output = msgspec.json.decode(body)["output"]
    return _ITEMS.validate_python([*msgspec.json.decode(written), *output])


def list_body(written: Sequence[bytes], bodies: Sequence[bytes], page: Page) -> bytes:
    """The items that a response was made from: those of all turns up to it, without its own output.

    `written` are the turns' input, oldest first, `bodies` the responses between them, one less.
    Errors: ServerError invalid for an unknown `after`.
    """
    items: list[dict[str, Any]] = []
    for index, turn in enumerate(written):
        items += msgspec.json.decode(turn)
        if index < len(bodies):
            items += msgspec.json.decode(bodies[index])["output"]
    if page.newest_first:
        items.reverse()
    rest = items[_position(items, page.after) :]
    shown = rest[: page.limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(rest) > len(shown),
        }
    )


def deleted_body(response_id: str) -> bytes:
    return msgspec.json.encode({"id": response_id, "object": "response", "deleted": True})


def not_found(response_id: str, *, param: str, code: str) -> ServerError:
    """The same words whether it never was, is no more, or is somebody else's."""
    return ServerError(
        "not_found",
        f"Response {response_id[:100]!r} not found: it was not stored with this key, or it was"
        " deleted, or it is too old; send the whole conversation as 'input'.",
        param=param,
        code=code,
    )


def id_stem(response_id: str) -> str:
    """What the ids of a response's items have in common."""
    return response_id.partition("_")[2]


def _position(items: Sequence[dict[str, Any]], after: str | None) -> int:
    if after is None:
        return 0
    for index, item in enumerate(items):
        if item["id"] == after:
            return index + 1
    raise invalid_value("after", "no item of this response has that id")


def _listed(item: InputItem, id_end: str) -> dict[str, Any]:
    written = item.model_dump(mode="json", exclude_none=True)
    written["type"] = item.type
    written["id"] = item.id or f"{_PREFIXES.get(item.type, 'msg')}_{id_end}"
    if item.type != "reasoning":
        written.setdefault("status", "completed")
    if item.type == "message":
        written["content"] = _parts(item.content, item.role)
    if item.type == "function_call":
        written["arguments"] = arguments_text(item)
    return written


def _parts(content: ItemContent, role: str | None) -> list[dict[str, Any]]:
    if not isinstance(content, str):
        return [part.model_dump(mode="json", exclude_none=True) for part in content or ()]
    if role == "assistant":
        return [{"type": "output_text", "text": content, "annotations": []}]
    return [{"type": "input_text", "text": content}]
