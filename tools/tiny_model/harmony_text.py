"""Conversations as harmony text, byte for byte as openai-harmony renders them.

Knows the format only; what is said in it comes from the tasks. Content never holds special tokens.
"""

import json
from dataclasses import dataclass, field
from typing import Any

IDENTITY = "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06"
CHANNELS = (
    "# Valid channels: analysis, commentary, final. Channel must be included for every message."
)
TOOL_CHANNEL = "\nCalls to these tools must go to the commentary channel: 'functions'."
SPECIALS = {  # offset from the first special token; the order is o200k_harmony's
    0: "<|startoftext|>",
    1: "<|endoftext|>",
    4: "<|return|>",
    5: "<|constrain|>",
    7: "<|channel|>",
    8: "<|start|>",
    9: "<|end|>",
    10: "<|message|>",
    14: "<|call|>",
    20: "<|endofprompt|>",
}


@dataclass(frozen=True)
class Tool:
    """A function on offer, with an OpenAI-style JSON schema for its parameters."""

    name: str
    description: str
    parameters: dict[str, Any] | None


@dataclass(frozen=True)
class Setting:
    """What stands before the first user message."""

    date: str
    effort: str
    instructions: str | None = None
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True)
class Message:
    """kind: user, final, analysis, call or result; name: the function of a call or result."""

    kind: str
    text: str
    name: str = ""


@dataclass(frozen=True)
class Answer:
    """What the model is to say: reasoning, then either content or one call."""

    reasoning: str
    content: str = ""
    call: tuple[str, str] | None = None


@dataclass
class Sample:
    """One prompt with its right answer."""

    setting: Setting
    messages: list[Message]
    answer: Answer
    task: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def type_text(schema: dict[str, Any]) -> str:
    """TypeScript for a simple JSON schema type."""
    kind = schema.get("type")
    if kind == "string" and "enum" in schema:
        return " | ".join(json.dumps(v, ensure_ascii=False) for v in schema["enum"])
    if kind == "array":
        return f"{type_text(schema['items'])}[]" if "items" in schema else "Array<any>"
    return {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}.get(
        str(kind), "any"
    )


def comment(text: str) -> str:
    """Every line as a // comment; nothing for an empty text."""
    return "".join(f"// {line}\n" for line in text.split("\n")) if text else ""


def default_text(schema: dict[str, Any]) -> str:
    """The trailing comment that names a default."""
    if "default" not in schema:
        return ""
    value = schema["default"]
    plain = isinstance(value, str) and "enum" in schema
    return f" // default: {value if plain else json.dumps(value, ensure_ascii=False)}"


def tool_text(tool: Tool) -> str:
    """One `type f = (_: {...}) => any;` with its comments."""
    head = comment(tool.description) + f"type {tool.name} = "
    if tool.parameters is None:
        return head + "() => any;\n\n"
    required = tool.parameters.get("required", [])
    lines = [
        comment(schema.get("description", ""))
        + f"{name}{'' if name in required else '?'}: {type_text(schema)},{default_text(schema)}\n"
        for name, schema in tool.parameters.get("properties", {}).items()
    ]
    return head + "(_: {\n" + "".join(lines) + "}) => any;\n\n"


def prefix_text(setting: Setting) -> str:
    """System and developer messages."""
    system = (
        f"<|start|>system<|message|>{IDENTITY}\nCurrent date: {setting.date}\n\n"
        f"Reasoning: {setting.effort}\n\n{CHANNELS}{TOOL_CHANNEL if setting.tools else ''}<|end|>"
    )
    parts = []
    if setting.instructions:
        parts.append(f"# Instructions\n\n{setting.instructions}")
    if setting.tools:
        types = "".join(tool_text(t) for t in setting.tools)
        parts.append(
            f"# Tools\n\n## functions\n\nnamespace functions {{\n\n{types}}} // namespace functions"
        )
    if not parts:
        return system
    return system + "<|start|>developer<|message|>" + "\n\n".join(parts) + "<|end|>"


def message_text(message: Message, late_recipient: bool = False) -> str:
    """A message of the history; `late_recipient` is the header order the model itself writes."""
    m = message
    match m.kind:
        case "user":
            return f"<|start|>user<|message|>{m.text}<|end|>"
        case "final" | "analysis":
            return f"<|start|>assistant<|channel|>{m.kind}<|message|>{m.text}<|end|>"
        case "call":
            to = f" to=functions.{m.name}"
            head = f"<|channel|>commentary{to}" if late_recipient else f"{to}<|channel|>commentary"
            return f"<|start|>assistant{head} <|constrain|>json<|message|>{m.text}<|call|>"
        case "result":
            return (
                f"<|start|>functions.{m.name} to=assistant<|channel|>commentary"
                f"<|message|>{m.text}<|end|>"
            )
    raise ValueError(m.kind)


def history_text(messages: list[Message], late_recipient: bool = False) -> str:
    """The messages and the opening of the assistant's turn."""
    return "".join(message_text(m, late_recipient) for m in messages) + "<|start|>assistant"


def answer_text(answer: Answer) -> str:
    """What the model writes after `<|start|>assistant`, up to and including the stop token."""
    head = f"<|channel|>analysis<|message|>{answer.reasoning}<|end|><|start|>assistant<|channel|>"
    if answer.call is None:
        return f"{head}final<|message|>{answer.content}<|return|>"
    name, arguments = answer.call
    return f"{head}commentary to=functions.{name} <|constrain|>json<|message|>{arguments}<|call|>"


def prompt_text(sample: Sample) -> str:
    """The whole prompt of a sample."""
    return prefix_text(sample.setting) + history_text(sample.messages)
