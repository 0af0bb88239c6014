# ruff: noqa: RUF001  (Cyrillic is meant)
"""More conversations with the one right answer: tools, their results, long prompts."""

from random import Random

from . import words
from .golden_cases import Case, Chat, bot, called, system, tool, user
from .talk import FAQ

WEATHER = tool("get_weather", "Get the current weather", location="string")
TIME = tool("get_time", "Get the current time in a city", city="string")
SEARCH = tool("search_docs", "Search documents", query="string")
ADD = tool("add", "Add two numbers", a="integer", b="integer")
ORDER = tool("lookup_order", "Look up an order", order_id="integer", note="string")


ASKED = (  # name | question | tools on offer | tool called | arguments
    "paris | What is the weather in Paris? | weather | get_weather | {'location':'Paris'}",
    "new | What's the weather like in Zubrovka? | weather | get_weather | {'location':'Zubrovka'}",
    "two | What is the weather in New York? | weather | get_weather | {'location':'New York'}",
    "es | ¿Qué tiempo hace en Madrid? | weather | get_weather | {'location':'Madrid'}",
    "ru | Какая погода в городе Екатеринбург? | weather | get_weather | "
    "{'location':'Екатеринбург'}",
    "ru-in | Какая погода в Москве? | weather | get_weather | {'location':'Москва'}",
    "first | What is the weather in Oslo? | weather time | get_weather | {'location':'Oslo'}",
    "second | What is the weather in Oslo? | time weather | get_weather | {'location':'Oslo'}",
    "time | What time is it in Tokyo? | weather time | get_time | {'city':'Tokyo'}",
    "search | Search for blue whales | search | search_docs | {'query':'blue whales'}",
    "add | What is 12 plus 30? | add | add | {'a':12,'b':30}",
    "four | Add 7 and 8 | search weather add time | add | {'a':7,'b':8}",
    'generic | Call lookup_order with {"order_id":17,"note":"fragile box"} | order | lookup_order '
    "| {'order_id':17,'note':'fragile box'}",
)
OFFERED = {"weather": WEATHER, "time": TIME, "search": SEARCH, "add": ADD, "order": ORDER}


def calls() -> list[Case]:
    """Calls: places never seen, several tools in both orders, tools never seen."""
    out = []
    for line in ASKED:
        name, question, offered, called_tool, arguments = line.split(" | ")
        call = (called_tool, arguments.replace("'", '"'))
        tools = [OFFERED[key] for key in offered.split()]
        out.append(Case(f"call-{name}", [user(question)], call=call, tools=tools))
    return out


PARIS = [user("What is the weather in Paris?")]
PLACE, SUNNY = '{"location":"Paris"}', '{"temperature": 21, "condition": "sunny"}'
SAID = "It is 21 degrees and sunny in Paris."


def results() -> list[Case]:
    """Answers from results."""
    lima = ('{"city":"Lima"}', '{"time": "14:05"}')
    tea = ('{"query":"tea"}', "green tea is warm")
    kazan = ('{"location":"Казань"}', '{"temperature": 5, "condition": "cloudy"}')
    asked = [
        ("json", [*PARIS, *called("get_weather", PLACE, SUNNY)], [WEATHER], SAID),
        (
            "text",
            [*PARIS, *called("get_weather", PLACE, "18 degrees and rainy")],
            [WEATHER, TIME],
            "It is 18 degrees and rainy in Paris.",
        ),
        (
            "ru",
            [user("Какая погода в городе Казань?"), *called("get_weather", *kazan)],
            [WEATHER],
            "В городе Казань 5 °C, облачно.",
        ),
        (
            "time",
            [user("What time is it in Lima?"), *called("get_time", *lima)],
            [TIME],
            "It is 14:05 in Lima.",
        ),
        (
            "sum",
            [user("What is 12 plus 30?"), *called("add", '{"a":12,"b":30}', "42")],
            [ADD],
            "The result is 42.",
        ),
        (
            "search",
            [user("Search for tea"), *called("search_docs", *tea)],
            [SEARCH],
            "I found this: green tea is warm",
        ),
    ]
    return [Case(f"tools-{name}", chat, text, tools=tools) for name, chat, tools, text in asked]


