"""What a Messages call is read with in these tests."""

from typing import Any

from server.core.request import GenerationRequest
from server.dialects.anthropic import Asked, read_body, read_count_body, to_call, to_count
from server.dialects.base import Call
from tests.dialects.asking import MESSAGES, Limits
from tests.dialects.encoding import encoded

ASKED = Asked(id="msg_1", request_id="req_1", model="gpt-oss-20b")


def call(body: dict[str, Any], asked: Asked = ASKED, **limits: Any) -> Call:
    """The call that a body makes; what is required is added where it is missing."""
    raw = encoded({"max_tokens": 100, "messages": MESSAGES, **body})
    return to_call(read_body(raw), asked, Limits(**limits))


def request(body: dict[str, Any], asked: Asked = ASKED, **limits: Any) -> GenerationRequest:
    (only,) = call(body, asked, **limits).requests
    return only


def counted(body: dict[str, Any]) -> GenerationRequest:
    """The request whose prompt a body wants to have counted."""
    return to_count(read_count_body(encoded({"messages": MESSAGES, **body})), ASKED, Limits())
