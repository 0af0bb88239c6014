"""Models that come in several files: NAME-00001-of-00003.gguf and so on. Only names are known."""

import re

_PART = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf\Z")


def stem(name: str) -> str:
    """What the names of one model's files have in common; a file of its own is its own stem."""
    part = _PART.match(name)
    return part["stem"] if part else name


def part_names(name: str) -> list[str]:
    """The names of all files of the model that the file `name` belongs to, in order."""
    part = _PART.match(name)
    if part is None:
        return [name]
    numbers = range(1, int(part["count"]) + 1)
    return [f"{part['stem']}-{number:05}-of-{part['count']}.gguf" for number in numbers]
