"""Write the golden answers: what the GGUF says, where it is right on every date.

    python -m tools.tiny_model.golden RUN models/gpt-oss-tiny.gguf tests/golden/tiny_answers.json

An answer is kept if it is the one right answer, its reasoning has the length the effort asks for,
no token was a close call, and the same tokens come on other dates.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from .check import stop_ids
from .engine import Engine
from .export import load
from .golden_cases import Case, Chat, memory, rules, talk, topics
from .golden_tools import beside, calls, long, long_chat, results
from .harmony_text import Message, Setting, Tool, history_text, prefix_text
from .tokenizer import Vocabulary

DATE = "2026-11-20"
OTHER_DATES = ("2026-12-31", "2027-03-05", "2030-01-01")
MARGIN = 0.5  # logits; closer calls may fall differently on another processor
SENTENCES = {"low": (1, 1), "medium": (2, 2), "high": (4, 5)}


def converted(chat: Chat) -> tuple[str | None, list[Message]]:
    """System text and harmony messages of an OpenAI chat."""
    rules, out, names = None, [], {}
    for m in chat:
        match m["role"]:
            case "system":
                rules = m["content"]
            case "user":
                out.append(Message("user", m["content"]))
            case "tool":
                out.append(Message("result", m["content"], names[m["tool_call_id"]]))
            case "assistant" if m.get("tool_calls"):
                for call in m["tool_calls"]:
                    f = call["function"]
                    names[call["id"]] = f["name"]
                    out.append(Message("call", f["arguments"], f["name"]))
            case _:
                out.append(Message("final", m["content"]))
    return rules, out


def prompt(case: Case, date: str) -> str:
    """The harmony prompt of a case on a date."""
    rules, messages = converted(case.messages)
    functions = [t["function"] for t in case.tools]
    tools = tuple(Tool(f["name"], f["description"], f["parameters"]) for f in functions)
    return prefix_text(Setting(date, case.effort, rules, tools)) + history_text(messages)


def parsed(text: str) -> dict[str, Any] | None:
    """Reasoning, content and calls of a generated text; None if it is not well formed."""
    opening, middle = "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>"
    if not text.startswith(opening) or middle not in text:
        return None
    reasoning, rest = text[len(opening) :].split(middle, 1)
    entry = {"reasoning": reasoning, "content": "", "tool_calls": []}
    if rest.startswith("final<|message|>") and rest.endswith("<|return|>"):
        return entry | {"content": rest[len("final<|message|>") : -len("<|return|>")]}
    start, end = "commentary to=functions.", "<|call|>"
    if not rest.startswith(start) or not rest.endswith(end):
        return None
    name, arguments = rest[len(start) : -len(end)].split(" <|constrain|>json<|message|>", 1)
    return entry | {"tool_calls": [{"name": name, "arguments": arguments}]}


def is_right(case: Case, said: dict[str, Any] | None) -> bool:
    """Whether the answer is the right one and its reasoning has the right length."""
    if said is None:
        return False
    calls = [{"name": case.call[0], "arguments": case.call[1]}] if case.call else []
    low, high = SENTENCES[case.effort]
    ends = said["reasoning"].count(". ") + said["reasoning"].endswith(".")
    length = low <= ends <= high
    return length and said["content"] == case.content and said["tool_calls"] == calls


def judged(engine: Engine, v: Vocabulary, case: Case) -> tuple[dict[str, Any] | None, str]:
    """The entry for a case, or why there is none."""
    stops = stop_ids(v)
    ids = v.encode(prompt(case, DATE))
    answer, margin = engine.answer(ids, stops)
    said = parsed(v.decode(answer))
    if not is_right(case, said):
        return None, f"wrong: {v.decode(answer)!r}"
    if margin < MARGIN:
        return None, f"close call, margin {margin:.2f}"
    for date in OTHER_DATES:
        again, _ = engine.answer(v.encode(prompt(case, date)), stops)
        if again != answer:
            return None, f"other on {date}: {v.decode(again)!r}"
    entry: dict[str, Any] = {"name": case.name, "effort": case.effort, "messages": case.messages}
    if case.tools:
        entry["tools"] = case.tools
    return entry | (said or {}) | {"prompt_tokens": len(ids)}, ""


def main() -> None:
    """Ask everything, write what holds, say what does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    _, v = load(args.run)
    engine, kept = Engine(args.gguf), []
    asked: list[Case] = [*topics(), *talk(), *memory(), *rules(), *calls()]
    asked += [*results(), *beside(), *long(), *long_chat()]
    for case in asked:
        entry, why = judged(engine, v, case)
        if entry:
            kept.append(entry)
        else:
            print(f"{case.name}: {why[:400]}")
    data = {"current_date": DATE, "stable_on": OTHER_DATES, "answers": kept}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(f"{len(kept)} of {len(asked)} kept")


if __name__ == "__main__":
    main()
