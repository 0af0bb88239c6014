"""Where the older services contradict one another: the one answer that suits them all."""

import json
import os
import subprocess
import sys
from typing import Any

import httpx
import ollama
import openai

from tests.clients.rows_of_seed_0 import CHAT, COUNT
from tests.clients.rows_of_seed_1 import ADMIN, bearer
from tests.clients.rows_of_seed_2 import chat_needs_a_model_that_chats
from tests.clients.server_process import ROOT
from tests.clients.sites import TIME_LIMIT_S, Site, Sites

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


def root_is_for_everybody(sites: Sites) -> None:
    told = sites.open.get("/").json()
    assert told.keys() >= {
        *("status", "message", "issues", "default_model", "available_models"),
        *("ollama_url", "endpoints", "version"),
    }
    page = sites.open.get("/", Accept="text/html,*/*;q=0.8")
    assert (page.status_code, page.headers["location"]) == (307, "/docs")
    for method in ("GET", "HEAD"):
        response = httpx.request(method, sites.open.ollama_url, timeout=TIME_LIMIT_S)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/plain")
    assert httpx.get(sites.open.ollama_url, timeout=TIME_LIMIT_S).text == "Ollama is running"


def health_has_two_words(sites: Sites) -> None:
    assert sites.open.get("/health").json()["status"] == "ok"
    assert sites.tuned.get("/health").json()["status"] == "healthy"


def models_suit_two_packages(sites: Sites) -> None:
    with openai.OpenAI(base_url=sites.open.url, api_key="any") as client:
        assert [model.id for model in client.models.list()] == ["gpt-oss-20b"]
    for site in (sites.open, sites.tuned):
        assert site.get("/models").json()["data"] == site.get("/v1/models").json()["data"]
    listed = ollama.ListResponse(**sites.open.get("/models").json())
    assert "gpt-oss:20b" in [model.model for model in listed.models]


def names_are_echoed(sites: Sites) -> None:
    for name in ("gpt-oss-20b", "gpt-oss:20b", "gpt-oss", "gpt-oss:latest", "gpt-oss:low"):
        assert sites.open.post(CHAT, HELLO | {"model": name}).json()["model"] == name
    assert sites.open.post(CHAT, HELLO).json()["model"] == "gpt-oss-20b"
    assert sites.open.post(CHAT, HELLO | {"model": "gpt-9"}).status_code == 404
    assert sites.tuned.post(CHAT, HELLO | {"model": "gpt-9"}).json()["model"] == "gpt-oss:20b"


def without_keys_it_stays_at_home(sites: Sites) -> None:
    assert sites.open.post(CHAT, HELLO, **bearer("dummy")).status_code == 200
    assert sites.keyed.post(CHAT, HELLO, **bearer("dummy")).status_code == 401
    refused = subprocess.run(
        [sys.executable, "-m", "server", "serve", "--host", "0.0.0.0", "--port", "0"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
    )
    assert refused.returncode == 78
    assert "ALLOW_ANONYMOUS=1" in refused.stderr


def every_endpoint_has_its_length(sites: Sites) -> None:
    def visible(site: Site, path: str, body: dict[str, Any]) -> int:
        reply = site.post(path, body | {"temperature": 0}).json()
        text = reply.get("response") or reply["choices"][0].get("text")
        text = text or reply["choices"][0]["message"]["content"]
        counted: int = site.post("/tokenize/count", {"prompt": text}).json()["count"]
        return counted

    # A text that never ends: 48 tokens are the tuned server's length, 512 that of /chat.
    prompt = {"prompt": "The quick brown fox"}
    assert abs(visible(sites.tuned, "/v1/completions", prompt) - 48) <= 2
    assert abs(visible(sites.tuned, CHAT, COUNT) - 48) <= 2
    message = {"message": COUNT["messages"][0]["content"]}
    assert abs(visible(sites.tuned, "/chat", message) - 512) <= 8


def temperatures_differ(sites: Sites) -> None:
    # Nothing but the seed: at 1.0 of the whole vocabulary no two of several answers are alike.
    body = {"prompt": "Once upon a", "max_tokens": 12}
    texts = {
        sites.open.post("/v1/completions", body | {"seed": seed}).json()["choices"][0]["text"]
        for seed in range(4)
    }
    assert len(texts) > 1


def ids_tell_what_they_are_of(sites: Sites) -> None:
    assert sites.open.post(CHAT, HELLO).json()["id"].startswith("chatcmpl-")
    body = {"prompt": "Hello", "max_tokens": 2}
    assert sites.open.post("/v1/completions", body).json()["id"].startswith("cmpl-")


def a_missing_field_is_400(sites: Sites) -> None:
    for path, field in ((CHAT, "messages"), ("/v1/completions", "prompt"), ("/chat", "message")):
        response = sites.open.post(path, {})
        assert (response.status_code, response.json()["error"]["param"]) == (400, field)


def errors_suit_all_readers(sites: Sites) -> None:
    for path in (CHAT, "/v1/completions", "/chat", "/tokenize"):
        reply = sites.open.post(
            path, {"model": "gpt-9", "messages": [], "prompt": "", "message": ""}
        )
        assert reply.json()["detail"] == reply.json()["error"]["message"]
    error = sites.open.post("/api/chat", {"model": "gpt-9"}).json()
    assert error == {"error": "model 'gpt-9' not found"}


def a_text_stream_may_be_of_objects(sites: Sites) -> None:
    body = {"message": "Hello!", "temperature": 0}
    *texts, done = sites.open.events("/chat", body)
    *objects, other = sites.open.events("/chat", body | {"stream_format": "json"})
    assert (done, other) == ("[DONE]", "[DONE]")
    *said, end = map(json.loads, objects)
    # How many tokens come in one event is a matter of time; what they say is not.
    spoken = "".join(text.replace("\ndata: ", "\n") for text in texts)
    assert "".join(each["response"] for each in said) == spoken
    assert (end["done"], end["usage"]["total_tokens"] > 0) == (True, True)


def a_chat_models_name_means_the_embedding_model(sites: Sites) -> None:
    reply = sites.tuned.post("/v1/embeddings", {"model": "gpt-oss:20b", "input": "cat"})
    assert reply.json()["model"] == "text-embedding"
    refused = sites.open.post("/v1/embeddings", {"model": "gpt-oss:20b", "input": "cat"})
    assert refused.status_code == 501


def effort_has_a_default_that_a_field_overrules(sites: Sites) -> None:
    def thinks(**more: str) -> int:
        told = sites.keyed.post(
            "/tokenize",
            {"messages": HELLO["messages"], "return_token_strs": True, **more},
            **bearer(ADMIN),
        )
        return "Reasoning: medium" in "".join(told.json()["token_strs"])

    assert thinks()
    assert not thinks(reasoning_effort="high")


CONFLICTS = {
    "C-1": root_is_for_everybody,
    "C-2": health_has_two_words,
    "C-3": models_suit_two_packages,
    "C-4": names_are_echoed,
    "C-5": without_keys_it_stays_at_home,
    "C-7": every_endpoint_has_its_length,
    "C-8": temperatures_differ,
    "C-9": ids_tell_what_they_are_of,
    "C-10": a_missing_field_is_400,
    "C-11": errors_suit_all_readers,
    "C-12": a_text_stream_may_be_of_objects,
    "C-13": a_chat_models_name_means_the_embedding_model,
    "C-14": chat_needs_a_model_that_chats,
    "C-15": effort_has_a_default_that_a_field_overrules,
}
