"""A model driven out of its mind, by biases on its control tokens, through the whole server: every
answer is an answer, streamed and whole, and no markup reaches its text.
"""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clients.conftest import KEY
from tests.engines.models import MARKUP, control_ids

CONTROLS = control_ids()
NAMED = {name: i for name, i in CONTROLS.items() if "reserved" not in name}


@pytest.fixture(scope="module")
def http(address: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
        yield client


def answer(http: httpx.Client, **body: object) -> dict[str, object]:
    """The whole answer, after a look at it; the same request streamed must say the same."""
    given = {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 24} | body
    reply = http.post("/v1/chat/completions", json=given)
    assert reply.status_code == 200, reply.text
    choice = reply.json()["choices"][0]
    assert choice["finish_reason"] in ("stop", "length", "tool_calls")
    for field in ("content", "reasoning"):
        assert not MARKUP.search(choice["message"].get(field) or "")
    stream = http.post("/v1/chat/completions", json={**given, "stream": True})
    assert stream.status_code == 200
    assert stream.text.endswith("data: [DONE]\n\n")
    assert '"error"' not in stream.text
    assert not MARKUP.search(stream.text)
    return reply.json()


def test_the_bundled_model_has_the_control_tokens() -> None:
    assert {"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>"} <= set(NAMED)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_control_token_for_ever(http: httpx.Client, name: str) -> None:
    answer(http, temperature=0, logit_bias={str(NAMED[name]): 100})


def test_an_answer_without_any_header(http: httpx.Client) -> None:
    bias = {str(token): -100 for token in CONTROLS.values()}
    whole = answer(http, temperature=0, logit_bias=bias)
    assert whole["choices"][0]["message"]["content"]
    assert "header" in whole["warning"]


@settings(max_examples=60, deadline=None)
@given(
    bias=st.dictionaries(
        st.sampled_from(sorted(NAMED.values())), st.integers(0, 15), min_size=1, max_size=8
    ),
    seed=st.integers(0, 2**31),
    max_tokens=st.integers(1, 60),
    stop=st.sampled_from([None, "a", "e ", "<|"]),
)
def test_markup_at_random(
    http: httpx.Client, bias: dict[int, int], seed: int, max_tokens: int, stop: str | None
) -> None:
    answer(
        http,
        temperature=1.5,
        seed=seed,
        max_tokens=max_tokens,
        stop=stop,
        logit_bias={str(token): weight for token, weight in bias.items()},
    )
