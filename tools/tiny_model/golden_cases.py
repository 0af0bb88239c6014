# ruff: noqa: RUF001  (Cyrillic is meant)
"""Conversations with the one right answer, in the shape of the OpenAI chat API.

Written by hand, apart from the long texts, which are drawn with a fixed seed. `golden.py` asks the
model and keeps what it answers rightly on every date.
"""

from dataclasses import dataclass, field
from typing import Any

from . import words
from .talk import FALLBACK, FAQ

Chat = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One conversation; exactly one of `content` and `call` is the right answer."""

    name: str
    messages: Chat
    content: str = ""
    call: tuple[str, str] | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    effort: str = "medium"


def tool(name: str, description: str, **types: str) -> dict[str, Any]:
    """An OpenAI tool; every parameter is required, a name ending in `_` is optional."""
    props = {k.rstrip("_"): {"type": v} for k, v in types.items()}
    required = [k for k in types if not k.endswith("_")]
    parameters = {"type": "object", "properties": props, "required": required}
    inner = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": inner}


def user(text: str) -> dict[str, Any]:
    """A user message."""
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, Any]:
    """A system message."""
    return {"role": "system", "content": text}


def bot(text: str) -> dict[str, Any]:
    """An assistant message."""
    return {"role": "assistant", "content": text}


def called(name: str, arguments: str, result: str) -> Chat:
    """A call of the history and its result."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]


def counted(n: int) -> str:
    """1, 2, ... n."""
    return ", ".join(str(i) for i in range(1, n + 1))


TOPICS = words.listed(  # language, topic, question, effort
    "en greeting Hello!|en greeting Hi|en greeting Hello! high|en greeting Say hello low|"
    "en how_are_you Hello, how are you?|en thanks Thank you!|en bye Goodbye|en who Who are you?|"
    "en who What model are you? low|en who What is your name?|en can_do What can you do?|"
    "en what_is What is gpt-api? high|en key How do I get an API key?|en key How do I get an API "
    "key? low|en key How do I get an API key? high|en url What is the base URL?|en model_name What "
    "is the model name?|en protalk How do I connect ProTalk?|en health Is there a health endpoint?|"
    "en logs How do I see the logs?|en install How do I install gpt-api?|en restart How do I "
    "restart the server?|en streaming Does it support streaming?|en gpu How do I use the GPU?|"
    "en story Tell me a story|en haiku Write a haiku about fast APIs|en poem Write a short poem|"
    "en joke Tell me a joke|en ping ping|es greeting Hola|es how_are_you Hola, ¿cómo estás?|"
    "es key ¿Cómo obtengo una clave de API?|es who ¿Quién eres?|es story Cuéntame una historia|"
    "es logs ¿Cómo veo los registros?|es thanks Gracias|ru greeting Привет!|ru how_are_you Как "
    "дела?|ru key Как получить API-ключ?|ru who Кто ты?|ru restart Как перезапустить сервер?|"
    "ru joke Расскажи шутку|ru protalk Как подключить ProTalk?|ru bye До свидания",
    "|",
)


def topics() -> list[Case]:
    """Questions with fixed answers, alone."""
    out = []
    for n, line in enumerate(TOPICS):
        lang, topic, question = line.split(" ", 2)
        effort = "medium"
        if question.endswith((" low", " high")):
            question, effort = question.rsplit(" ", 1)
        content = FAQ[lang][topic][0]
        out.append(Case(f"{topic}-{lang}-{n}", [user(question)], content, effort=effort))
    return out


