"""Anthropic's words for the served models. Knows neither where they come from nor their engines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import msgspec

from server.dialects.openai_models import ListedModel
from server.dialects.refusals import invalid_value

# Those who send it read Anthropic's words, at addresses that OpenAI's clients ask too.
VERSION_HEADER = "anthropic-version"
MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which models of a list are asked for: `limit` of them, beside the one of an id."""

    limit: int = 20
    after_id: str | None = None
    before_id: str | None = None


def model_body(model: ListedModel) -> bytes:
    return msgspec.json.encode(_model_object(model))


def models_body(models: Sequence[ListedModel], page: Page) -> bytes:
    """A page of the list. Errors: ServerError invalid for an id that is not in it."""
    ids = [model.id for model in models]
    begin = 0 if page.after_id is None else _position(ids, "after_id", page.after_id) + 1
    end = len(ids) if page.before_id is None else _position(ids, "before_id", page.before_id)
    if page.before_id is None:
        shown = range(begin, min(begin + page.limit, end))
        has_more = shown.stop < end
    else:
        shown = range(max(end - page.limit, begin), end)
        has_more = shown.start > begin
    data = [_model_object(models[index]) for index in shown]
    return msgspec.json.encode(
        {
            "data": data,
            "has_more": has_more,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }
    )


def _position(ids: Sequence[str], param: str, wanted: str) -> int:
    if wanted not in ids:
        raise invalid_value(param, "no model has that id")
    return ids.index(wanted)


def _model_object(model: ListedModel) -> dict[str, Any]:
    created = datetime.fromtimestamp(model.created, timezone.utc)
    listed: dict[str, Any] = {
        "type": "model",
        "id": model.id,
        "display_name": model.served_name,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }
    if model.card is not None and model.card.context_length:
        listed["max_input_tokens"] = model.card.context_length
        listed["max_tokens"] = model.card.context_length
    return listed
