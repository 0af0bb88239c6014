"""What a request for embeddings may say, and how its answer is worded."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.options import ApiOptions
from server.core.embeddings import Embeddings
from server.core.errors import ServerError
from server.dialects.openai_embeddings import (
    EmbeddingCall,
    embeddings_body,
    read_embeddings_body,
    to_embedding_call,
)

RULES = ApiOptions(version="0")
STRICT = ApiOptions(version="0", strict_params=True)


def call(given_: Any = "cat", rules: ApiOptions = RULES, **more: Any) -> EmbeddingCall:
    body = json.dumps({"input": given_, **more}).encode()
    return to_embedding_call(read_embeddings_body(body), rules)


def refusal(given_: Any = "cat", rules: ApiOptions = RULES, **more: Any) -> ServerError:
    with pytest.raises(ServerError) as caught:
        call(given_, rules, **more)
    assert caught.value.kind == "invalid"
    return caught.value


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
tokens = st.lists(st.integers(0, 2**31 - 1), min_size=1)


@given(texts)
def test_a_text_is_one_input(text: str) -> None:
    assert call(text).request.inputs == (text,)


@given(tokens)
def test_a_list_of_tokens_is_one_input(ids: list[int]) -> None:
    assert call(ids).request.inputs == (tuple(ids),)


@given(st.lists(texts, min_size=1))
def test_texts_are_inputs_in_order(many: list[str]) -> None:
    assert call(many).request.inputs == tuple(many)


@given(st.lists(tokens, min_size=1))
def test_lists_of_tokens_are_inputs_in_order(many: list[list[int]]) -> None:
    assert call(many).request.inputs == tuple(map(tuple, many))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(json_values)
def test_any_input_is_taken_or_refused_by_name(given_: Any) -> None:
    refused: ServerError | None = None
    inputs: tuple[Any, ...] = ()
    try:
        inputs = call(given_).request.inputs
    except ServerError as error:
        refused = error
    assert (refused is None) == bool(inputs)
    assert all(isinstance(each, str | tuple) and each for each in inputs)
    if refused is not None:
        assert refused.kind == "invalid"
        assert (refused.param or "").startswith("input")


@pytest.mark.parametrize(
    ("given_", "param"),
    [
        (None, "input"),
        (7, "input"),
        ({"text": "cat"}, "input"),
        ("", "input"),
        ([], "input"),
        (["cat", ""], "input[1]"),
        (["cat", 7], "input[1]"),
        ([7, "cat"], "input[1]"),
        ([7, -1], "input[1]"),
        ([7, 2**31], "input[1]"),
        ([7, 1.5], "input[1]"),
        ([True], "input[0]"),
        ([[]], "input[0]"),
        ([[1], []], "input[1]"),
        ([[1], [2, "x"]], "input[1][1]"),
        ([[1], "cat"], "input[1]"),
        ([None], "input[0]"),
        (["x"] * 2049, "input"),
    ],
)
def test_what_is_no_input_is_named(given_: Any, param: str) -> None:
    assert refusal(given_).param == param


def test_as_many_inputs_as_there_may_be() -> None:
    assert len(call(["x"] * 2048).request.inputs) == 2048
    assert "2049 inputs, and 2048 are the most" in refusal(["x"] * 2049).message
    # Tokens of one input are not inputs.
    assert len(call([1] * 5000).request.inputs) == 1


def test_a_missing_input_is_missing() -> None:
    with pytest.raises(ServerError) as caught:
        read_embeddings_body(b"{}")
    assert (caught.value.code, caught.value.param) == ("missing_required_parameter", "input")


def test_what_is_not_said_is_the_default() -> None:
    asked = call(user="somebody", model=None)
    assert asked.encoding == "float"
    assert asked.request.dimensions is None
    assert asked.request.truncate is False
    assert asked.unknown == ()


def test_what_is_said_is_passed_on() -> None:
    asked = call(encoding_format="base64", dimensions=256, truncate=True)
    assert asked.encoding == "base64"
    assert asked.request.dimensions == 256
    assert asked.request.truncate is True


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 2**40}, "dimensions"),
        ({"dimensions": "8"}, "dimensions"),
        ({"truncate": "yes"}, "truncate"),
        ({"model": 7}, "model"),
    ],
)
def test_what_is_wrong_is_named(more: dict[str, Any], param: str) -> None:
    assert refusal(**more).param == param


def test_unknown_fields_are_named_and_refused_only_when_strict() -> None:
    assert call(task="query", user="x").unknown == ("task",)
    refused = refusal(rules=STRICT, task="query")
    assert (refused.param, refused.code) == ("task", "unknown_parameter")


vectors = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.floats(-1, 1, width=32), min_size=width, max_size=width), min_size=1, max_size=9
    )
)


@given(vectors)
def test_both_forms_tell_the_same_numbers(rows: list[list[float]]) -> None:
    packed = tuple(struct.pack(f"<{len(row)}f", *row) for row in rows)
    answer = Embeddings(vectors=packed, tokens=tuple(range(1, len(rows) + 1)))
    as_numbers = json.loads(embeddings_body("m", call(), answer))
    as_base64 = json.loads(embeddings_body("m", call(encoding_format="base64"), answer))
    assert [each["embedding"] for each in as_numbers["data"]] == rows
    assert [base64.b64decode(each["embedding"]) for each in as_base64["data"]] == list(packed)
    for reply in (as_numbers, as_base64):
        assert [each["index"] for each in reply["data"]] == list(range(len(rows)))
        assert {each["object"] for each in reply["data"]} == {"embedding"}
        assert (reply["object"], reply["model"]) == ("list", "m")
        total = sum(answer.tokens)
        assert reply["usage"] == {"prompt_tokens": total, "total_tokens": total}
