"""The rows of the third older service: completions, and a list of models."""

import json
from typing import Any

import httpx
import openai

from tests.clients.sites import LISTED, PAGE, SEED_IDS, TIME_LIMIT_S, Site, Sites

COMPLETIONS = "/v1/completions"
SHORT = {"max_tokens": 8, "temperature": 0}


def completions_take_texts_and_lists(sites: Sites) -> None:
    reply = sites.tuned.reply("seed_2/completion.sh")
    assert (reply["object"], reply["model"]) == ("text_completion", "GPT3-dev")
    assert isinstance(reply["choices"][0]["text"], str)
    body = SHORT | {"prompt": ["Hello", "What is"], "n": 2}
    choices = sites.open.post(COMPLETIONS, body).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert choices[0]["text"] == choices[1]["text"] != choices[2]["text"] == choices[3]["text"]
    stopped = sites.open.post(COMPLETIONS, body | {"stop": choices[0]["text"][2:4]}).json()
    assert stopped["choices"][0]["finish_reason"] == "stop"


def streams_are_text_completions(sites: Sites) -> None:
    body = SHORT | {"prompt": "Hello"}
    *frames, done = sites.open.events(COMPLETIONS, body)
    assert done == "[DONE]"
    chunks = [json.loads(frame) for frame in frames]
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert not any("usage" in chunk for chunk in chunks)
    whole = sites.open.post(COMPLETIONS, body).json()["choices"][0]
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole["text"]
    with openai.OpenAI(base_url=f"{sites.open.url}/v1", api_key="any") as client:
        stream = client.completions.create(
            model="gpt-oss-20b", prompt="Hello", stream=True, stream_options={"include_usage": True}
        )
        *_, last = stream
    assert last.choices == []
    assert last.usage is not None


