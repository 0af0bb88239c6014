"""The very configurations of docs/deploy.md, with places of this machine in place of theirs."""

import re
from collections.abc import Mapping
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
NAME = "gpt.example.com"


def block(language: str) -> str:
    """The only block of a language on the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def replaced(text: str, pairs: Mapping[str, str]) -> str:
    """With every key replaced, each of which has to be there."""
    for old, new in pairs.items():
        assert old in text, f"the configuration has no {old!r}"
        text = text.replace(old, new)
    return text
