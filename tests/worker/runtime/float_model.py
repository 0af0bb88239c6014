"""A copy of a model with 32-bit weights: nothing is rounded to 8 bits on the way, so that numbers
that ought to be equal are nearly so, and those that are not are far apart.
"""

from pathlib import Path

from tests.gguf_copies import write_copy


def write_float_copy(source: Path, target: Path) -> Path:
    return write_copy(source, target, {}, float32=True)
