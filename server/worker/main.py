"""The worker process from its first frame to its last: options in, model loaded, requests served.
The options say which of the two kinds it is: one that writes, or one that makes embeddings.

Started by a gateway that passes a connected socket and reads stderr; ends when told to, when the
model does not load, or when the gateway is gone.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from math import inf

import msgspec

from server.worker.admission import Limits
from server.worker.channel import Channel
from server.worker.embedding.gate import EmbeddingGate
from server.worker.embedding.jobs import Jobs
from server.worker.embedding.loop import EmbeddingLoop
from server.worker.embedding.messages import EmbedderOptions
from server.worker.gate import Gate
from server.worker.loop import Loop
from server.worker.messages import LoadFailed, LoadProgress, ModelOptions
from server.worker.prefix_store import PrefixStore
from server.worker.reception import Reception
from server.worker.runtime import library, memory
from server.worker.runtime.load import Runtime, load
from server.worker.runtime.load_embedder import load_embedder
from server.worker.runtime.model import ModelError
from server.worker.runtime.placement import snapshot_budget
from server.worker.scheduler import Scheduler
from server.worker.shelf import Shelf
from server.worker.snapshot_files import open_shelf

DONE, LOAD_FAILED, MISUSED = 0, 1, 2
# The longest pause of a running stream, where the options name none.
CPU_STALL_MS = 700
GPU_STALL_MS = 60
# Of 1000: before everything that does not ask for it.
OOM_SCORE = 700
# What some of llama.cpp's tokenisers take of the stack for each letter of a long word is less than
# half of this; they recurse, and where the stack ends so does the process.
STACK_BYTES_PER_TEXT_BYTE = 640
STACK_BYTES = 8 << 20


def main(arguments: Sequence[str]) -> int:
    """Serve one model over the socket of `--fd N`. The exit code: 0, or 1 when it did not load, or
    2 for other arguments.
    """
    match arguments:
        case ["--fd", number] if number.isdigit():
            return _work(Channel(socket.socket(fileno=int(number))))
        case _:
            sys.stderr.write("usage: python -m server.worker --fd N  (a connected socket)\n")
            return MISUSED


def _work(channel: Channel) -> int:
    # A terminal sends its interrupt to the whole process group; when to end is the gateway's
    # decision, for it may have answers to finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _volunteer()
    log = library.start()
    options = channel.receive_options()
    # Closed in the middle of a load there is nothing to end but the process.
    reception = Reception(channel.send, lambda: os._exit(DONE))
    channel.listen(reception.take)
    try:
        if isinstance(options, EmbedderOptions):
            _embed(options, log, channel, reception)
        else:
            _write(options, log, channel, reception)
    except ModelError as error:
        channel.send(LoadFailed(message=str(error)))
        return LOAD_FAILED
    return DONE


def _write(options: ModelOptions, log: library.Log, channel: Channel, reception: Reception) -> None:
    """Load a model and let it answer. Errors: ModelError."""
    runtime = load(options, log, _Progress(channel))
    budget, note = snapshot_budget(
        options.prefixes.memory_bytes, memory.available_bytes(), runtime.paged_bytes
    )
    shelf = _shelf(runtime, options, budget)
    limits = _limits(runtime, options)
    gate = Gate(limits, time.monotonic, runtime.grammars.check)
    # Before the gateway knows: what it sends next is for the loop.
    reception.open(gate)
    notes = [*runtime.loaded.notes, note]
    unclaimed = runtime.paged_bytes + budget
    channel.send(msgspec.structs.replace(runtime.loaded, notes=notes, unclaimed_bytes=unclaimed))
    store = PrefixStore(budget, shelf)
    scheduler = Scheduler(runtime.runner, limits, gate, store, time.monotonic)
    commands, watch = reception.commands, reception.watch
    Loop(scheduler, runtime.runner, commands, channel.send, watch, time.monotonic).run()
    shelf.close()
    runtime.close()


def _embed(
    options: EmbedderOptions, log: library.Log, channel: Channel, reception: Reception
) -> None:
    """Load a model and let it make embeddings. Errors: ModelError."""
    runtime = load_embedder(options, log, _Progress(channel))
    gate = EmbeddingGate(runtime.limits(options.queue_limit))
    reception.open(gate)
    channel.send(runtime.loaded)
    jobs = Jobs(runtime.runner, runtime.batches())
    loop = EmbeddingLoop(
        runtime.runner, jobs, gate, reception.commands, channel.send, reception.watch
    )
    threading.stack_size(STACK_BYTES + STACK_BYTES_PER_TEXT_BYTE * runtime.text_bytes)
    thread = threading.Thread(target=loop.run, name="embedding")
    thread.start()
    thread.join()
    runtime.close()


def _volunteer() -> None:
    """Be the first that the kernel ends when memory runs out: it is the worker that is large, and
    the gateway that starts another.
    """
    try:
        with open("/proc/self/oom_score_adj", "r+", encoding="ascii") as file:
            score = max(int(file.read()), OOM_SCORE)
            file.seek(0)
            file.write(str(score))
    except (OSError, ValueError):
        # Not Linux, or not allowed: then the kernel chooses, and as a rule the largest.
        pass


class _Progress:
    """Reports the load in whole percents."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._percent = -1

    def __call__(self, fraction: float) -> None:
        percent = int(fraction * 100)
        if percent > self._percent:
            self._percent = percent
            self._channel.send(LoadProgress(fraction=percent / 100))


def _limits(runtime: Runtime, options: ModelOptions) -> Limits:
    return Limits(
        slots=options.slots,
        context_length=runtime.loaded.context_length,
        vocabulary_size=runtime.model.vocabulary_size,
        queue_limit=options.queue_limit,
        queue_deadline_s=inf if options.queue_deadline_s is None else options.queue_deadline_s,
        owner_slots=options.owner_slots,
        max_stall_s=_stall_ms(options, runtime) / 1000,
    )


def _shelf(runtime: Runtime, options: ModelOptions, budget: int) -> Shelf:
    capacity = options.prefixes.disk_bytes if budget else 0
    return open_shelf(options.prefixes.folder, runtime.fingerprint, capacity, _warn)


def _warn(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


def _stall_ms(options: ModelOptions, runtime: Runtime) -> int:
    if options.max_stall_ms is not None:
        return options.max_stall_ms
    return GPU_STALL_MS if runtime.is_offloaded else CPU_STALL_MS