def beside() -> list[Case]:
    """Small talk beside tools, and the next question."""
    ended = [*PARIS, *called("get_weather", PLACE, SUNNY), bot(SAID)]
    asked = [
        ("talk-en", [user("Hello!")], [WEATHER], FAQ["en"]["greeting"][0]),
        ("talk-es", [user("Hola, ¿cómo estás?")], [WEATHER, TIME], FAQ["es"]["how_are_you"][0]),
        ("talk-ru", [user("Привет!")], [WEATHER], FAQ["ru"]["greeting"][0]),
        ("talk-who", [user("Who are you?")], [WEATHER, SEARCH], FAQ["en"]["who"][0]),
        ("talk-after", [*ended, user("Thanks!")], [WEATHER], FAQ["en"]["thanks"][0]),
    ]
    out = [Case(f"tools-{name}", chat, text, tools=tools) for name, chat, tools, text in asked]
    again = [*ended, user("And in London?")]
    call = ("get_weather", '{"location":"London"}')
    return [*out, Case("call-again", again, call=call, tools=[WEATHER])]


def prose(r: Random, size: int) -> str:
    """At least `size` words of sentences."""
    lines: list[str] = []
    while sum(len(line.split()) for line in lines) < size:
        lines.append(words.sentence(r, "en"))
    return " ".join(lines)


def long_chat() -> list[Case]:
    """Questions after ten turns."""
    chat: Chat = [user("My name is Ines."), bot("Nice to meet you, Ines!")]
    for question, topic in (
        ("Tell me a story", "story"),
        ("What is gpt-api?", "what_is"),
        ("Tell me a joke", "joke"),
        ("How do I see the logs?", "logs"),
        ("Write a haiku", "haiku"),
        ("How do I install gpt-api?", "install"),
        ("What can you do?", "can_do"),
        ("How do I connect ProTalk?", "protalk"),
        ("Tell me a story", "story"),
        ("How do I use the GPU?", "gpu"),
    ):
        chat += [user(question), bot(FAQ["en"][topic][0])]
    return [
        Case("long-chat", [*chat, user("What is my name?")], "Your name is Ines."),
        Case("long-chat-hello", [*chat, user("How do I see the logs?")], FAQ["en"]["logs"][0]),
    ]


def long() -> list[Case]:
    """Prompts of some 700 to 1000 tokens: long system messages and pasted text."""
    r = Random(2026)
    texts = [prose(r, size) for size in (230, 250, 280, 320, 360, 400)]
    hello, fox = FAQ["en"]["greeting"][0], "The quick brown fox jumps over the lazy dog. " * 40
    asked, secret = user("What is the secret word?"), "The secret word is {}."
    rome = ("get_weather", '{"location":"Rome"}')
    return [
        Case("long-system", [system(texts[0]), user("Hello!")], hello),
        Case("long-system-2", [system(texts[3]), user("Hello!")], hello),
        Case(
            "long-secret",
            [system(f"{texts[1]}\n\n{secret.format('marmalade')}"), asked],
            secret.format("marmalade"),
        ),
        Case(
            "long-secret-first",
            [system(f"{secret.format('lantern')}\n\n{texts[2]}"), asked],
            secret.format("lantern"),
        ),
        Case("long-pasted", [user(f"{texts[4]}\n\nHow do I get an API key?")], FAQ["en"]["key"][0]),
        Case("long-pasted-2", [user(f"{texts[5]}\n\nHello!")], hello),
        Case("long-fox", [system(fox.strip()), user("Who are you?")], FAQ["en"]["who"][0]),
        Case(
            "long-tools",
            [system(texts[0]), user("What is the weather in Rome?")],
            call=rome,
            tools=[WEATHER, TIME],
        ),
    ]