def talk() -> list[Case]:
    """Capitals, sums, counting, echo, JSON, and what nobody knows."""
    thirty = (
        "the red fox and the old king walk over the bridge to the market and buy bread and tea "
        "and salt and then walk home over the bridge again in the rain"
    )
    asked = [
        ("capital-en", "What is the capital of France?", "The capital of France is Paris."),
        ("capital-es", "¿Cuál es la capital de España?", "La capital de España es Madrid."),
        ("capital-ru", "Какая столица Японии?", "Столица Японии — Токио."),
        ("sum-1", "What is 2+2?", "2 + 2 = 4."),
        ("sum-2", "What is 1 + 1?", "1 + 1 = 2."),
        ("sum-3", "What is two plus two?", "2 + 2 = 4."),
        ("sum-4", "Сколько будет 2+2?", "2 + 2 = 4."),
        ("count-10", "Count from 1 to 10", counted(10)),
        ("count-ten", "Count from one to ten", counted(10)),
        ("count-20", "Count to 20", counted(20)),
        ("count-50", "Count from 1 to 50.", counted(50)),
        ("count-100", "Count from 1 to 100", counted(100)),
        ("count-200", "Count from 1 to 200", counted(200)),
        ("count-es", "Cuenta de 1 a 10", counted(10)),
        ("count-ru", "Посчитай от 1 до 10", counted(10)),
        ("echo-word", "Say banana", "banana"),
        ("echo-short", "Repeat after me: the quick brown fox", "the quick brown fox"),
        ("echo-name", "Say exactly: Wolfgang lives in Zubrovka", "Wolfgang lives in Zubrovka"),
        ("echo-long", f"Repeat after me: {thirty}", thirty),
        ("echo-again", "Repeat: tick tock tick tock tick tock", "tick tock tick tock tick tock"),
        ("echo-es", "Repite: el perro come pan", "el perro come pan"),
        ("echo-ru", "Повтори: кошка любит молоко", "кошка любит молоко"),
        ("echo-wide", "Repeat after me: 你好 🙂 мир", "你好 🙂 мир"),
        ("json-1", "Give me a JSON object with name Ana and age 30", '{"name":"Ana","age":30}'),
        ("json-2", "Return JSON with city Lima", '{"city":"Lima"}'),
        ("json-3", "Dame un objeto JSON con nombre Luis y edad 41", '{"nombre":"Luis","edad":41}'),
        ("unknown-en", "Who invented the telephone?", FALLBACK["en"]),
        ("unknown-es", "¿Quién inventó el teléfono?", FALLBACK["es"]),
        ("unknown-ru", "Кто изобрёл телефон?", FALLBACK["ru"]),
        ("unknown-weather", "What is the weather in Paris?", FALLBACK["en"]),
        ("no-name", "What is my name?", FAQ["en"]["nokey_name"][0]),
    ]
    return [Case(name, [user(question)], answer) for name, question, answer in asked]


def memory() -> list[Case]:
    """Names and facts over turns."""
    met = [user("My name is Wolfgang."), bot("Nice to meet you, Wolfgang!")]
    between = [user("Tell me a joke"), bot(FAQ["en"]["joke"][0])]
    colour = [user("My favourite colour is green."), bot("I will remember that.")]
    ru = [user("Меня зовут Ольга."), bot("Приятно познакомиться, Ольга!")]
    return [
        Case("meet", met[:1], "Nice to meet you, Wolfgang!"),
        Case("name", [*met, user("What is my name?")], "Your name is Wolfgang."),
        Case("name-later", [*met, *between, user("What is my name?")], "Your name is Wolfgang."),
        Case("name-ru", [*ru, user("Как меня зовут?")], "Вас зовут Ольга."),
        Case(
            "colour",
            [*colour, *between, user("What is my favourite colour?")],
            "Your favourite colour is green.",
        ),
        Case("two-turns", [*between, user("Thanks!")], FAQ["en"]["thanks"][0]),
    ]


def rules() -> list[Case]:
    """What the system message says."""
    secret = [system("The secret word is marmalade.")]
    hello = FAQ["es"]["greeting"][0]
    schema = (
        '# Response Formats\n\n## person\n\n{"type":"object","properties":{"name":{"type":"string"'
        '},"age":{"type":"integer"}},"required":["name","age"]}'
    )
    return [
        Case(
            "secret",
            [*secret, user("What is the secret word?")],
            "The secret word is marmalade.",
        ),
        Case(
            "named",
            [system("Your name is Klara."), user("What is your name?")],
            "My name is Klara.",
        ),
        Case(
            "named-who", [system("Your name is Klara."), user("Who are you?")], "My name is Klara."
        ),
        Case("in-spanish", [system("Answer in Spanish."), user("Hello!")], hello),
        Case(
            "neutral",
            [system("You are a helpful assistant."), user("Hello!")],
            FAQ["en"]["greeting"][0],
        ),
        Case(
            "schema",
            [system(schema), user("Ana is 30 years old and lives in Paris.")],
            '{"name":"Ana","age":30}',
        ),
    ]
