"""What an Ollama call is read with in these tests."""

from datetime import datetime, timezone
from typing import Any

from server.core.request import GenerationRequest
from server.dialects.base import Call
from server.dialects.ollama import Asked, to_chat_call, to_generate_call
from server.dialects.ollama_body import OllamaChatBody, OllamaGenerateBody
from server.dialects.ollama_fields import read_request
from tests.dialects.asking import MESSAGES, Limits
from tests.dialects.encoding import encoded

NOON = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=timezone.utc)
ASKED = Asked(id="ollama-1", model="gpt-oss:20b", clock=lambda: NOON)


def chat(body: dict[str, Any], asked: Asked = ASKED, **limits: Any) -> Call:
    """The call of a chat; a user's message is added where it has none."""
    raw = encoded({"messages": MESSAGES, **body})
    return to_chat_call(read_request(raw, OllamaChatBody), asked, Limits(**limits))


def generate(body: dict[str, Any], asked: Asked = ASKED, **limits: Any) -> Call:
    """The call of a generate request; a prompt is added where it has none."""
    raw = encoded({"prompt": "Hi", **body})
    return to_generate_call(read_request(raw, OllamaGenerateBody), asked, Limits(**limits))


def chat_request(body: dict[str, Any], asked: Asked = ASKED, **limits: Any) -> GenerationRequest:
    (only,) = chat(body, asked, **limits).requests
    return only


def generate_request(body: dict[str, Any]) -> GenerationRequest:
    (only,) = generate(body).requests
    return only
