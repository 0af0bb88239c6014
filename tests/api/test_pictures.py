"""Pictures in every dialect: given to models that see, refused by all others."""

from typing import Any

import pytest
from fastapi import FastAPI

from server.api.app import build
from server.api.options import ApiOptions
from server.auth.keys import KeyTable
from server.core.messages import Conversation, Image, UserMessage
from server.registry.entries import UPSTREAM, Entry
from server.registry.registry import Registry
from tests.api.serving import CHAT, RESPONSES, client_of
from tests.fakes import ScriptedEngine

PNG = "iVBORw0KGgo="
DATA = f"data:image/png;base64,{PNG}"
WEB = "https://picsum.photos/400"


def chat(url: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": url}]
    return {"messages": [{"role": "user", "content": parts}]}


def responses(url: Any) -> dict[str, Any]:
    parts = [{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": url}]
    return {"input": [{"role": "user", "content": parts}]}


def anthropic(source: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What?"}, {"type": "image", "source": source}]
    return {"messages": [{"role": "user", "content": parts}], "max_tokens": 9}


def ollama(image: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "What?", "images": [image]}], "stream": False}


def generate(image: Any) -> dict[str, Any]:
    return {"prompt": "What?", "images": [image], "stream": False}


BASE64 = {"type": "base64", "media_type": "image/jpeg", "data": PNG}
FIRST = "messages[0].content[1]"
ROUTES = [
    (CHAT, chat({"url": WEB, "detail": "low"}), FIRST, Image(url=WEB, detail="low")),
    (CHAT, chat(DATA), FIRST, Image(url=DATA)),
    ("/v1/chat/completions/input_tokens", chat({"url": WEB}), FIRST, Image(url=WEB)),
    ("/tokenize", chat({"url": WEB}), FIRST, Image(url=WEB)),
    (RESPONSES, responses(WEB), "input[0].content[1]", Image(url=WEB)),
    ("/v1/responses/input_tokens", responses(DATA), "input[0].content[1]", Image(url=DATA)),
    ("/v1/messages", anthropic({"type": "url", "url": WEB}), FIRST, Image(url=WEB)),
    (
        "/v1/messages/count_tokens",
        anthropic(BASE64),
        FIRST,
        Image(url=f"data:image/jpeg;base64,{PNG}"),
    ),
    ("/api/chat", ollama(PNG), "messages[0].images", Image(url=DATA)),
    ("/api/chat", ollama("/9j/4AA="), "", Image(url="data:image/jpeg;base64,/9j/4AA=")),
    ("/api/generate", generate(PNG), "images", Image(url=DATA)),
]


def app_of(engine: ScriptedEngine, *, vision: bool) -> FastAPI:
    entry = Entry(name="far", engine=engine, created=1, vision=vision, owner=UPSTREAM)
    return build(Registry([entry], "far"), KeyTable(), ApiOptions(version="0.0.0"))


async def post(
    path: str, body: dict[str, Any], engine: ScriptedEngine, *, vision: bool
) -> tuple[int, Any]:
    async with client_of(app_of(engine, vision=vision)) as client:
        reply = await client.post(path, json={"model": "far", **body})
    return reply.status_code, reply.json()


@pytest.mark.parametrize(("path", "body", "place", "image"), ROUTES)
async def test_a_model_that_sees_is_given_them(
    path: str, body: Any, place: str, image: Image
) -> None:
    engine = ScriptedEngine()
    status, reply = await post(path, body, engine, vision=True)
    assert status == 200, reply
    prompt = engine.requests[0].prompt
    assert isinstance(prompt, Conversation)
    (message,) = prompt.messages
    assert isinstance(message, UserMessage)
    assert message.text == "What?"
    assert set(message.parts) == {"What?", image}
    (seen,) = (part for part in message.parts if isinstance(part, Image))
    assert seen.path.startswith(place)


@pytest.mark.parametrize(("path", "body", "place", "image"), ROUTES)
async def test_others_refuse_them(path: str, body: Any, place: str, image: Image) -> None:
    engine = ScriptedEngine()
    status, reply = await post(path, body, engine, vision=False)
    assert (status, engine.requests) == (400, []), image
    if path.startswith("/api"):
        assert reply["error"] == "far does not support vision"
    elif path.startswith("/v1/messages"):
        assert f"'{place}' is of type 'image'" in reply["error"]["message"]
    else:
        assert (reply["error"]["code"], reply["error"]["param"]) == ("unsupported_content", place)


WRONG = [
    (CHAT, chat({"url": "file:///etc/passwd"}), f"{FIRST}.image_url.url"),
    (CHAT, chat("ftp://a/b"), f"{FIRST}.image_url"),
    (CHAT, chat({"url": "data:text/html;base64,aGk="}), f"{FIRST}.image_url.url"),
    (CHAT, chat({"url": None}), f"{FIRST}.image_url.url"),
    (CHAT, chat(None), f"{FIRST}.image_url.url"),
    (RESPONSES, responses(None), "input[0].content[1].image_url"),
    (RESPONSES, responses("file_1"), "input[0].content[1].image_url"),
    ("/v1/messages", anthropic(None), f"{FIRST}.source"),
    ("/v1/messages", anthropic({"type": "file"}), f"{FIRST}.source.type"),
    ("/v1/messages", anthropic({"type": "base64"}), f"{FIRST}.source.data"),
    ("/v1/messages", anthropic({"type": "url", "url": "x"}), f"{FIRST}.source.url"),
    ("/api/chat", ollama(5), "messages[0].images[0]"),
    ("/api/chat", ollama("<png>"), "messages[0].images[0]"),
    ("/api/generate", generate(""), "images[0]"),
]


@pytest.mark.parametrize(("path", "body", "place"), WRONG)
async def test_what_is_no_picture_is_refused_by_its_place(path: str, body: Any, place: str) -> None:
    engine = ScriptedEngine()
    status, reply = await post(path, body, engine, vision=True)
    assert (status, engine.requests) == (400, [])
    assert place in str(reply)


@pytest.mark.parametrize("role", ["system", "assistant"])
async def test_users_alone_show_pictures(role: str) -> None:
    body = chat({"url": WEB})
    body["messages"][0]["role"] = role
    status, reply = await post(CHAT, body, ScriptedEngine(), vision=True)
    assert (status, reply["error"]["code"]) == (400, "unsupported_content")


async def test_raw_prompts_have_no_pictures() -> None:
    body = generate(PNG) | {"raw": True}
    status, reply = await post("/api/generate", body, ScriptedEngine(), vision=True)
    assert (status, reply["error"]) == (400, "far does not support vision")


async def test_the_words_of_a_message_without_pictures_are_as_ever() -> None:
    engine = ScriptedEngine()
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = {"messages": [{"role": "user", "content": parts}]}
    assert (await post(CHAT, body, engine, vision=True))[0] == 200
    assert engine.requests[0].conversation.messages == (UserMessage(text="a\nb"),)
