"""Copies of a GGUF with other metadata or other weights."""

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter

WRITTEN_ANYWAY = ("GGUF.", "general.architecture", "general.file_type", "general.quantization")


def write_copy(
    source: Path, target: Path, more: Mapping[str, int], *, float32: bool = False
) -> Path:
    """The same model with `more` metadata; with `float32`, nothing of it is rounded to few bits."""
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if not field.name.startswith(WRITTEN_ANYWAY):
            kind, *_, inner = field.types if len(field.types) > 1 else (*field.types, None)
            sub_type = inner if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub_type=sub_type)
    for key, value in more.items():
        writer.add_uint32(key, value)
    for tensor in reader.tensors:
        if float32:
            weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            writer.add_tensor(tensor.name, weights.astype(np.float32))
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
