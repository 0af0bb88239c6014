"""Tools and schemas at random, as clients might send them; the same for the same seed."""

from random import Random
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TYPES = ("string", "integer", "number", "boolean", "enum", "array", "object")


def name(random: Random, marks: str = "_-.") -> str:
    """A function's or a key's name of one to four words."""
    words = ["".join(random.choices(LETTERS, k=random.randint(1, 7))) for _ in range(4)]
    joined = words[0]
    for word in words[1 : random.randint(1, 4)]:
        joined += random.choice(marks) + word
    return joined


def value_schema(random: Random, depth: int = 0) -> dict[str, Any]:
    match random.choice(TYPES[: 5 if depth > 1 else 7]):
        case "enum":
            return {"type": "string", "enum": sorted({name(random) for _ in range(3)})}
        case "array":
            items = value_schema(random, depth + 1)
            return {"type": "array", "items": items, "maxItems": 3}
        case "object":
            return object_schema(random, depth + 1)
        case "string":
            return {"type": "string", "maxLength": 20}
        case kind:
            return {"type": kind}


def object_schema(random: Random, depth: int = 0) -> dict[str, Any]:
    """Strict as OpenAI wants it: all keys required, no others."""
    keys = sorted({name(random, "_") for _ in range(random.randint(0, 3))})
    return {
        "type": "object",
        "properties": {key: value_schema(random, depth) for key in keys},
        "required": keys,
        "additionalProperties": False,
    }


def tools(random: Random) -> list[dict[str, Any]]:
    """One to eight tools, strict or not."""
    names = sorted({name(random) for _ in range(random.randint(1, 8))})
    random.shuffle(names)
    return [
        {
            "type": "function",
            "function": {
                "name": each,
                "description": "Does something.",
                "parameters": object_schema(random),
                "strict": random.random() < 0.5,
            },
        }
        for each in names
    ]
