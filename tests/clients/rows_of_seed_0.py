"""The rows of the first older service: a model in a container, without keys."""

from typing import Any

import openai

from tests.clients.sites import Site, Sites, seed

CHAT = "/v1/chat/completions"
COUNT = {"messages": [{"role": "user", "content": "Count from 1 to 200"}]}


def asked(**more: Any) -> dict[str, Any]:
    """The service's own example, which always gets the same answer, with something else."""
    return seed("seed_0/chat.json") | {"seed": 1} | more


def model_and_key_are_optional(sites: Sites) -> None:
    response = sites.open.post(CHAT, asked())
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"]


def a_missing_model_is_the_servers_own(sites: Sites) -> None:
    assert "model" not in asked()
    assert sites.open.post(CHAT, asked()).json()["model"] == "gpt-oss-20b"


def a_stream_comes_in_pieces(sites: Sites) -> None:
    *chunks, done = sites.open.events(CHAT, COUNT | {"temperature": 0, "max_tokens": 200})
    assert done == "[DONE]"
    assert sum('"content":"' in chunk for chunk in chunks) >= 3
    assert sites.open.events(CHAT, asked())[-1] == "[DONE]"


def content(site: Site, body: dict[str, Any], **headers: str) -> str:
    """The text of an answer."""
    message = site.post(CHAT, body, **headers).json()["choices"][0]["message"]
    text: str = message["content"]
    return text


def top_k_is_taken(sites: Sites) -> None:
    body = asked(top_k=1, temperature=2, max_tokens=24)
    texts = {content(sites.open, body | {"seed": number}) for number in range(3)}
    assert len(texts) == 1
    with openai.OpenAI(base_url=f"{sites.open.url}/v1", api_key="any") as client:
        reply = client.chat.completions.create(
            model="gpt-oss-20b", messages=asked()["messages"], extra_body={"top_k": 50}
        )
    assert reply.choices[0].message.content


def max_tokens_holds(sites: Sites) -> None:
    reply = sites.open.post(CHAT, COUNT | {"max_tokens": 7}).json()
    assert reply["choices"][0]["finish_reason"] == "length"
    # With what stands around the visible tokens.
    assert reply["usage"]["completion_tokens"] <= 7 + 128 + 16


def the_reply_has_every_field(sites: Sites) -> None:
    reply = sites.open.post(CHAT, asked()).json()
    example = seed("seed_0/chat_reply.json")
    assert_has(reply, example)
    assert reply["id"].startswith("chatcmpl-")
    assert reply["object"] == "chat.completion"
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def four_bit_weights_load(sites: Sites) -> None:
    (model,) = sites.open.get("/v1/models").json()["data"]
    assert "MXFP4" in model["meta"]["description"]


def a_prefix_names_the_model(sites: Sites) -> None:
    assert sites.tuned.get("/health").status_code == 200


def a_long_prompt_is_refused_with_400(sites: Sites) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 5000}]}
    response = sites.tuned.post(CHAT, body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert "4096" in response.json()["error"]["message"]


def answers_have_a_default_and_a_greatest_length(sites: Sites) -> None:
    reply = sites.tuned.post(CHAT, COUNT).json()
    assert reply["choices"][0]["finish_reason"] == "length"
    usage = reply["usage"]
    visible = usage["completion_tokens"] - usage["completion_tokens_details"]["reasoning_tokens"]
    assert 48 <= visible <= 48 + 32
    refused = sites.tuned.post(CHAT, COUNT | {"max_tokens": 1025})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "max_tokens")


def defaults_of_the_sampler_are_settings(sites: Sites) -> None:
    # DEFAULT_TOP_K is 1 there: whatever the seed and the temperature, the same comes.
    body = asked(temperature=2, max_tokens=24)
    del body["top_k"], body["top_p"]
    assert len({content(sites.tuned, body | {"seed": number}) for number in range(4)}) == 1
    free = body | {"top_p": 1, "top_k": 0}
    assert len({content(sites.tuned, free | {"seed": number}) for number in range(4)}) > 1


def health_says_ok_and_the_model(sites: Sites) -> None:
    response = sites.open.get("/health")
    assert response.status_code == 200
    assert response.json().items() >= seed("seed_0/health_reply.json").items()


def what_its_client_reads_is_there(sites: Sites) -> None:
    reply = sites.open.post(CHAT, asked()).json()
    assert isinstance(reply["choices"][0]["message"]["content"], str)
    assert reply["usage"]
    assert reply["model"]
    assert reply["id"]


def a_missing_field_is_named(sites: Sites) -> None:
    response = sites.open.post(CHAT, {})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "messages")


def assert_has(reply: Any, example: Any) -> None:
    """Every field of the example is in the reply, with a value of the same kind."""
    if isinstance(example, dict):
        for name, value in example.items():
            assert_has(reply[name], value)
    elif isinstance(example, list):
        assert reply
        assert_has(reply[0], example[0])
    else:
        assert type(reply) is type(example), (reply, example)


ROWS = {
    "S0-01": model_and_key_are_optional,
    "S0-02": a_missing_model_is_the_servers_own,
    "S0-03": a_stream_comes_in_pieces,
    "S0-04": top_k_is_taken,
    "S0-05": max_tokens_holds,
    "S0-06": the_reply_has_every_field,
    "S0-08": four_bit_weights_load,
    "S0-10": a_prefix_names_the_model,
    "S0-11": a_long_prompt_is_refused_with_400,
    "S0-12": answers_have_a_default_and_a_greatest_length,
    "S0-13": defaults_of_the_sampler_are_settings,
    "S0-16": health_says_ok_and_the_model,
    "S0-17": what_its_client_reads_is_there,
    "S0-18": a_missing_field_is_named,
}
