"""What a Responses call is read with in these tests."""

from collections.abc import Sequence
from typing import Any

from server.dialects.base import Call
from server.dialects.openai_chat import Asked
from server.dialects.openai_responses import Memory, read_body, to_call
from server.dialects.openai_responses_body import InputItem
from server.dialects.openai_responses_history import input_items
from tests.dialects.asking import Limits
from tests.dialects.encoding import encoded

ASKED = Asked(id="resp_1", created=1700000000, model="gpt-oss-20b", served_by="gpt-oss-20b 0")


def call(
    body: dict[str, Any],
    asked: Asked = ASKED,
    *,
    history: Sequence[InputItem] = (),
    kept: list[bytes] | None = None,
    **limits: Any,
) -> Call:
    """The call that a body makes; it says hi where it has no input. `kept` gets what is stored."""
    raw = encoded({"input": "Hi", **body})
    store = [] if kept is None else kept
    read = read_body(raw)
    items = input_items(read.input, lambda _: None)
    memory = Memory(history=history, items=items, stored=kept is not None, keep=store.append)
    return to_call(read, asked, Limits(**limits), memory)
