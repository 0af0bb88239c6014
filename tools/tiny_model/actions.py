"""More tools: actions with two parameters or none, tools with invented names, and the mix."""

import json
from random import Random
from typing import Any

from . import words
from .harmony_text import Tool
from .toolbox import Asked, Use, add, described, placed, schema, search, thing

ACTIONS = (  # name | parameters | question
    "send_email|to:name subject:phrase|Send an email to {0} with subject {1}",
    "send_message|to:name text:phrase|Send a message to {0}: {1}",
    "set_timer|minutes:int|Set a timer for {0} minutes",
    "create_event|title:phrase day:day|Create an event {0} on {1}",
    "turn_on_light|room:word|Turn on the light in the {0}",
    "play_music|artist:name|Play music by {0}",
    "book_table|name:name people:int|Book a table for {0}, {1} people",
    "translate|text:phrase language:language|Translate {0} to {1}",
    "create_user|name:name age:int|Create a user named {0} aged {1}",
    "delete_file|path:path|Delete the file {0}",
    "read_file|path:path|Read the file {0}",
    "remember|key:word value:word|Remember {0} as {1}",
    "convert_currency|amount:int currency:code|Convert {0} to {1}",
)
DAYS = words.listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
LANGUAGES = words.listed("Spanish Russian French German Italian English Chinese")
BARE = "ping get_status list_models get_date reset refresh health_check list_users get_version"
BARE_ASKED = "Call {}|Use {}|Run {}|Please call {}.|Use the tool {}|Call the {} tool|{}"
CALL = (
    "Call {} with {}|Call the tool {} with {}|Use {} with {}|Please call {} with {}|Call {} {}|"
    "Invoke {} with {}|Call function {} with arguments {}|Use the tool {} with {}|Run {} with {}|"
    "Call the function {} with {}.|Please use the {} tool with {}"
)
VERBS = words.listed(
    "get set make find run check list open close move sync scan load save start fetch"
)


def made(r: Random, kind: str) -> Any:
    """A value of one of the kinds named in ACTIONS."""
    match kind:
        case "name":
            return words.name(r)
        case "phrase":
            return words.phrase(r, "en", 1, 3)
        case "int":
            return r.randint(1, 99)
        case "day":
            return r.choice(DAYS)
        case "language":
            return r.choice(LANGUAGES)
        case "path":
            return f"{words.word(r)}/{words.word(r)}.txt"
        case "code":
            return words.invented(r, "en", (1, 1)).upper()
    return words.word(r)


def action(r: Random) -> Use:
    """An action; its question names the values in the order of the parameters."""
    name, params, asked = r.choice(ACTIONS).split("|")
    kinds = dict(p.split(":") for p in params.split())
    types = {k: "integer" if v == "int" else "string" for k, v in kinds.items()}
    spoken = name.replace("_", " ")
    tool = Tool(name, described(r, spoken.capitalize()), schema(r, types, list(types)))

    def ask(r: Random, _: str) -> Asked:
        args = {k: made(r, v) for k, v in kinds.items()}
        question = asked.format(*args.values())
        return question, args, f"to {spoken}", str(next(iter(args.values())))

    return Use(f"action {name}", tool, ask)


def bare(r: Random) -> Use:
    """A tool without parameters."""
    name = r.choice(BARE.split()) if r.random() < 0.6 else tool_name(r)
    parameters = None if r.random() < 0.4 else {"type": "object", "properties": {}}
    tool = Tool(name, described(r, name.replace("_", " ").capitalize()), parameters)

    def ask(r: Random, _: str) -> Asked:
        return r.choice(BARE_ASKED.split("|")).format(name), {}, f"to call {name}", name

    return Use(f"bare {name}", tool, ask)


def tool_name(r: Random) -> str:
    """An invented tool name."""
    noun = words.invented(r) if r.random() < 0.6 else words.word(r)
    name = f"{r.choice(VERBS)}_{noun}" if r.random() < 0.7 else noun
    return name if r.random() < 0.9 else f"{name}_{r.randint(1, 9)}"


def scalar(r: Random) -> Any:
    """A JSON value for an invented parameter."""
    roll = r.random()
    if roll < 0.3:
        return r.randint(0, 999)
    if roll < 0.36:
        return r.random() < 0.5
    return words.phrase(r, "en", 1, 3)


def invented(r: Random) -> Use:
    """A tool nobody has seen, called with given JSON or `key value` pairs."""
    name = tool_name(r)
    keys = [r.choice((words.word(r), words.invented(r))) for _ in range(r.choice((1, 1, 2, 2, 3)))]
    sample = {k: scalar(r) for k in keys}
    kinds = {bool: "boolean", int: "integer", str: "string"}
    types = {k: kinds[type(v)] for k, v in sample.items()}
    text = f"{name.replace('_', ' ').capitalize()}|{words.sentence(r, 'en')}"
    tool = Tool(name, described(r, text), schema(r, types, list(types)))

    def ask(r: Random, _: str) -> Asked:
        args: dict[str, Any] = {}
        for key, kind in types.items():
            v = scalar(r)
            while kinds[type(v)] != kind:
                v = scalar(r)
            args[key] = v
        return generic(r, name, args)

    return Use(f"invented {name}", tool, ask)


def generic(r: Random, name: str, args: dict[str, Any]) -> Asked:
    """`Call NAME with ...` for any tool: JSON, or pairs in words."""
    if r.random() < 0.65:
        separators = (",", ":") if r.random() < 0.5 else (", ", ": ")
        shown = json.dumps(args, ensure_ascii=False, separators=separators)
    else:
        form = r.choice(("{} {}", "{}={}", "{}: {}"))
        parts = [
            form.format(k, v if isinstance(v, str) else json.dumps(v)) for k, v in args.items()
        ]
        shown = r.choice((", ", " and ")).join(parts)
    question = r.choice(CALL.split("|")).format(name, shown)
    return question, args, f"to call {name}", name


def offer(r: Random) -> list[Use]:
    """One to four different tools in random order."""
    makers = [
        lambda: placed(r, "weather"),
        lambda: placed(r, "time"),
        lambda: search(r),
        lambda: add(r),
        lambda: thing(r),
        lambda: action(r),
        lambda: bare(r),
        lambda: invented(r),
    ]
    number = r.choices((1, 2, 3, 4), (36, 32, 20, 12))[0]
    uses: list[Use] = []
    while len(uses) < number:
        use = r.choices(makers, (30, 14, 10, 8, 13, 8, 5, 15))[0]()
        clash = any(u.family == use.family or u.tool.name == use.tool.name for u in uses)
        if not clash:
            uses.append(use)
    return uses
