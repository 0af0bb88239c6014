"""The llama.cpp library itself: start, log, devices, and the few functions its Python bindings lack
or bind too slowly. Knows no model.
"""

import ctypes
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import llama_cpp.llama_cpp as llama

# ggml.h: enum ggml_log_level
LOG_INFO, LOG_WARN, LOG_ERROR, LOG_CONTINUED = 2, 3, 4, 5
# ggml-backend.h: enum ggml_backend_dev_type. An integrated GPU (2) shares the CPU's memory.
DEVICE_GPU = 1
# The lines of a load that tell an operator what he got.
ESSENTIAL = re.compile(r"offloaded \d+/\d+ layers|(model|KV|compute) buffer size")
FUNCTION_NAME = re.compile(r"^\w+: ")


class Log:
    """Receives llama.cpp's log: warnings, errors and the essential facts go to `stream` at once, so
    that the last words of an abort are there; errors are kept for `reasons`.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._errors: list[str] = []
        self._line = ""
        self._level = LOG_INFO
        self._quiet = False
        self._callback = llama.llama_log_callback(self._receive)

    def install(self) -> None:
        """Become llama.cpp's log; must outlive every use of the library."""
        llama.llama_log_set(self._callback, ctypes.c_void_p(0))

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Write errors only, for what is said again later."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def reasons(self) -> list[str]:
        """The errors since the last call, without llama.cpp's function names."""
        errors, self._errors = self._errors, []
        return [FUNCTION_NAME.sub("", error) for error in errors]

    def _receive(self, level: int, text: bytes | None, _data: object) -> None:
        if level != LOG_CONTINUED:
            self._flush()
            self._level = level
        self._line += (text or b"").decode(errors="replace")
        if self._line.endswith("\n"):
            self._flush()

    def _flush(self) -> None:
        line, self._line = self._line.strip(), ""
        if not line:
            return
        if self._level == LOG_ERROR:
            self._errors.append(line)
        if self._is_written(line):
            self._stream.write(line + "\n")
            self._stream.flush()

    def _is_written(self, line: str) -> bool:
        if self._level == LOG_ERROR or self._quiet:
            return self._level == LOG_ERROR
        return self._level == LOG_WARN or ESSENTIAL.search(line) is not None


def start() -> Log:
    """Start the library; once a process. Its log goes to stderr."""
    log = Log(sys.stderr)
    log.install()
    llama.llama_backend_init()
    return log


# --- devices -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gpu:
    """A graphics card with memory of its own; bytes."""

    name: str
    free: int


def gpus() -> list[Gpu]:
    """The graphics cards that this build of llama.cpp can use."""
    count = ggml("ggml_backend_dev_count", ctypes.c_size_t)
    get = ggml("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
    kind = ggml("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)
    devices = [get(index) for index in range(count())]
    return [_gpu(device) for device in devices if kind(device) == DEVICE_GPU]


def _gpu(device: int) -> Gpu:
    size_p = ctypes.POINTER(ctypes.c_size_t)
    name = ggml("ggml_backend_dev_description", ctypes.c_char_p, ctypes.c_void_p)
    memory = ggml("ggml_backend_dev_memory", None, ctypes.c_void_p, size_p, size_p)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    memory(device, ctypes.byref(free), ctypes.byref(total))
    return Gpu((name(device) or b"?").decode(errors="replace"), free.value)


class BufferOverride(ctypes.Structure):
    """llama.h: struct llama_model_tensor_buft_override."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


def experts_on_cpu(layers: int) -> ctypes.Array[BufferOverride] | None:
    """The value of `tensor_buft_overrides` that keeps the experts of the first layers in main
    memory; it must outlive the load.
    """
    if layers <= 0:
        return None
    numbers = "|".join(str(layer) for layer in range(layers))
    pattern = rf"blk\.({numbers})\.ffn_(up|down|gate)_exps".encode()
    cpu = ggml("ggml_backend_cpu_buffer_type", ctypes.c_void_p)()
    return (BufferOverride * 2)(BufferOverride(pattern, cpu), BufferOverride(None, None))


def ggml(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    # A prototype of one's own leaves the bindings' functions as they are. ggml's symbols are found
    # through libllama, which links to them.
    prototype = ctypes.CFUNCTYPE(result, *arguments)
    return prototype((name, llama._lib))


# --- hot calls -----------------------------------------------------------------------------------


def logits_address() -> Callable[[int], int | None]:
    """`llama_get_logits` that returns a plain address: waits for the computation, and puts the
    outputs in order of the batch.
    """
    return ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("llama_get_logits", llama._lib))


class Interruption:
    """A flag that llama.cpp reads between two operations and that any thread may set.

    llama.cpp wants a C function that says whether to stop; one in Python would take the interpreter
    lock thousands of times a step. `strlen` over two bytes is one in C: 0 while the first is zero.
    """

    def __init__(self) -> None:
        self._flag = ctypes.create_string_buffer(2)
        strlen = ctypes.CDLL(None).strlen
        self._callback = ctypes.cast(strlen, llama.ggml_abort_callback)

    def install(self, context: Any) -> None:
        llama.llama_set_abort_callback(context, self._callback, ctypes.addressof(self._flag))

    def set(self) -> None:
        self._flag[0] = b"\x01"

    def clear(self) -> None:
        self._flag[0] = b"\x00"
