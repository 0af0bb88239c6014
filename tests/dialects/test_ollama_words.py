"""Ollama's words for errors and models, and what names mean to it."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from server.core.errors import ServerError
from server.dialects.arguments import arguments_object, arguments_text
from server.dialects.ollama_errors import error_body, error_line
from server.dialects.ollama_models import (
    OllamaModel,
    candidates,
    listed_names,
    ps_body,
    show_body,
    tags_body,
    version_body,
)
from tests.fakes import CARD

MODEL = OllamaModel(name="gpt-oss:20b", served_name="gpt-oss-20b", created=1_700_000_000, card=CARD)


def test_error_is_one_string():
    assert error_body(ServerError("invalid", "Плохо.", param="n")).decode() == '{"error":"Плохо."}'
    assert error_line(ServerError("engine_failed", "No.")) == b'{"error":"No."}\n'


@pytest.mark.parametrize(
    ("kind", "beginning"),
    [
        ("busy", "server busy, please try again.  maximum pending requests exceeded"),
        ("context_too_long", "the input length exceeds the context length"),
    ],
)
def test_known_sentences_come_first(kind, beginning: str):
    text = json.loads(error_body(ServerError(kind, "More of it.")))["error"]
    assert text == f"{beginning}: More of it."


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpt-oss:20b", "gpt-oss:20b"),
        ("gpt-oss-20b:latest", "gpt-oss-20b"),
        ("mine", "mine:latest"),
        ("library/gpt-oss:20b", "gpt-oss:20b"),
        ("registry.ollama.ai/library/gpt-oss:20b", "gpt-oss:20b"),
    ],
)
def test_name_is_understood(name: str, meant: str):
    assert meant in candidates(name)


@pytest.mark.parametrize(
    ("name", "aliases", "listed"),
    [
        ("gpt-oss-20b", ("gpt-oss:20b", "gpt-oss:latest"), ("gpt-oss-20b:latest", "gpt-oss:20b")),
        ("mine:7b", (), ("mine:7b",)),
        ("mine", ("mine:latest",), ("mine:latest",)),
    ],
)
def test_listed_names_have_tags(name: str, aliases: tuple[str, ...], listed: tuple[str, ...]):
    assert listed_names(name, aliases) == listed
    assert listed_names(name, aliases, ("copy", "c:1")) == (*listed, "copy:latest", "c:1")


def test_model_is_listed():
    (listed,) = json.loads(tags_body([MODEL]))["models"]
    assert listed["name"] == listed["model"] == "gpt-oss:20b"
    assert listed["size"] == CARD.size_bytes
    assert len(bytes.fromhex(listed["digest"])) == 32
    assert listed["modified_at"] == "2023-11-14T22:13:20.000000Z"
    assert listed["details"] == {
        "parent_model": "",
        "format": "gguf",
        "family": "gptoss",
        "families": ["gptoss"],
        "parameter_size": "20.9B",
        "quantization_level": "MXFP4",
    }


def test_names_of_one_model_have_one_digest():
    other = replace(MODEL, name="gpt-oss-20b:latest")
    first, second = json.loads(tags_body([MODEL, other]))["models"]
    assert first["digest"] == second["digest"]
    (changed,) = json.loads(tags_body([replace(MODEL, card=replace(CARD, parameters=1))]))["models"]
    assert changed["digest"] != first["digest"]


def test_model_that_is_not_loaded_is_listed_but_does_not_run():
    absent = replace(MODEL, card=None)
    (listed,) = json.loads(tags_body([absent]))["models"]
    assert (listed["size"], listed["details"]["quantization_level"]) == (0, "unknown")
    assert json.loads(ps_body([absent])) == {"models": []}


def test_loaded_model_never_expires():
    (loaded,) = json.loads(ps_body([MODEL]))["models"]
    assert loaded["context_length"] == CARD.context_length
    assert datetime.strptime(loaded["expires_at"], "%Y-%m-%dT%H:%M:%S.%fZ").year > 2300


def test_model_is_described():
    shown = json.loads(show_body(MODEL, CARD))
    assert shown["capabilities"] == ["completion", "tools", "thinking"]
    assert shown["model_info"]["general.architecture"] == "gpt-oss"
    assert shown["model_info"]["general.parameter_count"] == CARD.parameters
    assert shown["model_info"]["gpt-oss.context_length"] == CARD.context_length
    assert shown["details"]["family"] == "gptoss"


def test_version_is_ollamas_and_ours():
    version = json.loads(version_body("1.2.3"))
    assert version["gpt_api_version"] == "1.2.3"
    # As Open WebUI compares it.
    assert tuple(map(int, version["version"].split("."))) > (0, 30, 0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "ä"}', {"a": "ä"}),
        ("", {}),
        (" ", {}),
        ("{", {"INVALID_JSON": "{"}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ("[" * 100_000, {"INVALID_JSON": "[" * 100_000}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(text: str, value: dict[str, str]):
    assert arguments_object(text) == value


def test_arguments_are_compact_text():
    assert arguments_text({"a": ["ä", 10**30]}) == '{"a":["ä",1000000000000000000000000000000]}'
