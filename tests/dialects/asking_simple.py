"""What a call of /chat is read with in these tests."""

from typing import Any

from server.dialects.base import Call
from server.dialects.simple import read_body, to_call
from tests.dialects.asking import ASKED, Limits
from tests.dialects.encoding import encoded


def call(body: dict[str, Any], **limits: Any) -> Call:
    """The call that a body makes; a message is added where it has none."""
    return to_call(read_body(encoded({"message": "Hi", **body})), ASKED, Limits(**limits))
