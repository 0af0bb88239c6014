"""What a completion call is read with in these tests."""

from typing import Any

from server.dialects.base import Call
from server.dialects.openai_chat import Asked
from server.dialects.openai_completions import prompts_of, read_body, to_call
from tests.dialects.asking import Limits
from tests.dialects.encoding import encoded

COMPLETION = Asked(
    id="cmpl-1", created=1700000000, model="gpt-oss-20b", served_by="gpt-oss-20b 0", owner="me"
)


def completion(
    body: dict[str, Any], asked: Asked = COMPLETION, echoes: tuple[str, ...] = (), **limits: Any
) -> Call:
    """The call that a body makes; a prompt is added where it has none."""
    read = read_body(encoded({"prompt": "Hi", **body}))
    return to_call(read, prompts_of(read), asked, Limits(**limits), echoes)
