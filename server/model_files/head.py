"""Reads what a GGUF file says of itself before its weights. Knows the file format alone: what the
values mean is known elsewhere, and nothing is loaded.
"""

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TypeAlias

MAGIC = b"GGUF"
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
# Longer ones are vocabularies, of which the length is enough.
SHORT_ARRAY = 1024

Value: TypeAlias = str | int | float | bool | tuple[int | float | bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The metadata by key; `lengths` are those of arrays that are not there as a whole.
    `parameters` are counted over the file's tensors.
    """

    values: Mapping[str, Value]
    lengths: Mapping[str, int]
    parameters: int

    def text(self, key: str) -> str:
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        """A whole number, of several the largest; 0 where there is none."""
        value = self.values.get(key)
        numbers = value if isinstance(value, tuple) else (value,)
        return max((int(each) for each in numbers if isinstance(each, int)), default=0)


def read_head(path: Path) -> Head:
    """Takes tenths of a second for a large vocabulary. Errors: ValueError for a file that is no
    GGUF or ends too early; OSError.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _read(_Cursor(data))
        except (struct.error, KeyError, UnicodeDecodeError, OverflowError) as error:
            raise ValueError(f"{path} is not a whole GGUF file") from error


class _Cursor:
    """Where in the file the next value stands."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def take(self, form: str) -> tuple[int | float | bool, ...]:
        values = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return values

    def count(self, form: str = "Q") -> int:
        return int(self.take(form)[0])

    def text(self) -> str:
        size = self.count()
        (raw,) = struct.unpack_from(f"<{size}s", self._data, self._at)
        self._at += size
        return bytes(raw).decode()

    def skip(self, size: int) -> None:
        self._at += size

    def skip_texts(self, count: int) -> None:
        data, at, length = self._data, self._at, struct.Struct("<Q").unpack_from
        for _ in range(count):
            at += 8 + length(data, at)[0]
        self._at = at


def _read(cursor: _Cursor) -> Head:
    if struct.pack("<I", cursor.count("I")) != MAGIC or cursor.count("I") < 2:
        raise KeyError("magic")
    tensors, keys = cursor.count(), cursor.count()
    values: dict[str, Value] = {}
    lengths: dict[str, int] = {}
    for _ in range(keys):
        key, kind = cursor.text(), cursor.count("I")
        if kind == _STRING:
            values[key] = cursor.text()
        elif kind == _ARRAY:
            _read_array(cursor, key, values, lengths)
        else:
            values[key] = cursor.take(_SCALARS[kind])[0]
    return Head(values=values, lengths=lengths, parameters=sum(_sizes(cursor, tensors)))


def _read_array(
    cursor: _Cursor, key: str, values: dict[str, Value], lengths: dict[str, int]
) -> None:
    kind, count = cursor.count("I"), cursor.count()
    if kind == _STRING:
        lengths[key] = count
        cursor.skip_texts(count)
    elif count > SHORT_ARRAY:
        lengths[key] = count
        cursor.skip(count * struct.calcsize(f"<{_SCALARS[kind]}"))
    else:
        values[key] = cursor.take(f"{count}{_SCALARS[kind]}")


def _sizes(cursor: _Cursor, tensors: int) -> Iterator[int]:
    """How many numbers each tensor has."""
    for _ in range(tensors):
        cursor.text()
        dimensions = cursor.count("I")
        yield prod(int(each) for each in cursor.take(f"{dimensions}Q"))
        cursor.skip(4 + 8)
