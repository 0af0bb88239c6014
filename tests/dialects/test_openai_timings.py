"""Timings as llama.cpp's server words them, in bodies and streams."""

import json
from typing import Any

import pytest

from server.core.events import Answer, Finished, Started, Timings, Usage
from server.dialects.openai_timings import timings_object
from tests.dialects.asking import call

USAGE = Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=8, reasoning_tokens=2)
FINISHED = Finished(
    reason="stop",
    usage=USAGE,
    timings=Timings(queue_s=0.25, prompt_s=0.5, generation_s=2.0),
)
EXPECTED = {
    "cached_n": 4,
    "prompt_n": 6,
    "prompt_ms": 500.0,
    "prompt_per_second": 12.0,
    "predicted_n": 8,
    "predicted_ms": 2000.0,
    "predicted_per_second": 4.0,
    "queue_ms": 250.0,
}
ANSWER = Answer(text="Hi", reasoning=None, tool_calls=(), logprobs=(), finished=FINISHED)


def chunks(body: dict[str, Any]) -> list[dict[str, Any]]:
    reply = call(body).reply
    events = (Started(prompt_tokens=10), FINISHED)
    stream = b"".join(reply.frames(0, event) for event in events) + reply.end()
    lines = stream.decode().split("\n\n")[:-2]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


@pytest.mark.parametrize("field", ["timings", "timings_per_token"])
def test_body_has_them_when_asked(field: str):
    assert json.loads(call({field: True}).reply.body([ANSWER]))["timings"] == EXPECTED
    assert "timings" not in json.loads(call({}).reply.body([ANSWER]))


@pytest.mark.parametrize("usage", [False, True])
def test_last_chunk_has_them_when_asked(usage: bool):
    body = {"stream_options": {"include_usage": usage}}
    *others, last = chunks({"timings": True, **body})
    assert last["timings"] == EXPECTED
    assert not any("timings" in chunk for chunk in others)
    assert not any("timings" in chunk for chunk in chunks(body))


def test_choices_side_by_side_are_one():
    both = timings_object([FINISHED, FINISHED])
    assert (both["predicted_n"], both["predicted_ms"]) == (16, 2000.0)
    assert (both["prompt_n"], both["predicted_per_second"]) == (6, 8.0)


def test_no_time_is_no_speed():
    still = timings_object([Finished(reason="stop", usage=USAGE)])
    assert (still["prompt_per_second"], still["predicted_per_second"]) == (0.0, 0.0)
