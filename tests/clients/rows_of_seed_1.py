"""The rows of the second older service: keys in a dict, for a bot."""

import json
from typing import Any

import httpx
import openai

from tests.clients.rows_of_seed_0 import CHAT, COUNT, assert_has, content
from tests.clients.sites import COMPLETIONS_ONLY, SEEDS, TIME_LIMIT_S, Sites, seed

ADMIN, USER = "sk-example-key-1", "sk-example-key-2"


def example() -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the body of the service's own example."""
    head, _, body = (SEEDS / "seed_1/chat.http").read_text().partition("\n\n")
    lines = [line.partition(": ") for line in head.splitlines()[1:]]
    return {name: value for name, _, value in lines}, json.loads(body)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def the_example_is_answered(sites: Sites) -> None:
    headers, body = example()
    response = sites.keyed.post(CHAT, body, **headers)
    assert response.status_code == 200
    assert_has(response.json(), seed("seed_1/chat_reply.json"))


def a_key_comes_with_bearer_or_without(sites: Sites) -> None:
    for value in (f"Bearer {ADMIN}", ADMIN, f"bearer {ADMIN}"):
        assert sites.keyed.get("/v1/models", Authorization=value).status_code == 200


def the_dict_of_keys_is_read_as_it_stands(sites: Sites) -> None:
    _, body = example()
    for key in (ADMIN, USER):
        assert sites.keyed.post(CHAT, body, **bearer(key)).status_code == 200


def no_key_is_401(sites: Sites) -> None:
    response = sites.keyed.post(CHAT, example()[1])
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["detail"].startswith("API key is missing")


def a_wrong_key_is_401(sites: Sites) -> None:
    response = sites.keyed.post(CHAT, example()[1], **bearer("sk-wrong"))
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert response.json()["detail"].startswith("Invalid API key")


def a_key_without_the_permission_is_403(sites: Sites) -> None:
    response = sites.keyed.post(CHAT, example()[1], **bearer(COMPLETIONS_ONLY))
    assert response.status_code == 403
    assert response.json()["detail"].startswith(
        "Your API key doesn't have permission for this operation"
    )
    body = {"prompt": "Hello", "max_tokens": 4}
    assert sites.keyed.post("/v1/completions", body, **bearer(COMPLETIONS_ONLY)).is_success


def health_answers_while_a_stream_runs(sites: Sites) -> None:
    body = COUNT | {"stream": True, "temperature": 0, "max_tokens": 400}
    with httpx.stream("POST", sites.open.url + CHAT, json=body, timeout=TIME_LIMIT_S) as response:
        lines = response.iter_lines()
        content = (line for line in lines if '"content":"' in line and '"role"' not in line)
        next(content)
        assert sites.open.get("/health").status_code == 200
        assert len([*content]) >= 2


def what_is_left_out_has_a_default(sites: Sites) -> None:
    body = {"messages": example()[1]["messages"]}
    assert sites.keyed.post(CHAT, body, **bearer(USER)).json()["object"] == "chat.completion"


def temperature_0_is_greedy(sites: Sites) -> None:
    body = example()[1] | {"temperature": 0}
    texts = {content(sites.keyed, body | {"seed": number}, **bearer(USER)) for number in range(2)}
    assert len(texts) == 1


def ids_are_texts(sites: Sites) -> None:
    headers, body = example()
    first, second = (sites.keyed.post(CHAT, body, **headers).json()["id"] for _ in range(2))
    assert first != second
    assert isinstance(first, str)


def frames_are_as_they_were(sites: Sites) -> None:
    headers, body = example()
    response = sites.keyed.post(CHAT, body | {"stream": True}, **headers)
    *frames, done, rest = response.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    first, *_, end, _ = (SEEDS / "seed_1/chat_stream.txt").read_text().split("\n\n")
    spoken = next(chunk for chunk in chunks if chunk["choices"][0]["delta"].get("content"))
    for chunk, frame in ((spoken, first), (chunks[-1], end)):
        assert_has(chunk, json.loads(frame.removeprefix("data: ")))
    last = chunks[-1]["choices"][0]
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-1])


def health_needs_no_key(sites: Sites) -> None:
    response = sites.keyed.get("/health")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


def documentation_is_served(sites: Sites) -> None:
    for path in ("/docs", "/redoc"):
        assert sites.keyed.get(path).status_code == 200


def the_bots_three_fields_are_enough(sites: Sites) -> None:
    url = sites.keyed.url
    bases = (
        f"{url}/v1",
        f"{url}/v1/",
        f"{url}/v1/chat/completions",
        f"{url}//v1",
        url,
    )
    for base in bases:
        with openai.OpenAI(base_url=base, api_key=ADMIN, max_retries=0) as client:
            reply = client.chat.completions.create(
                model="gpt-oss-20b",
                messages=[{"role": "user", "content": "Привет!"}],
                tools=[{"type": "function", "function": {"name": "get_weather"}}],
                tool_choice="auto",
                max_tokens=50,
            )
        assert isinstance(reply.choices[0].message.content, str)
        assert reply.usage is not None


ROWS = {
    "S1-01": the_example_is_answered,
    "S1-02": a_key_comes_with_bearer_or_without,
    "S1-03": the_dict_of_keys_is_read_as_it_stands,
    "S1-04": no_key_is_401,
    "S1-05": a_wrong_key_is_401,
    "S1-06": a_key_without_the_permission_is_403,
    "S1-07": health_answers_while_a_stream_runs,
    "S1-08": what_is_left_out_has_a_default,
    "S1-09": temperature_0_is_greedy,
    "S1-10": ids_are_texts,
    "S1-11": frames_are_as_they_were,
    "S1-12": health_needs_no_key,
    "S1-13": documentation_is_served,
    "S1-17": the_bots_three_fields_are_enough,
}
