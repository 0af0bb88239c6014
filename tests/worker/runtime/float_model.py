"""A copy of a model with 32-bit weights: nothing is rounded to 8 bits on the way, so that numbers
that ought to be equal are nearly so, and those that are not are far apart.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter

WRITTEN_ANYWAY = ("GGUF.", "general.architecture", "general.file_type", "general.quantization")


def write_float_copy(source: Path, target: Path) -> Path:
    reader = GGUFReader(source)
    writer = GGUFWriter(target, "gpt-oss")
    for field in reader.fields.values():
        if not field.name.startswith(WRITTEN_ANYWAY):
            kind, *_, inner = field.types if len(field.types) > 1 else (*field.types, None)
            sub_type = inner if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub_type=sub_type)
    for tensor in reader.tensors:
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
