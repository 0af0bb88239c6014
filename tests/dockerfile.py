"""A Dockerfile as its instructions, and what a .dockerignore leaves of a context."""

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Instruction:
    """`stage`: how many FROMs stand before it, its own included."""

    stage: int
    name: str
    text: str

    @property
    def exec_form(self) -> list[str]:
        """Its words as a list, where it is one."""
        _, bracket, rest = self.text.partition("[")
        return [str(word) for word in json.loads(bracket + rest)] if bracket else []


def read_instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: list[Instruction] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if name := line.partition(" ")[0]:
            stage = sum(each.name == "FROM" for each in found) + (name == "FROM")
            found.append(Instruction(stage, name, line[len(name) :].strip()))
    return found


def assignments(instruction: Instruction) -> dict[str, str]:
    """What an ENV or LABEL sets."""
    pairs = re.findall(r'([\w.]+)=("[^"]*"|\S*)', instruction.text)
    return {name: value.strip('"') for name, value in pairs}


class Ignored:
    """What a .dockerignore keeps out; of the patterns that fit, the last one counts."""

    def __init__(self, file: Path) -> None:
        lines = (line.strip() for line in file.read_text().splitlines())
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def __contains__(self, path: str) -> bool:
        ignored = False
        whole = PurePosixPath(path)
        # A pattern that fits a folder fits what is in it.
        places = [whole, *whole.parents]
        for pattern in self._patterns:
            bare = pattern.lstrip("!")
            if any(_fits(str(place), bare) for place in places):
                ignored = not pattern.startswith("!")
        return ignored


def _fits(path: str, pattern: str) -> bool:
    if path == ".":
        return False
    if pattern.startswith("**/"):
        return fnmatchcase(PurePosixPath(path).name, pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
