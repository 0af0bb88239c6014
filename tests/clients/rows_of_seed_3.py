"""The rows of the fourth older service: a gateway before Ollama, with a web page."""

import json
import re
from typing import Any

import httpx

from tests.clients.rows_of_seed_0 import CHAT, assert_has
from tests.clients.rows_of_seed_2 import preflight
from tests.clients.sites import PAGE, TIME_LIMIT_S, Sites, seed

MESSAGE = {"message": "Hola", "max_tokens": 50}


def ollamas_port_is_there_too(sites: Sites) -> None:
    for url in (sites.open.url, sites.open.ollama_url):
        assert httpx.get(f"{url}/api/tags", timeout=TIME_LIMIT_S).status_code == 200
        assert httpx.get(f"{url}/v1/models", timeout=TIME_LIMIT_S).status_code == 200


def root_describes_the_service(sites: Sites) -> None:
    told = sites.open.reply("seed_3/root.sh")
    example = seed("seed_3/root_reply.json")
    assert told.keys() >= example.keys()
    assert told["endpoints"].items() >= example["endpoints"].items()
    assert_has(told["available_models"]["gpt-oss:20b"], example["available_models"]["gpt-oss:20b"])


def health_is_the_union(sites: Sites) -> None:
    example = seed("seed_3/health_reply.json")
    told = sites.tuned.reply("seed_3/health.sh")
    assert_has(told, example)
    for name in ("status", "ollama_service", "default_model", "litellm_enabled"):
        assert told[name] == example[name]
    assert "gpt-oss:20b" in told["available_models"]


def models_are_in_ollamas_words(sites: Sites) -> None:
    listed = sites.open.reply("seed_3/models.sh")
    assert_has(listed, seed("seed_3/models_reply.json"))
    (model,) = (model for model in listed["models"] if model["name"] == "gpt-oss:20b")
    assert re.fullmatch("[0-9a-f]{64}", model["digest"])
    assert (model["details"]["format"], model["details"]["family"]) == ("gguf", "gptoss")


def chat_takes_six_fields(sites: Sites) -> None:
    assert isinstance(sites.open.reply("seed_3/chat.sh")["response"], str)
    body = MESSAGE | {"model": "gpt-oss:20b", "temperature": 0.7, "stream": False}
    for reasoning in ("low", "medium", "high"):
        assert sites.open.post("/chat", body | {"reasoning": reasoning}).status_code == 200
    refused = sites.open.post("/chat", body | {"reasoning": "extreme"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "reasoning")
    other = sites.tuned.reply("seed_3/chat_other_model.sh")
    assert (other["model"], type(other["response"])) == ("gpt-oss:20b", str)
    assert "devstral" in sites.open.reply("seed_3/chat_other_model.sh")["detail"]
    missing = sites.open.post("/chat", {"max_tokens": 5})
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "message")


def tokens_are_really_counted(sites: Sites) -> None:
    body = MESSAGE | {"temperature": 0}
    reply = sites.open.post("/chat", body).json()
    assert_has(reply, seed("seed_3/chat_reply.json"))
    messages = {"messages": [{"role": "user", "content": "Hola"}]}
    counted = sites.open.post("/tokenize/count", messages).json()
    assert reply["usage"]["prompt_tokens"] == counted["count"]


def a_stream_is_framed_text(sites: Sites) -> None:
    told = sites.open.run("seed_3/chat_stream.sh")
    *frames, done, rest = told.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    assert all(line.startswith("data: ") for frame in frames for line in frame.splitlines())
    body = MESSAGE | {"temperature": 0}
    *texts, _ = sites.open.events("/chat", body)
    streamed = "".join(text.replace("\ndata: ", "\n") for text in texts)
    assert streamed == sites.open.post("/chat", body).json()["response"]


def the_model_may_be_in_the_address(sites: Sites) -> None:
    assert sites.open.post("/chat/gpt-oss", MESSAGE).json()["model"] == "gpt-oss"
    refused = sites.open.reply("seed_3/chat_model_in_address.sh")
    assert refused["error"]["code"] == "model_not_found"
    assert "devstral" in refused["detail"]
    assert sites.open.post("/chat/devstral", MESSAGE).status_code == 404
    # Where the operator wants it, the default model answers, and says so.
    told = sites.tuned.reply("seed_3/chat_model_in_address.sh")
    assert (told["model"], type(told["response"])) == ("gpt-oss:20b", str)


def ollamas_names_are_echoed(sites: Sites) -> None:
    reply = sites.open.reply("seed_3/openai_chat.sh")
    assert_has(reply, seed("seed_3/openai_chat_reply.json"))
    assert reply["model"] == "gpt-oss:20b"


def embeddings_are_vectors(sites: Sites) -> None:
    reply = sites.tuned.reply("seed_3/embeddings.sh")
    assert (reply["object"], reply["model"]) == ("list", "text-embedding")
    (item,) = reply["data"]
    assert (item["object"], item["index"]) == ("embedding", 0)
    assert abs(sum(number * number for number in item["embedding"]) - 1) < 1e-3
    assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] > 0
    several = sites.tuned.post(
        "/v1/embeddings", {"input": ["cat", "dog"], "encoding_format": "float"}
    )
    assert [item["index"] for item in several.json()["data"]] == [0, 1]


