"""The list of models in Anthropic's words."""

import json
from typing import Any

import pytest

from server.core.errors import ServerError
from server.dialects.anthropic_models import Page, model_body, models_body
from server.dialects.openai_models import ListedModel
from tests.fakes import CARD


def model(name: str, **more: Any) -> ListedModel:
    return ListedModel(id=name, served_name=name, created=1_700_000_000, card=CARD, **more)


MODELS = [model(name) for name in "abcde"]


def test_a_model() -> None:
    assert json.loads(model_body(model("a"))) == {
        "type": "model",
        "id": "a",
        "display_name": "a",
        "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active",
        "max_input_tokens": 8192,
        "max_tokens": 8192,
    }


@pytest.mark.parametrize(
    ("page", "ids", "has_more"),
    [
        (Page(), "abcde", False),
        (Page(limit=2), "ab", True),
        (Page(limit=2, after_id="b"), "cd", True),
        (Page(limit=2, after_id="c"), "de", False),
        (Page(after_id="e"), "", False),
        (Page(limit=2, before_id="d"), "bc", True),
        (Page(limit=2, before_id="c"), "ab", False),
        (Page(before_id="a"), "", False),
        (Page(after_id="a", before_id="d"), "bc", False),
    ],
)
def test_pages(page: Page, ids: str, has_more: bool) -> None:
    told = json.loads(models_body(MODELS, page))
    assert "".join(each["id"] for each in told["data"]) == ids
    assert told["has_more"] is has_more
    assert (told["first_id"], told["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


def test_an_unknown_place_is_named() -> None:
    with pytest.raises(ServerError) as caught:
        models_body(MODELS, Page(after_id="z"))
    assert caught.value.param == "after_id"
