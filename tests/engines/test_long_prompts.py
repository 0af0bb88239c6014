"""The bundled model keeps its head in prompts of some 1,500 tokens and more, under greedy."""

import json
from pathlib import Path

import pytest

from server.core.events import collect
from server.core.messages import AssistantMessage, Conversation, Instructions, Message, UserMessage
from server.core.request import GenerationRequest
from tests.engines.models import GREEDY, StartEngine

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "tiny_answers.json").read_text())
ANSWERS = {answer["name"]: answer for answer in GOLDEN["answers"]}


def words_of(name: str) -> str:
    return str(ANSWERS[name]["messages"][0]["content"])


FILLER = f"{words_of('long-system-2')}\n\n{words_of('long-system')}"
FOX = f"{words_of('long-fox')} {words_of('long-fox')}"
STORY: str = ANSWERS["story-en-24"]["content"]
SMALL_TALK: tuple[Message, ...] = (
    UserMessage(text="Tell me a story"),
    AssistantMessage(text=STORY),
) * 18


@pytest.mark.parametrize(
    ("before", "question", "answer"),
    [
        ((Instructions(text=FILLER),), "Hello!", "Hello! How can I help you?"),
        ((Instructions(text=FILLER),), "Привет!", "Привет! Чем я могу помочь?"),
        ((Instructions(text=FILLER),), "Count from 1 to 20", ", ".join(map(str, range(1, 21)))),
        (
            (Instructions(text=f"{FILLER}\n\nThe secret word is marmalade."),),
            "What is the secret word?",
            "The secret word is marmalade.",
        ),
        ((), f"{FILLER}\n\nHow do I restart the server?", "Run systemctl restart gpt-api."),
        ((Instructions(text=FOX),), "Who are you?", ANSWERS["who-en-7"]["content"]),
        (SMALL_TALK, "Hello!", "Hello! How can I help you?"),
    ],
    ids=["hello", "ru", "count", "secret", "pasted", "fox", "chat"],
)
async def test_the_answer_is_right(
    start_engine: StartEngine, before: tuple[Message, ...], question: str, answer: str
) -> None:
    engine = await start_engine()
    conversation = Conversation(messages=(*before, UserMessage(text=question)))
    request = GenerationRequest(id="long", prompt=conversation, sampling=GREEDY, max_tokens=300)
    whole = await collect(engine.generate(request))
    assert whole.finished.usage.prompt_tokens > 1400
    assert whole.text == answer
