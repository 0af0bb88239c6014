"""Statuses and bodies of other servers -> the error that a client gets."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from server.engines.upstream_refusals import MOST_WORDS, refusal
from tests.engines.scripted_server import encoded


def refused(status: int, body: Any = b"", **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else encoded(body)
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal("far", status, told, raw)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, "upstream_failed"),
        (400, "invalid"),
        (401, "upstream_failed"),
        (402, "upstream_failed"),
        (403, "upstream_failed"),
        (404, "upstream_failed"),
        (405, "upstream_failed"),
        (408, "timeout"),
        (413, "invalid"),
        (422, "invalid"),
        (429, "busy"),
        (500, "upstream_failed"),
        (501, "upstream_failed"),
        (502, "upstream_failed"),
        (503, "busy"),
        (504, "timeout"),
        (529, "upstream_failed"),
    ],
)
def test_every_status_has_a_kind(status: int, kind: str) -> None:
    error = refused(status)
    assert error.kind == kind
    assert "'far'" in error.message


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too hot", "param": "temperature", "code": "invalid_value"}},
        {"error": "too hot"},
        {"object": "error", "message": "too hot", "code": 400},
        {"detail": "too hot"},
        {"detail": [{"loc": ["body", "temperature"], "msg": "too hot"}]},
    ],
)
def test_words_about_a_request_are_its_clients(body: Any) -> None:
    error = refused(400, body)
    assert (error.kind, error.message) == ("invalid", "too hot")


def test_the_field_at_fault_is_passed_on() -> None:
    error = refused(400, {"error": {"message": "no", "param": "top_p", "code": "unsupported"}})
    assert (error.param, error.code) == ("top_p", "unsupported")
    odd = refused(400, {"error": {"message": "no", "param": ["x"], "code": {"a": 1}}})
    assert (odd.param, odd.code) == (None, None)


@pytest.mark.parametrize("field", ["code", "type"])
@pytest.mark.parametrize("word", ["context_length_exceeded", "exceed_context_size_error"])
def test_a_prompt_that_is_too_long_is_told_as_such(field: str, word: str) -> None:
    error = refused(400, {"error": {"message": "9000 tokens", field: word}})
    assert (error.kind, error.message) == ("context_too_long", "9000 tokens")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_words_for_the_operator_are_no_clients(status: int) -> None:
    error = refused(status, {"error": {"message": "Incorrect API key: sk-secret"}})
    assert "sk-secret" not in error.message
    assert "operator" in error.message


def test_failures_are_told_in_one_line_of_bounded_length() -> None:
    error = refused(500, {"error": {"message": "a\nb " + "x" * 9000}})
    assert "status 500" in error.message
    assert "\n" not in error.message
    assert len(error.message) < MOST_WORDS + 100


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[1]", b'"a"', b"[" * 100_000])
def test_bodies_without_words_do_no_harm(body: bytes) -> None:
    assert refused(400, body).kind == "invalid"
    assert refused(500, body).kind == "upstream_failed"


def test_when_to_come_back_is_passed_on() -> None:
    assert refused(429, Retry_After="7").retry_after == 7
    assert refused(503).retry_after is None
    assert refused(429, Retry_After="soon").retry_after is None
    then = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90), usegmt=True)
    assert 60 < refused(429, Retry_After=then).retry_after <= 90
    assert refused(429, Retry_After="Mon, 01 Jan 2001 00:00:00 GMT").retry_after == 1
