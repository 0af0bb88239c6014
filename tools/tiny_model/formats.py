"""Response formats: a JSON schema in the developer message, filled from the question."""

import json
from random import Random
from typing import Any

from . import words
from .copying import INTEGERS, compact, value
from .talk import CAPITAL_ASKED, CAPITALS
from .turns import Scene, Turn, user

DEFAULTS: dict[str, Any] = {
    "name": "Ana",
    "age": 30,
    "city": "Paris",
    "color": "red",
    "country": "Spain",
    "job": "engineer",
    "title": "Report",
    "price": 10,
    "count": 3,
    "id": 1,
    "language": "English",
    "active": True,
    "word": "hello",
}
CORE = words.listed("name age city color country job title price count active")
TITLES = "person user answer response item product record result object output data profile"
ASKED = (
    "{}|Here is one: {}|Fill it in: {}|Please use: {}|Give me the JSON: {}|Describe this: {}|"
    "Extract the data: {}|JSON with {}|Extract: {}|Return {}|Parse this: {}"
)
OPEN_ASKED = (
    "Give me an example.|Give me a {}.|Describe a {}.|Invent a {}|Return a {}|Make up a {}.|"
    "Create a {}|Write JSON.|Fill in the schema."
)
PERSON = (
    "{name} is {age} years old and lives in {city}.|{name}, {age}, from {city}|My name is "
    "{name}, I "
    "am {age} and I live in {city}.|{name} is {age} years old.|I am {name} from {city}.|{name} "
    "lives "
    "in {city}.|My name is {name} and I am {age}.|{name} ({age}, {city})"
)
WAYS = ("answer", "capital", "city", "result")


def kind(key: str) -> str:
    """JSON type of a key."""
    return "boolean" if key == "active" else "integer" if key in INTEGERS else "string"


def section(r: Random, schema: dict[str, str]) -> str:
    """`# Response Formats` with one schema, in the spellings a server may choose."""
    title = r.choice(TITLES.split())
    data: dict[str, Any] = {
        "type": "object",
        "properties": {k: {"type": v} for k, v in schema.items()},
    }
    if r.random() < 0.8:
        data["required"] = list(schema)
    if r.random() < 0.5:
        data["additionalProperties"] = False
    if r.random() < 0.1:
        data["title"] = title.capitalize()
    if r.random() < 0.2:
        data = dict(sorted(data.items()))
    text = json.dumps(data, ensure_ascii=False) if r.random() < 0.4 else compact(data)
    note = f"// {words.sentence(r, 'en')}\n" if r.random() < 0.12 else ""
    return f"# Response Formats\n\n## {title}\n\n{note}{text}"


def keys(r: Random) -> dict[str, str]:
    """A schema of one to three properties."""
    if r.random() < 0.45:
        shapes = ("name age", "name age city", "name city", "name", "city", "age name", "color")
        chosen = r.choice(shapes).split()
    elif r.random() < 0.3:
        chosen = [r.choice(WAYS)]
    else:
        chosen = r.sample(CORE, r.choice((1, 2, 3)))
        if r.random() < 0.25:
            chosen[-1] = words.invented(r)
    return {k: kind(k) for k in chosen}


def filled(r: Random, scene: Scene) -> Turn:
    """Fill the schema of the scene from a question."""
    schema = scene.schema or {}
    known = set(schema)
    if len(known) == 1 and known & {"answer", "capital", "result", "city"} and r.random() < 0.85:
        key = next(iter(known))
        lang = r.choices(("en", "es", "ru"), (0.7, 0.15, 0.15))[0]
        country, town = r.choice(CAPITALS[lang].split()).split("=")
        text = r.choice(CAPITAL_ASKED[lang].split("|")).format(country)
        if key != "result":
            return turn(text, {key: town})
    if known <= set(DEFAULTS) and r.random() < 0.15:
        text = r.choice(OPEN_ASKED.split("|")).format(r.choice(TITLES.split()))
        return turn(text, {k: DEFAULTS[k] for k in schema})
    data = {k: value(r, k, "en") for k in schema}
    persons = [p for p in PERSON.split("|") if all("{" + k + "}" in p for k in schema)]
    if known <= {"name", "age", "city"} and persons and r.random() < 0.6:
        every = {k: value(r, k, "en") for k in ("name", "age", "city")} | data
        return turn(r.choice(persons).format(**every), data)
    form = r.choice(("{} {}", "{}: {}", "{} is {}", "{}={}"))
    shown = [form.format(k, v if isinstance(v, str) else compact(v)) for k, v in data.items()]
    if r.random() < 0.25:
        r.shuffle(shown)
    joined = r.choice((", ", " and ")).join(shown)
    return turn(r.choice(ASKED.split("|")).format(joined), data)


def turn(text: str, data: dict[str, Any]) -> Turn:
    """The turn with its JSON answer."""
    return Turn(user(text), "a JSON object", "write it", compact(data), task="schema")
