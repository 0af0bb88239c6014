"""What was said in earlier responses, as JSON to be kept: written, read again, listed by page.

Knows neither who keeps it nor for how long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import TypeAdapter

from server.core.errors import ServerError
from server.dialects.openai_responses_body import InputItem, ItemContent
from server.dialects.openai_responses_items import arguments_text
from server.dialects.refusals import invalid_value

RESPONSE_PREFIX = "resp_"

# A turn as it is kept: its input as `write_items` wrote it, and the whole response.
WrittenTurn = tuple[bytes, bytes]

_ITEMS = TypeAdapter(list[InputItem])
# The beginning of an item's id, by its type; whatever else there may be is named after the message.
_PREFIXES = {"reasoning": "rs", "function_call": "fc", "function_call_output": "fco"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which items are listed: at most `limit`, of those behind the item `after`."""

    limit: int = 20
    after: str | None = None
    newest_first: bool = True


def input_items(
    given: str | Sequence[InputItem] | None, find: Callable[[str], WrittenTurn | None]
) -> list[InputItem]:
    """The items of a request: a text is what the user says, and references become what they refer
    to, in the turns that `find` knows by their response's id. Errors: ServerError not_found.
    """
    if isinstance(given, str):
        return [InputItem(role="user", content=given)]
    return [
        _referred(item, find, f"input[{index}].id") if _is_reference(item) else item
        for index, item in enumerate(given or ())
    ]


def write_items(items: Sequence[InputItem], response_id: str) -> bytes:
    """Items as a JSON array in the form in which they are listed. Those without an id get one."""
    stem = id_stem(response_id)
    return msgspec.json.encode(
        [_listed(item, f"{stem}_i{index}") for index, item in enumerate(items)]
    )


def read_turn(turn: WrittenTurn) -> list[InputItem]:
    """The items that were sent in one response and those that it answered."""
    written, body = turn
    output = msgspec.json.decode(body)["output"]
    return _ITEMS.validate_python([*msgspec.json.decode(written), *output])


def list_body(turns: Sequence[WrittenTurn], page: Page) -> bytes:
    """The items that the last of these turns was made from: everything but its own output. Turns
    are oldest first. Errors: ServerError invalid for an unknown `after`.
    """
    items: list[dict[str, Any]] = []
    for index, (written, body) in enumerate(turns, 1):
        items += msgspec.json.decode(written)
        if index < len(turns):
            items += msgspec.json.decode(body)["output"]
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


def not_found(id_: str, *, param: str, code: str) -> ServerError:
    """The same words whether it never was, is no more, or is somebody else's."""
    return ServerError(
        "not_found",
        f"{id_[:100]!r} not found: it was not stored with this key, or it was deleted, or it is too"
        " old; send the whole conversation as 'input'.",
        param=param,
        code=code,
    )


def id_stem(response_id: str) -> str:
    """What the ids of a response's items have in common."""
    return response_id.removeprefix(RESPONSE_PREFIX)


def _is_reference(item: InputItem) -> bool:
    """Its type may be left out; what is left then is an id alone."""
    if "type" in item.model_fields_set:
        return item.type == "item_reference"
    return item.id is not None and item.role is None and item.content is None


def _referred(item: InputItem, find: Callable[[str], WrittenTurn | None], param: str) -> InputItem:
    id_ = item.id or ""
    # An item's id tells its response's, because this server made both.
    _, _, rest = id_.partition("_")
    turn = find(RESPONSE_PREFIX + rest.partition("_")[0])
    for known in read_turn(turn) if turn else ():
        if known.id == id_:
            return known
    raise not_found(id_, param=param, code="item_not_found")


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
