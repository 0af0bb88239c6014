"""OpenAI's words for errors and models, and JSON that cannot be read."""

import json
from dataclasses import replace
from typing import get_args

import pytest

from server.core.errors import ErrorKind, ServerError
from server.dialects.openai_chat import read_body
from server.dialects.openai_errors import WORDS, error_body, error_frame
from server.dialects.openai_models import ListedModel, model_body, models_body
from tests.fakes import CARD

LISTED = ListedModel(id="gpt-oss", served_name="gpt-oss-20b", created=5, card=CARD)


def test_every_kind_of_error_has_words():
    assert WORDS.keys() == set(get_args(ErrorKind))


def test_error_is_an_object_and_a_detail():
    error = ServerError("invalid", "Плохо.", param="n", code="odd")
    assert error_body(error).decode() == (
        '{"error":{"message":"Плохо.","type":"invalid_request_error","param":"n","code":"odd"},'
        '"detail":"Плохо."}'
    )


def test_error_amid_a_stream_is_one_event():
    frame = error_frame(ServerError("engine_failed", "It died.")).decode()
    assert frame.startswith('data: {"error":{"message":"It died.","type":"server_error"')
    assert frame.endswith("}\n\n")


def test_model_says_what_it_is():
    listed = json.loads(model_body(LISTED))
    assert (listed["id"], listed["root"], listed["object"]) == ("gpt-oss", "gpt-oss-20b", "model")
    assert listed["context_length"] == 8192
    assert listed["meta"]["demonstration"] is False
    assert "note" not in listed["meta"]


def test_demonstration_model_says_so_plainly():
    shown = replace(LISTED, card=replace(CARD, demonstration=True))
    meta = json.loads(model_body(shown))["meta"]
    assert meta["demonstration"] is True
    assert "demonstration model" in meta["note"]


def test_model_that_is_not_loaded_yet_is_listed_without_facts():
    body = json.loads(models_body([replace(LISTED, card=None)]))
    assert body["object"] == "list"
    assert body["data"] == [
        {
            "id": "gpt-oss",
            "object": "model",
            "created": 5,
            "owned_by": "gpt-api",
            "root": "gpt-oss-20b",
            "capabilities": ["chat"],
        }
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"messages": [}',
        b"[]",
        b'"text"',
        b"null",
        b'{"messages":[{"role":"user","content":"\xff"}]}',
        b'{"messages":[{"role":"user","content":"a\x00b"}]}',
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"messages":[],"temperature":NaN}',
        b'{"messages":[],"temperature":-Infinity}',
        b'{"messages":[],"seed":' + b"9" * 5000 + b"}",
        b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
def test_bytes_that_are_no_json_object_are_refused(raw: bytes):
    with pytest.raises(ServerError) as caught:
        read_body(raw)
    assert (caught.value.kind, caught.value.code) == ("invalid", "json_invalid")


def test_number_without_end_is_refused_by_name():
    with pytest.raises(ServerError) as caught:
        read_body(b'{"messages":[],"temperature":1e999}')
    assert caught.value.param == "temperature"
