"""What a chat call is read with in these tests."""

from dataclasses import dataclass
from typing import Any

from server.core.request import Effort
from server.dialects.base import Call
from server.dialects.openai_chat import Asked, read_body, to_call
from tests.dialects.encoding import encoded


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The operator's rules (`dialects.base.Rules`)."""

    effort_default: Effort = "medium"
    n_limit: int = 4
    stop_limit: int = 16
    output_tokens_limit: int | None = None
    strict_params: bool = False
    reasoning_alias: bool = True
    completions_as_chat: bool = False
    ollama_truncate: bool = True


ASKED = Asked(id="chatcmpl-1", created=1700000000, model="gpt-oss-20b", served_by="gpt-oss-20b 0")
MESSAGES = [{"role": "user", "content": "Hi"}]


def call(body: dict[str, Any], asked: Asked = ASKED, **limits: Any) -> Call:
    """The call that a body makes; a user's message is added where it has none."""
    raw = encoded({"messages": MESSAGES, **body})
    return to_call(read_body(raw), asked, Limits(**limits))
