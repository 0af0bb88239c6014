"""The rows of the fifth older service: a proxy to several models, without keys."""

import json

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


def an_image_is_refused_by_its_place(sites: Sites) -> None:
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


def the_whole_history_is_read(sites: Sites) -> None:
    history = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "second"},
        {"role": "user", "content": "third"},
    ]
    asked = {"messages": history, "return_token_strs": True}
    prompt = "".join(sites.open.post("/tokenize", asked).json()["token_strs"])
    assert prompt.index("first") < prompt.index("second") < prompt.index("third")


ROWS = {
    "S4-04": chats_are_answered_whole_and_streamed,
    "S4-05": an_image_is_refused_by_its_place,
    "S4-06": effort_comes_from_header_body_and_setting,
    "S4-07": a_missing_model_is_the_default_an_unknown_one_is_told,
    "S4-11": no_key_is_needed,
    "S4-12": root_answers,
    "S4-13": the_whole_history_is_read,
}