def usage_adds_up(sites: Sites) -> None:
    usage = sites.open.post(COMPLETIONS, SHORT | {"prompt": "Hello"}).json()["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]
    assert usage["completion_tokens"] == 8


def models_are_listed(sites: Sites) -> None:
    listed = sites.tuned.reply("seed_2/list_models.sh")
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["GPT3-dev", "text-embedding"]
    assert listed["data"][0].keys() >= {"id", "object", "created", "owned_by"}


def a_model_is_described(sites: Sites) -> None:
    described = sites.tuned.get("/v1/models/GPT3-dev")
    assert described.json()["meta"]["context_length"] == 8192
    assert described.json()["metadata"].keys() == {
        "description",
        "huggingface_repo",
        "max_context_tokens",
        "dtype",
        "default_device",
    }
    missing = sites.open.get("/v1/models/GPT3-dev")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def embeddings_are_501_or_vectors(sites: Sites) -> None:
    body = {"model": "GPT3-dev", "input": "hello"}
    refused = sites.open.post("/v1/embeddings", body | {"model": "gpt-oss"})
    assert refused.status_code == 501
    error = refused.json()["error"]
    assert error["type"] == "not_implemented_error"
    assert error["code"] == "embeddings_backend_unavailable"
    assert "EMBEDDING_MODEL_PATH" in error["message"]
    given = sites.tuned.post("/v1/embeddings", body)
    assert given.status_code == 200
    assert any(given.json()["data"][0]["embedding"])


def chat_needs_a_model_that_chats(sites: Sites) -> None:
    body = {"model": "GPT-2", "messages": [{"role": "user", "content": "Hello"}]}
    refused = sites.listed.post("/v1/chat/completions", body)
    assert refused.status_code == 501
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("not_implemented_error", "chat_not_supported")
    assert "use /v1/completions" in error["message"]
    assert sites.listed.post(COMPLETIONS, SHORT | {"model": "GPT-2", "prompt": "Once"}).is_success


def models_are_loaded_when_they_are_asked(sites: Sites) -> None:
    def loaded() -> set[str]:
        return {each["name"] for each in sites.listed.get("/api/ps").json()["models"]}

    sites.listed.post("/api/generate", {"model": "second", "keep_alive": 0})
    assert "second:latest" not in loaded()
    body = {"model": "second", "messages": [{"role": "user", "content": "Hello!"}]}
    reply = sites.listed.post("/v1/chat/completions", body).json()
    assert (reply["model"], bool(reply["choices"][0]["message"]["content"])) == ("second", True)
    assert "second:latest" in loaded()
    assert "gpt-oss-20b:latest" in loaded()


def models_are_listed_in_a_file(sites: Sites) -> None:
    listed = sites.listed.get("/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["gpt-oss-20b", "GPT-2", "second", "huge"]


def the_names_of_old_are_there(sites: Sites) -> None:
    for name in (*SEED_IDS, "GPT-2"):
        reply = sites.listed.post(COMPLETIONS, SHORT | {"model": name, "prompt": "Once"}).json()
        assert (reply["object"], reply["model"]) == ("text_completion", name)


def devices_have_a_default(sites: Sites) -> None:
    metadata = sites.listed.get("/v1/models/second").json()["metadata"]
    assert metadata["default_device"] == LISTED["DEFAULT_DEVICE"] == "cpu"


def contexts_have_a_default(sites: Sites) -> None:
    for name, length in (("GPT-2", 2048), ("second", 4096), ("gpt-oss-20b", 8192)):
        model = sites.listed.get(f"/v1/models/{name}").json()
        assert model["context_length"] == model["metadata"]["max_context_tokens"] == length


def models_are_let_in_and_counted(sites: Sites) -> None:
    hidden = sites.listed.post(COMPLETIONS, SHORT | {"model": "hidden", "prompt": "Once"})
    assert hidden.status_code == 404
    for name in ("second", "GPT-2"):
        body = SHORT | {"model": name, "prompt": "Once"}
        assert sites.listed.post(COMPLETIONS, body).is_success
    loaded = {each["name"] for each in sites.listed.get("/api/ps").json()["models"]}
    assert LISTED["MAX_MODEL_WORKERS"] == "1"
    assert {"gpt-oss-20b:latest", "GPT-2:latest"} <= loaded
    assert "second:latest" not in loaded


def healthz_is_ok(sites: Sites) -> None:
    response = sites.keyed.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def root_says_how_it_is(sites: Sites) -> None:
    told = sites.keyed.get("/").json()
    assert (told["status"], told["issues"]) == ("ok", [])
    assert told["message"]


def named_pages_are_let_in(sites: Sites) -> None:
    for origin in ("http://localhost:5173", PAGE):
        assert preflight(sites.tuned, origin).headers["access-control-allow-origin"] == origin
    for site, origin in ((sites.tuned, "https://evil.example.com"), (sites.open, PAGE)):
        response = preflight(site, origin)
        assert response.status_code in (400, 405)
        assert "access-control-allow-origin" not in response.headers


def preflight(site: Site, origin: str) -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return httpx.options(site.url + COMPLETIONS, headers=headers, timeout=TIME_LIMIT_S)


def the_models_own_tokens_are_counted(sites: Sites) -> None:
    text = "Write a haiku about fast APIs"
    usage = sites.open.post(COMPLETIONS, SHORT | {"prompt": text}).json()["usage"]
    counted = sites.open.post("/tokenize/count", {"input": text}).json()
    assert counted == {"count": usage["prompt_tokens"]}
    tokens = sites.open.post("/tokenize", {"prompt": text}).json()["tokens"]
    assert sites.open.post("/detokenize", {"tokens": tokens}).json()["prompt"] == text


def errors_are_structured(sites: Sites) -> None:
    response = sites.open.post(COMPLETIONS, {"model": "GPT-2", "prompt": "Hello"})
    assert response.status_code == 404
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == ("model_not_found", "model")


ROWS = {
    "S2-01": completions_take_texts_and_lists,
    "S2-02": streams_are_text_completions,
    "S2-03": usage_adds_up,
    "S2-04": models_are_listed,
    "S2-05": a_model_is_described,
    "S2-06": embeddings_are_501_or_vectors,
    "S2-07": chat_needs_a_model_that_chats,
    "S2-08": healthz_is_ok,
    "S2-09": root_says_how_it_is,
    "S2-10": models_are_loaded_when_they_are_asked,
    "S2-11": models_are_listed_in_a_file,
    "S2-12": the_names_of_old_are_there,
    "S2-14": devices_have_a_default,
    "S2-15": contexts_have_a_default,
    "S2-16": embeddings_are_501_or_vectors,
    "S2-17": named_pages_are_let_in,
    "S2-18": models_are_let_in_and_counted,
    "S2-19": the_models_own_tokens_are_counted,
    "S2-20": errors_are_structured,
}
