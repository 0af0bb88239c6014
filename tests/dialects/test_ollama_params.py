"""Every field and option of Ollama's requests: honoured, refused in its words, or ignored."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.messages import Instructions, RawPrompt, UserMessage
from server.core.request import Effort, JsonOutput, Sampling
from server.dialects.ollama import asks_nothing, to_load_reply
from server.dialects.ollama_body import OllamaChatBody, OllamaGenerateBody
from server.dialects.ollama_fields import keep_alive_seconds, read_request
from server.dialects.ollama_options import FLOATS, IGNORED, INTEGERS, Options, read_options
from server.dialects.wire import HUGE, LONGEST_WINDOW
from tests.dialects.asking import Limits
from tests.dialects.asking_ollama import ASKED, chat, chat_request, generate, generate_request
from tests.dialects.encoding import encoded
from tests.dialects.golden_chat import answer_of
from tests.fakes import HELLO

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def sampling(options: dict[str, Any]) -> Sampling:
    return chat_request({"options": options}).sampling


def test_plain_chat():
    asked = chat_request({})
    assert (asked.max_tokens, asked.fit, asked.effort) == (HUGE, True, "medium")
    assert asked.sampling == Sampling()
    assert (asked.output, asked.logprobs, asked.stop) == (None, None, ())


def test_streams_unless_told_otherwise():
    assert [chat({"stream": value}).stream for value in (None, True, False)] == [True, True, False]
    assert generate({}).stream


@pytest.mark.parametrize(
    ("think", "effort", "shown"),
    [
        (None, "high", True),
        (True, "high", True),
        ("", "high", True),
        (False, "low", False),
        ("low", "low", True),
        ("medium", "medium", True),
        ("high", "high", True),
        ("max", "high", True),
    ],
)
def test_think(think: Any, effort: Effort, shown: bool):
    made = chat({"think": think}, effort_default="high")
    assert made.requests[0].effort == effort
    assert made.requests[0].reasoning_budget == (None if shown else 0)
    assert made.reply.style.thinking is shown


def test_suffix_of_the_model_decides_where_think_does_not():
    low = replace(ASKED, effort_suffix="low")
    assert chat_request({"think": True}, low).effort == "low"
    assert chat_request({"think": "high"}, low).effort == "high"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("json", JsonOutput()),
        (SCHEMA, JsonOutput(schema=SCHEMA)),
    ],
)
def test_format(value: Any, expected: JsonOutput | None):
    assert chat_request({"format": value}).output == expected
    assert generate_request({"format": value}).output == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"temperature": 0.5, "top_k": 5, "top_p": 0.9},
            Sampling(temperature=0.5, top_k=5, top_p=0.9),
        ),
        ({"min_p": 0.1, "typical_p": 0.7}, Sampling(min_p=0.1, typical_p=0.7)),
        (
            {"repeat_penalty": 1.1, "repeat_last_n": 32},
            Sampling(repeat_penalty=1.1, repeat_last_n=32),
        ),
        ({"repeat_last_n": -1}, Sampling(repeat_last_n=LONGEST_WINDOW)),
        (
            {"presence_penalty": 1.5, "frequency_penalty": -1},
            Sampling(presence_penalty=1.5, frequency_penalty=-1.0),
        ),
        (
            {"mirostat": 2, "mirostat_tau": 4, "mirostat_eta": 0.2},
            Sampling(mirostat=2, mirostat_tau=4.0, mirostat_eta=0.2),
        ),
        ({"seed": 42}, Sampling(seed=42)),
        ({"seed": -1}, Sampling()),
        ({"seed": 5.0}, Sampling(seed=5)),
        ({"temperature": -1, "top_p": 2, "min_p": 2}, Sampling(temperature=0, top_p=1, min_p=1)),
        ({"top_k": -5, "typical_p": 0}, Sampling(top_k=0)),
        ({"top_p": 0, "temperature": 1}, Sampling(temperature=0)),
        ({"temperature": None, "stop": None}, Sampling()),
        (dict.fromkeys(IGNORED, 1), Sampling()),
    ],
)
def test_options(options: dict[str, Any], expected: Sampling):
    assert sampling(options) == expected


@pytest.mark.parametrize(
    ("asked", "given_"), [(7, 7), (-1, 500), (-2, 500), (0, 500), (10**30, 500), (501, 500)]
)
def test_length_is_at_most_what_the_operator_gives(asked: int, given_: int):
    request = chat_request({"options": {"num_predict": asked}}, output_tokens_limit=500)
    assert (request.max_tokens, request.fit) == (given_, True)


@pytest.mark.parametrize(("stop", "expected"), [(["a", "", "b"], ("a", "b")), ("a", ("a",))])
def test_stop(stop: Any, expected: tuple[str, ...]):
    assert chat_request({"options": {"stop": stop}}).stop == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"think": "deep"},
            'invalid think value: "deep" (must be "high", "medium", "low", "max", true, or false)',
        ),
        (
            {"think": 1},
            'invalid think value: "1" (must be "high", "medium", "low", "max", true, or false)',
        ),
        (
            {"format": "xml"},
            'invalid format: "xml"; expected "json" or a valid JSON Schema object',
        ),
        ({"format": [1]}, 'invalid format: [1]; expected "json" or a valid JSON Schema object'),
        ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
        ({"top_logprobs": -1}, "top_logprobs must be between 0 and 20"),
        ({"options": {"top_k": "5"}}, 'option "top_k" must be of type integer'),
        ({"options": {"seed": True}}, 'option "seed" must be of type integer'),
        ({"options": {"temperature": "hot"}}, 'option "temperature" must be of type float32'),
        ({"options": {"stop": 5}}, 'option "stop" must be of type array'),
        ({"options": {"stop": [5]}}, 'option "stop" must be of type array'),
        ({"options": {"stop": ["a"] * 17}}, 'option "stop" has more than 16 strings'),
        ({"options": {"repeat_penalty": 0}}, 'option "repeat_penalty" must be above 0'),
        ({"options": {"mirostat": 3}}, 'option "mirostat" must be 0, 1 or 2'),
        ({"keep_alive": "soon"}, 'time: invalid duration "soon"'),
        ({"keep_alive": "1" * 70}, f'time: invalid duration "{"1" * 40}"'),
        (
            {"keep_alive": []},
            "invalid keep_alive: it must be a number of seconds or a duration",
        ),
        ({"stream": "yes"}, "Invalid 'stream': input should be a valid boolean."),
    ],
)
def test_refusal_is_in_ollamas_words(body: dict[str, Any], message: str):
    for ask in (chat, generate):
        with pytest.raises(ServerError) as caught:
            ask(body)
        assert (caught.value.kind, caught.value.message) == ("invalid", message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"raw": True, "system": "S"},
            "raw mode does not support template, system, or context",
        ),
        ({"template": "T"}, "template is not available: this server writes the model's own format"),
        ({"suffix": "S"}, "gpt-oss:20b does not support insert"),
        ({"images": ["aGk="]}, "gpt-oss:20b does not support vision"),
    ],
)
def test_what_generate_cannot_do(body: dict[str, Any], message: str):
    with pytest.raises(ServerError) as caught:
        generate(body)
    assert caught.value.message == message


def test_generate_takes_a_raw_prompt():
    asked = generate_request({"raw": True, "prompt": "P", "think": "high"})
    assert (asked.prompt, asked.reasoning_budget) == (RawPrompt(content="P"), 0)
    call = generate({"raw": True, "prompt": "P", "stream": False})
    whole = json.loads(call.reply.body([answer_of([*HELLO])]))
    assert (whole["response"], "context" in whole) == ("Hello", False)


def test_generate_is_a_chat_of_one_prompt():
    harmless = {"raw": False, "template": "", "suffix": "", "images": [], "context": []}
    asked = generate_request({"system": "S", "prompt": "P", **harmless})
    assert asked.conversation.messages == (Instructions(text="S"), UserMessage(text="P"))


@pytest.mark.parametrize(("body", "expected"), [({}, 0), ({"top_logprobs": 3}, 3)])
def test_logprobs(body: dict[str, Any], expected: int):
    assert chat_request(body).logprobs is None
    assert chat_request({"logprobs": True, **body}).logprobs == expected


@pytest.mark.parametrize(
    ("given", "operator", "truncates"),
    [
        (None, True, True),
        (None, False, False),
        (True, False, True),
        (False, True, False),
    ],
)
def test_what_is_too_long_is_shortened_or_refused(
    given: bool | None, operator: bool, truncates: bool
):
    for ask in (chat, generate):
        (request,) = ask({"truncate": given}, ollama_truncate=operator).requests
        assert request.truncate is truncates
    (raw,) = generate({"raw": True, "truncate": given}, ollama_truncate=operator).requests
    assert not raw.truncate


def test_unknown_fields_are_named_and_refused_when_strict():
    body = {"zeta": 1, "options": {"alpha": 1}, "truncate": True, "shift": True}
    assert chat(body).unknown == ("zeta", "options.alpha")
    with pytest.raises(ServerError, match="zeta"):
        chat(body, strict_params=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (5, 5),
        (-1, -1),
        (0.5, 0.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("100ms", 0.1),
        ("-1m", -60),
        ("0s", 0),
        ("300", 300),
        ("1.5s", 1.5),
    ],
)
def test_keep_alive(value: Any, seconds: float | None):
    assert keep_alive_seconds(value) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), ("5m", "load"), (0, "unload")])
def test_request_of_nothing(keep_alive: Any, reason: str):
    raw = encoded({"keep_alive": keep_alive, "messages": []})
    chat_body = read_request(raw, OllamaChatBody)
    body = read_request(encoded({"keep_alive": keep_alive, "prompt": ""}), OllamaGenerateBody)
    assert asks_nothing(chat_body)
    assert asks_nothing(body)
    head = {"model": "gpt-oss:20b", "created_at": "2026-11-20T12:00:00.250000Z"}
    end = {"done": True, "done_reason": reason}
    assert json.loads(to_load_reply(body, ASKED.model, ASKED.clock)) == {
        **head,
        "response": "",
        **end,
    }
    message = {"role": "assistant", "content": ""}
    assert json.loads(to_load_reply(chat_body, ASKED.model, ASKED.clock)) == {
        **head,
        "message": message,
        **end,
    }


def test_missing_body():
    for raw in (b"", b" \n"):
        with pytest.raises(ServerError, match=r"^missing request body$"):
            read_request(raw, OllamaChatBody)


@given(st.dictionaries(st.sampled_from(sorted(INTEGERS | FLOATS | {"stop"})), ANY_JSON))
def test_options_are_read_or_refused(options: dict[str, Any]):
    """Whatever a client sends: a sampling within the sampler's ranges, or one clear sentence."""
    try:
        read = read_options(options, Limits())
    except ServerError as error:
        refusal = error.message
    else:
        check_ranges(read)
        refusal = 'option "'
    assert refusal.startswith('option "')


def check_ranges(read: Options) -> None:
    assert 0 < read.max_tokens <= HUGE
    asked = read.sampling
    assert asked.temperature is None or asked.temperature >= 0
    assert asked.top_p is None or 0 < asked.top_p <= 1
    assert asked.repeat_penalty is None or asked.repeat_penalty > 0
    assert asked.seed is None or 0 <= asked.seed < 2**32
