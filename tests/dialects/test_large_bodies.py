"""Bodies that are large without saying much: nobody else is answered while one is looked at."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from server.api.bodies import BODIES
from server.core.errors import ServerError
from server.dialects.json_body import MOST_VALUES, read
from server.dialects.ollama_body import OllamaGenerateBody
from server.dialects.openai_chat_body import ChatBody
from server.dialects.openai_embeddings import read_embeddings_body, to_embedding_call
from server.dialects.openai_responses_body import ResponsesBody
from tests.dialects.asking import Limits


def lists_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Every list in a schema of pydantic's that looks at its elements."""
    if isinstance(schema, dict):
        items = schema.get("items_schema", {"type": "any"})
        if schema.get("type") == "list" and items["type"] != "any":
            yield schema
        for value in schema.values():
            yield from lists_of(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from lists_of(value)


@pytest.mark.parametrize("body", BODIES)
def test_every_list_is_left_at_its_first_slip(body: type[BaseModel]) -> None:
    lists = list(lists_of(body.__pydantic_core_schema__))
    assert all(each.get("fail_fast") for each in lists), lists


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (ChatBody, {"messages": [None] * 1000}),
        (ChatBody, {"messages": [{"role": "user", "content": [None] * 1000}]}),
        (ChatBody, {"messages": [], "stop": [1] * 1000}),
        (ResponsesBody, {"input": [None] * 1000}),
        (OllamaGenerateBody, {"context": ["a"] * 1000}),
    ],
)
def test_a_slip_is_told_once(body: type[BaseModel], given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        body.model_validate(given)
    assert caught.value.error_count() <= 2


@pytest.mark.parametrize(
    "given",
    [
        {"messages": [1] * (MOST_VALUES + 1)},
        {"messages": [{}] * (MOST_VALUES + 1)},
        {"messages": [[1] * 1000] * (MOST_VALUES // 1000)},
        {"messages": [], "logit_bias": {str(n): 1 for n in range(MOST_VALUES)}},
    ],
    ids=["elements", "objects", "lists", "fields"],
)
def test_too_many_pieces_are_not_looked_at(given: dict[str, Any]) -> None:
    with pytest.raises(ServerError, match="made of too many pieces; at most 300000") as caught:
        read(json.dumps(given).encode(), ChatBody)
    assert caught.value.kind == "invalid"


def test_a_long_text_is_one_piece() -> None:
    body = read(json.dumps({"messages": [], "grammar": ", " * MOST_VALUES}).encode(), ChatBody)
    assert body.grammar is not None


def test_two_thousand_texts_may_be_token_ids() -> None:
    given = {"input": [[7] * 140] * 2048}
    body = read_embeddings_body(json.dumps(given).encode())
    assert len(to_embedding_call(body, Limits()).request.inputs) == 2048
