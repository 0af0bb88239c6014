"""The rows of the fifth older service: a proxy to several models, without keys."""

import json
from typing import Any

import httpx

from tests.clients.other_servers import BROKEN, SILENT
from tests.clients.rows_of_seed_0 import CHAT
from tests.clients.sites import Site, Sites

MESSAGES = [{"role": "user", "content": "Hi"}]


def chats_are_answered_whole_and_streamed(sites: Sites) -> None:
    """The models that it had are answered for by the default one, where the operator says so."""
    whole = sites.tuned.reply("seed_4/chat.sh")
    assert whole["model"] == "gpt-oss:20b"
    assert whole["usage"]["total_tokens"] > 0
    *frames, done, rest = sites.tuned.run("seed_4/chat_stream.sh").split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    choices = [json.loads(frame.removeprefix("data: "))["choices"][0] for frame in frames]
    assert choices[0]["delta"]["role"] == "assistant"
    assert choices[-1]["finish_reason"] in ("stop", "length")


def the_name_of_a_model_chooses_the_server(sites: Sites) -> None:
    for model, text, path in (
        ("gpt-oss-120b", "Chatkit", "/chatkit"),
        ("gpt-4o", "Vercel", "/api/chat"),
        ("qwen3", "Ollama", "/v1/chat/completions"),
    ):
        assert said(ask(sites.proxy, model=model)) == text
        assert sites.others.asked[-1].path == path


def each_is_asked_in_its_own_words(sites: Sites) -> None:
    for model in ("gpt-oss-20b", "gpt-oss-120b"):
        assert said(ask(sites.proxy, model=model)) == "Chatkit"
        asked = sites.others.asked[-1]
        assert asked.body["op"] == "threads.create"
        assert asked.body["params"]["input"]["text"] == "Hi"
        assert asked.headers["x-selected-model"] == model
        assert asked.headers["x-reasoning-effort"] == "high"
        assert asked.headers["authorization"] == "Bearer sk-of-the-proxy"
    for model in ("gpt-4o", "gpt-4o-mini"):
        assert said(ask(sites.proxy, model=model)) == "Vercel"
        asked = sites.others.asked[-1]
        assert (asked.body["modelId"], asked.body["messages"]) == (model, MESSAGES)
        assert "authorization" not in asked.headers
    # Nobody is asked who was not named.
    assert ask(sites.open, model="gpt-oss-120b").status_code == 404


def its_models_are_listed(sites: Sites) -> None:
    listed = sites.proxy.get("/v1/models").json()
    owners = {model["id"]: model["owned_by"] for model in listed["data"]}
    names = ("gpt-oss-20b", "gpt-oss-120b", "gpt-4o", "gpt-4o-mini", "qwen3")
    assert owners == dict.fromkeys(names, "upstream")
    health = sites.proxy.get("/health")
    assert health.status_code == 200
    assert health.json()["models"]["gpt-4o"]["state"] == "ready"


def images_are_passed_on_or_refused_by_their_place(sites: Sites) -> None:
    *frames, done, rest = sites.proxy.run("seed_4/image.sh").split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    choices = [json.loads(frame.removeprefix("data: "))["choices"][0] for frame in frames]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "Vercel"
    assert choices[0]["delta"]["role"] == "assistant"
    assert choices[-1]["finish_reason"] == "stop"
    (message,) = sites.others.asked[-1].body["messages"]
    image = {"type": "image_url", "image_url": {"url": "https://picsum.photos/400"}}
    assert message["content"] == [{"type": "text", "text": "Describe this image"}, image]
    error = sites.tuned.reply("seed_4/image.sh")["error"]
    assert (error["code"], error["param"]) == ("unsupported_content", "messages[0].content[1]")
    assert "image_url" in error["message"]


def effort_comes_from_header_body_and_setting(sites: Sites) -> None:
    assert effort(sites.open) == "medium"
    assert effort(sites.tuned) == "high"
    assert effort(sites.tuned, reasoning_effort="low") == "low"
    for site in (sites.open, sites.tuned):
        assert effort(site, header="low") == "low"
        assert effort(site, header="low", reasoning_effort="high") == "low"


def effort(site: Site, header: str | None = None, **body: str) -> str:
    """How long the model is told to think."""
    headers = {"x-reasoning-effort": header} if header else {}
    asked = {"messages": MESSAGES, "return_token_strs": True, **body}
    prompt = "".join(site.post("/tokenize", asked, **headers).json()["token_strs"])
    return prompt.partition("Reasoning: ")[2].split()[0]


def a_missing_model_is_the_default_an_unknown_one_is_told(sites: Sites) -> None:
    body = {"messages": MESSAGES, "max_tokens": 4}
    assert sites.tuned.post(CHAT, body).json()["model"] == "gpt-oss:20b"
    assert sites.open.post(CHAT, body | {"model": "gpt-4o"}).status_code == 404


def no_key_is_needed(sites: Sites) -> None:
    body = {"messages": MESSAGES, "max_tokens": 4}
    assert sites.open.post(CHAT, body).status_code == 200


def root_answers(sites: Sites) -> None:
    assert sites.open.get("/").status_code == 200


def a_silent_server_is_a_timeout(sites: Sites) -> None:
    refused = ask(sites.proxy, text=SILENT)
    assert (refused.status_code, refused.json()["error"]["type"]) == (504, "timeout")


def sessions_have_a_prefix(sites: Sites) -> None:
    ids = []
    for _ in range(2):
        ask(sites.proxy, model="gpt-4o")
        ids.append(sites.others.asked[-1].body["id"])
    assert all(each.startswith("shop-") for each in ids)
    assert len(set(ids)) == 2


def a_server_that_fails_is_a_bad_gateway(sites: Sites) -> None:
    for stream in (False, True):
        refused = ask(sites.proxy, text=BROKEN, stream=stream)
        assert (refused.status_code, refused.json()["error"]["type"]) == (502, "bad_gateway")


def the_whole_history_is_read(sites: Sites) -> None:
    history = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "second"},
        {"role": "user", "content": "third"},
    ]
    assert said(ask(sites.proxy, messages=history)) == "Chatkit"
    told = sites.others.asked[-1].body["params"]["input"]["text"]
    assert told == "user: first\nassistant: second\nuser: third"
    asked = {"messages": history, "return_token_strs": True}
    prompt = "".join(sites.open.post("/tokenize", asked).json()["token_strs"])
    assert prompt.index("first") < prompt.index("second") < prompt.index("third")


def ask(site: Site, text: str = "Hi", **body: Any) -> httpx.Response:
    """A chat, by default with the default model."""
    return site.post(CHAT, {"messages": [{"role": "user", "content": text}], **body})


def said(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    content: str = reply.json()["choices"][0]["message"]["content"]
    return content


ROWS = {
    "S4-01": the_name_of_a_model_chooses_the_server,
    "S4-02": each_is_asked_in_its_own_words,
    "S4-03": its_models_are_listed,
    "S4-04": chats_are_answered_whole_and_streamed,
    "S4-05": images_are_passed_on_or_refused_by_their_place,
    "S4-06": effort_comes_from_header_body_and_setting,
    "S4-07": a_missing_model_is_the_default_an_unknown_one_is_told,
    "S4-08": a_silent_server_is_a_timeout,
    "S4-09": sessions_have_a_prefix,
    "S4-11": no_key_is_needed,
    "S4-12": root_answers,
    "S4-13": the_whole_history_is_read,
    "S4-14": a_server_that_fails_is_a_bad_gateway,
}
