"""Tools that can be offered, and how people ask for them.

A use is one tool with a way to ask: question, arguments and the note for the reasoning. Names of
tools and parameters vary, and half of them are invented.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from . import words
from .harmony_text import Tool

Asked = tuple[str, dict[str, Any], str, str]  # question, arguments, note, subject


@dataclass(frozen=True)
class Use:
    """A tool, its family, and how to ask for it in a language."""

    family: str
    tool: Tool
    ask: Callable[[Random, str], Asked]


WEATHER = {
    "en": "What is the weather in {}?|What's the weather in {}?|What is the weather like in {}?|"
    "What's the weather like in {}?|Weather in {}|How is the weather in {}?|Tell me the weather in "
    "{}|How is the weather in {} today?|What is the weather in {} today?|Is it raining in {}?|What "
    "is the temperature in {}?|Please check the weather in {}.|Check the weather in {}|Get the "
    "weather for {}|What's the weather in {} right now?|How warm is it in {}?|weather {}",
    "es": "¿Qué tiempo hace en {}?|¿Cómo está el tiempo en {}?|¿Cuál es el tiempo en {}?|Dime el "
    "tiempo en {}|El tiempo en {}|¿Qué clima hace en {}?|¿Llueve en {}?|¿Qué temperatura hace en "
    "{}?|¿Qué tiempo hace hoy en {}?",
    "ru": "Какая погода в городе {}?|Погода в городе {}|Какая сейчас погода в городе {}?|Скажи "
    "погоду в городе {}|Идёт ли дождь в городе {}?|Какая погода сегодня в городе {}?|Погода {}|"
    "Какая температура в городе {}?",
}
RU_IN = words.listed(
    "Москве=Москва Казани=Казань Екатеринбурге=Екатеринбург Новосибирске=Новосибирск Самаре=Самара "
    "Омске=Омск Перми=Пермь Уфе=Уфа Томске=Томск Сочи=Сочи Туле=Тула Киеве=Киев Минске=Минск "
    "Риге=Рига Париже=Париж Лондоне=Лондон Берлине=Берлин Мадриде=Мадрид Риме=Рим Токио=Токио "
    "Санкт-Петербурге=Санкт-Петербург Воронеже=Воронеж Краснодаре=Краснодар"
)
TIME = {
    "en": "What time is it in {}?|What is the time in {}?|Tell me the time in {}|Current time in "
    "{}|What's the time in {}?|What time is it now in {}?|Get the time in {}|time in {}",
    "es": "¿Qué hora es en {}?|Dime la hora en {}|¿Qué hora es ahora en {}?",
    "ru": "Сколько времени в городе {}?|Который час в городе {}?|Скажи время в городе {}",
}
SEARCH = {
    "en": "Search for {}|Search the web for {}|Find documents about {}|Look up {}|Search: "
    "{}|Please "
    "search for {}.|Find information about {}|Find {}|Can you search for {}?|Search the docs for "
    "{}",
    "es": "Busca {}|Busca información sobre {}|Búscame {}",
    "ru": "Найди {}|Поищи {}|Найди информацию про {}|Найди в интернете {}",
}
ADD = {
    "en": "Add {} and {}|What is {} plus {}?|Please add {} and {}.|What is {} + {}?|Use the tool "
    "to "
    "add {} and {}|Sum {} and {}|How much is {} plus {}?",
    "es": "Suma {} y {}|¿Cuánto es {} más {}?|¿Cuánto es {} + {}?",
    "ru": "Сложи {} и {}|Сколько будет {} плюс {}?|Сколько будет {} + {}?",
}
CALCULATE = {
    "en": "Calculate {}|What is {}?|Compute {}|How much is {}?|Use the calculator for {}|Evaluate "
    "{}|What's {}?",
    "es": "Calcula {}|¿Cuánto es {}?",
    "ru": "Посчитай {}|Сколько будет {}?|Вычисли {}",
}
THING = {
    "en": "What is the {0} of {1}?|Get the {0} of {1}|Look up the {0} of {1}|What is the {0} for "
    "{1}?|Find the {0} of {1}|Show me the {0} for {1}|Tell me the {0} of {1}|{0} of {1}|I need the "
    "{0} of {1}|Get the {0} for {1}|What's the {0} of {1}?",
}
NOUNS = words.listed(
    "stock_price/symbol population/city exchange_rate/currency news/topic recipe/dish "
    "price/product "
    "definition/word order_status/order_id user/user_id balance/account phone_number/name "
    "address/name flight_status/flight height/mountain distance/city capital/country rating/movie "
    "author/book status/job_id invoice/number order/order_id customer/id ticket/ticket_id "
    "schedule/train temperature/room menu/restaurant version/package size/file owner/domain"
)
NUMERIC = {"order_id", "user_id", "job_id", "number", "id", "ticket_id"}
OFFERS = {
    "weather": "Get the current weather|Get weather for a location|Get the weather in a city.|"
    "Returns the current weather.|Current weather|Gets the weather of a given location.",
    "time": "Get the current time|Get the time in a city|Returns the local time.|Current time",
    "search": "Search the web|Search documents|Full text search.|Find documents by a query",
    "add": "Add two numbers|Adds two numbers.|Sum of two numbers|Returns a + b",
    "calculate": "Evaluate an expression|A calculator|Calculates an arithmetic expression.",
}


def described(r: Random, text: str) -> str:
    """One of the descriptions, or none."""
    return r.choice(text.split("|")) if r.random() < 0.85 else ""


def schema(r: Random, props: dict[str, str], required: list[str]) -> dict[str, Any]:
    """An object schema; some properties get a description, now and then another optional one."""
    out: dict[str, Any] = {}
    for key, kind in props.items():
        out[key] = {"type": kind}
        if r.random() < 0.35:
            text = f"The {key.replace('_', ' ')}" if r.random() < 0.6 else words.sentence(r, "en")
            out[key]["description"] = text
    if r.random() < 0.12:
        extra = r.choice(("lang", "limit", "verbose", "days", "format", words.invented(r)))
        if extra not in out:
            out[extra] = {"type": r.choice(("string", "integer", "boolean"))}
    return {"type": "object", "properties": out, "required": required}


def placed(r: Random, family: str) -> Use:
    """Weather or time in a place, sometimes with a unit."""
    names = {
        "weather": "get_weather get_weather weather get_current_weather fetch_weather "
        "weather_lookup current_weather getWeather",
        "time": "get_time get_time current_time get_current_time time_in local_time",
    }
    tool_name = r.choice(names[family].split())
    key = r.choice(("location", "city", "city", "location", "place", "town", words.invented(r)))
    unit = family == "weather" and r.random() < 0.25
    parameters = schema(r, {key: "string"}, [key])
    if unit:
        allowed = ["celsius", "fahrenheit"] if r.random() < 0.8 else ["c", "f"]
        parameters["properties"]["unit"] = {"type": "string", "enum": allowed}
    tool = Tool(tool_name, described(r, OFFERS[family]), parameters)

    def ask(r: Random, lang: str) -> Asked:
        place = shown = words.city(r, lang)
        text = r.choice((WEATHER if family == "weather" else TIME)[lang].split("|"))
        if lang == "ru" and r.random() < 0.35:
            shown, place = r.choice(RU_IN).split("=")
            text = text.replace("в городе {}", "в {}") if "в городе {}" in text else "Погода в {}"
            if family == "time":
                text = "Сколько времени в {}?"
        args = {key: place}
        question = text.format(shown)
        if unit and lang == "en" and r.random() < 0.4:
            chosen = r.choice(parameters["properties"]["unit"]["enum"])
            long = {"c": "celsius", "f": "fahrenheit"}.get(chosen, chosen)
            question = question.rstrip("?") + f" in {long}" + ("?" if question[-1] == "?" else "")
            args["unit"] = chosen
        return question, args, f"the {family} in {place}", place

    return Use(family, tool, ask)


def search(r: Random) -> Use:
    """Full-text search."""
    names = "search web_search search_web search_docs find_documents search_documents lookup"
    key = r.choice(("query", "query", "q", "text", "term"))
    tool = Tool(
        r.choice(names.split()), described(r, OFFERS["search"]), schema(r, {key: "string"}, [key])
    )

    def ask(r: Random, lang: str) -> Asked:
        query = words.phrase(r, lang, 1, 4)
        return r.choice(SEARCH[lang].split("|")).format(query), {key: query}, "a search", query

    return Use("search", tool, ask)


def add(r: Random) -> Use:
    """Two numbers, or one expression."""
    if r.random() < 0.4:
        return calculator(r)
    one, two = r.choice((("a", "b"), ("a", "b"), ("x", "y"), ("first", "second")))
    name = r.choice(("add", "add_numbers", "sum", "calculate_sum", "add_two_numbers"))
    kind = r.choice(("integer", "number"))
    tool = Tool(name, described(r, OFFERS["add"]), schema(r, {one: kind, two: kind}, [one, two]))

    def ask(r: Random, lang: str) -> Asked:
        a, b = (r.randint(0, r.choice((20, 100, 999))) for _ in range(2))
        text = r.choice(ADD[lang].split("|")).format(a, b)
        return text, {one: a, two: b}, f"the sum of {a} and {b}", f"{a} + {b}"

    return Use("add", tool, ask)


def calculator(r: Random) -> Use:
    """An expression as a string."""
    key = r.choice(("expression", "expression", "expr", "input"))
    name = r.choice(("calculator", "calculate", "calc", "evaluate"))
    tool = Tool(name, described(r, OFFERS["calculate"]), schema(r, {key: "string"}, [key]))

    def ask(r: Random, lang: str) -> Asked:
        gap = r.choice(("", " "))
        a, b = (r.randint(1, r.choice((20, 100, 999))) for _ in range(2))
        text = f"{a}{gap}{r.choice('+-*/')}{gap}{b}"
        question = r.choice(CALCULATE[lang].split("|")).format(text)
        return question, {key: text}, f"the value of {text}", text

    return Use("add", tool, ask)


def thing(r: Random) -> Use:
    """get_{noun}(key): the tool is recognised by its noun, known or invented."""
    noun, key = r.choice(NOUNS).split("/")
    if r.random() < 0.4:
        noun = words.invented(r) if r.random() < 0.5 else r.choice(words.WORDS[:120])
        key = r.choice((key, words.invented(r)))
    verb = r.choice(("get", "get", "fetch", "lookup", "find", "read", "show"))
    number = key in NUMERIC and r.random() < 0.7
    spoken = noun.replace("_", " ")
    tool = Tool(
        f"{verb}_{noun}",
        described(r, f"{verb.capitalize()} the {spoken}|The {spoken} of a {key.replace('_', ' ')}"),
        schema(r, {key: "integer" if number else "string"}, [key]),
    )

    def ask(r: Random, _: str) -> Asked:
        if key in NUMERIC:
            subject: Any = r.randint(1, 9999) if number else words.code(r)
        else:
            subject = r.choice((words.name, words.city, words.word))(r, "en")
            if key in ("symbol", "flight"):
                subject = words.invented(r, "en", (1, 2)).upper()
        text = r.choice(THING["en"].split("|")).format(spoken, subject)
        return text, {key: subject}, f"the {spoken} of {subject}", str(subject)

    return Use(f"thing {noun}", tool, ask)