def ollamas_lists_are_there(sites: Sites) -> None:
    tags = sites.open.reply("seed_3/ollama_tags.sh")
    ps = sites.open.reply("seed_3/ollama_ps.sh")
    assert "gpt-oss:20b" in [model["model"] for model in tags["models"]]
    assert all(model["context_length"] == 8192 for model in ps["models"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", sites.open.reply("seed_3/ollama_version.sh")["version"])


def ollamas_chat_is_there(sites: Sites) -> None:
    reply = sites.open.reply("seed_3/ollama_chat.sh")
    assert (reply["model"], reply["done"]) == ("gpt-oss:20b", True)
    assert reply["message"]["role"] == "assistant"


def ollamas_generate_is_there(sites: Sites) -> None:
    reply = sites.open.reply("seed_3/ollama_generate.sh")
    assert (reply["model"], reply["done"]) == ("gpt-oss:20b", True)
    assert isinstance(reply["response"], str)


def openai_answers_on_ollamas_port(sites: Sites) -> None:
    reply = sites.open.reply("seed_3/ollama_openai_chat.sh")
    assert (reply["object"], reply["model"]) == ("chat.completion", "gpt-oss:20b")


def any_key_passes_where_there_are_none(sites: Sites) -> None:
    assert sites.open.run("seed_3/openai_package.py") != "None\n"


def every_client_of_its_pages_runs(sites: Sites) -> None:
    """In Python, JavaScript and the shell. Models that it had beside gpt-oss are unknown here, and
    answered for where the operator says so.
    """
    assert sites.tuned.run("seed_3/python_requests.py") != "None\n"
    assert preflight(sites.tuned, PAGE).status_code == 200
    assert sites.open.run("seed_3/fetch.mjs") not in ("undefined\n", "null\n")
    assert sites.open.run("seed_3/local_models_client.py") != "None\n"
    compared = sites.open.run("seed_3/local_models_client.py", "seed_3/compare_models.py")
    assert compared.count("success") == 1
    assert compared.count("error") == 2
    everything = sites.tuned.run("seed_3/local_models_client.py", "seed_3/compare_models.py")
    assert everything.count("success") == 3
    first, *others = sites.open.run("seed_3/test_models.sh").split("---")[:3]
    assert re.search(r'\n".*"\n', first)
    assert all(other.rstrip().endswith("null") for other in others)
    # Its fifty tokens are enough: what the model thinks is not among them.
    body = {"message": "Hola, soy gpt-oss:20b", "max_tokens": 50, "temperature": 0}
    assert sites.open.post("/chat", body).json()["response"]


def errors_have_a_detail(sites: Sites) -> None:
    response = sites.open.post("/chat", {"message": "Hola", "model": "devstral"})
    assert isinstance(response.json()["detail"], str)
    assert sites.open.post("/chat", {"message": 5}).status_code == 400
    large = sites.listed.post("/chat", {"message": "Hola", "model": "huge"})
    assert large.status_code == 503
    figures = r"requires more system memory \(1024\.\d GiB\) than is available \(\d+\.\d GiB\)"
    assert re.search(figures, large.json()["detail"])
    assert large.json()["error"]["code"] == "insufficient_memory"


def the_default_model_and_ollamas_address_are_settings(sites: Sites) -> None:
    assert sites.tuned.post("/chat", MESSAGE).json()["model"] == "gpt-oss:20b"
    assert sites.tuned.get("/").json()["default_model"] == "gpt-oss:20b"
    asked = sites.proxy.post("/chat", MESSAGE | {"model": "qwen3"}).json()
    assert (asked["response"], asked["model"]) == ("Ollama", "qwen3")
    assert sites.others.asked[-1].body["model"] == "qwen3"


def open_webui_finds_ollama(sites: Sites) -> None:
    url = sites.open.ollama_url
    version = httpx.get(f"{url}/api/version", timeout=TIME_LIMIT_S).json()["version"]
    assert tuple(map(int, version.split("."))) >= (0, 1, 0)
    (model, *_) = httpx.get(f"{url}/api/tags", timeout=TIME_LIMIT_S).json()["models"]
    body = {
        "model": model["model"],
        "messages": [{"role": "user", "content": "Hi"}],
        "options": {"num_predict": 16},
    }
    with httpx.stream("POST", f"{url}/api/chat", json=body, timeout=TIME_LIMIT_S) as response:
        lines: list[dict[str, Any]] = [json.loads(line) for line in response.iter_lines()]
    assert lines[-1]["done"]
    assert lines[-1]["eval_duration"] > 0
    assert sites.open.get("/v1/models").json()["data"]
    reply = sites.open.post(CHAT, body | {"options": None, "max_tokens": 4})
    assert reply.is_success, reply.text


ROWS = {
    "S3-01": ollamas_port_is_there_too,
    "S3-02": root_describes_the_service,
    "S3-03": health_is_the_union,
    "S3-04": models_are_in_ollamas_words,
    "S3-05": chat_takes_six_fields,
    "S3-06": tokens_are_really_counted,
    "S3-07": a_stream_is_framed_text,
    "S3-08": the_model_may_be_in_the_address,
    "S3-09": ollamas_names_are_echoed,
    "S3-10": embeddings_are_vectors,
    "S3-11": ollamas_lists_are_there,
    "S3-14": ollamas_chat_is_there,
    "S3-15": ollamas_generate_is_there,
    "S3-16": openai_answers_on_ollamas_port,
    "S3-17": any_key_passes_where_there_are_none,
    "S3-18": every_client_of_its_pages_runs,
    "S3-19": errors_have_a_detail,
    "S3-22": the_default_model_and_ollamas_address_are_settings,
    "S3-24": open_webui_finds_ollama,
}
