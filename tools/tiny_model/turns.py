"""What tasks are made of: the scene a conversation plays in, and one turn of it."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from .harmony_text import Answer, Message, Setting

LANGS = ("en", "es", "ru")
HIGH = (
    " The request is clear. I keep the answer short and correct. "
    "I check the details once more before I write."
)


@dataclass
class Scene:
    """The setting of a conversation and what it implies for the answers.

    `lang`: the language the developer asks for; `name`: the name given to the assistant;
    `facts`: what the developer message says, as (sentence, (which, value)); `uses`: the
    families of the tools on offer; `schema`: keys of a requested response format; `told`: whether
    the user has already said something about themselves in this conversation.
    """

    setting: Setting
    lang: str | None = None
    name: str | None = None
    facts: list[tuple[str, tuple[int, str]]] = field(default_factory=list)
    uses: list[Any] = field(default_factory=list)
    schema: dict[str, str] | None = None
    told: bool = False


@dataclass(frozen=True)
class Turn:
    """New messages, and the reply to the last of them."""

    asked: list[Message]
    note: str
    plan: str
    content: str = ""
    call: tuple[str, str] | None = None
    task: str = ""


def language(r: Random) -> str:
    """Language of a question."""
    return r.choices(LANGS, (0.5, 0.25, 0.25))[0]


def user(text: str) -> list[Message]:
    """A single user message."""
    return [Message("user", text)]


def reasoning(effort: str, note: str, plan: str) -> str:
    """The length follows the effort: a note; two sentences; five sentences."""
    if effort == "low":
        return f"{note[:1].upper()}{note[1:]}."
    text = f"The user wants this: {note}. I will {plan}."
    return text + HIGH if effort == "high" else text


def answer(turn: Turn, effort: str) -> Answer:
    """The answer to a turn at an effort."""
    return Answer(reasoning(effort, turn.note, turn.plan), turn.content, turn.call)
