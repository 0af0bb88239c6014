"""From options to a model that computes: decides the placement, loads, tries one token, and
describes the outcome for the gateway.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from server.core.request import SAMPLERS_OFF
from server.worker.messages import Loaded, ModelOptions, SamplerOptions
from server.worker.ports import Batch, DecodeFailed, Span
from server.worker.runtime import library
from server.worker.runtime.context import BATCH_TOKENS, Context
from server.worker.runtime.fingerprint import fingerprint
from server.worker.runtime.grammar import Grammars
from server.worker.runtime.library import Log
from server.worker.runtime.model import Model, ModelError, ModelFile, place
from server.worker.runtime.runner import LlamaRunner
from server.worker.runtime.text import read_text
from server.worker.runtime.vocabulary import read_vocabulary

GREEDY = SamplerOptions(**(asdict(SAMPLERS_OFF) | {"temperature": 0.0, "seed": 0}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A model ready to run. `loaded` describes it; `context_length` is one slot's. `paged_bytes` of
    the weights are read through the page cache. Snapshots fit where `fingerprint` is the same.
    """

    model: Model
    context: Context
    runner: LlamaRunner
    grammars: Grammars
    loaded: Loaded
    paged_bytes: int
    fingerprint: bytes

    @property
    def is_offloaded(self) -> bool:
        """Whether every layer is on a graphics card."""
        return self.model.gpu_layers == self.model.layers

    def close(self) -> None:
        """Free everything, in the order llama.cpp needs."""
        self.runner.close()
        self.context.close()
        self.model.close()


def load(options: ModelOptions, log: Log, progress: Callable[[float], None]) -> Runtime:
    """Load the model and compute one token with it. Errors: ModelError."""
    if options.require_gpu and not library.gpus():
        raise ModelError(
            "REQUIRE_GPU is set, and llama.cpp finds no GPU: either the driver is not loaded (see"
            " nvidia-smi), or llama-cpp-python was built without CUDA; set REQUIRE_GPU=0 to compute"
            " on the CPU"
        )
    file = ModelFile(options.path, log)
    shape, training_context_length = file.shape()
    context_length, notes = fitting_context(options.context_length, training_context_length)
    kv_bytes = shape.kv_bytes(context_length, options.slots, BATCH_TOKENS)
    placement = place(options, shape, kv_bytes)
    model = file.load(placement, options.cpu_moe_layers, progress)
    context = Context(
        model,
        log,
        slots=options.slots,
        context_length=context_length,
        threads=options.threads,
    )
    loaded = _describe(model, options.slots, context_length, (*notes, *placement.notes))
    grammars = Grammars(loaded.tokens, [*loaded.control_ids, *loaded.end_ids])
    runner = LlamaRunner(context, model, context_length, grammars.compile)
    _try_one_token(runner, options.path)
    facts = (placement.gpu_layers, placement.repack, options.cpu_moe_layers)
    return Runtime(
        model=model,
        context=context,
        runner=runner,
        grammars=grammars,
        loaded=loaded,
        paged_bytes=0 if placement.repack else model.size_bytes,
        fingerprint=fingerprint(options.path, *facts),
    )


def fitting_context(asked: int, trained: int) -> tuple[int, list[str]]:
    """The context as asked for, or what the model was trained for with a note that says so."""
    if asked <= trained:
        return asked, []
    return trained, [
        f"The context is {trained} tokens, the most the model was trained for, not {asked}."
    ]


def _try_one_token(runner: LlamaRunner, path: str) -> None:
    # What only fails when computing (a kernel missing, memory for the graph) fails here, as a
    # load that did not work, and not in a client's first request.
    runner.occupy(0, GREEDY)
    try:
        runner.run(Batch([Span(0, 0, [0], True)], 0, 1))
    except DecodeFailed as error:
        raise ModelError(f"The model file {path} loads but does not compute: {error}") from error
    finally:
        runner.release(0)
        runner.rewind(0)


def _describe(model: Model, slots: int, context_length: int, notes: tuple[str, ...]) -> Loaded:
    vocabulary = read_vocabulary(model.vocab)
    return Loaded(
        architecture=model.architecture,
        description=model.description,
        context_length=context_length,
        training_context_length=model.training_context_length,
        parameters=model.parameters,
        size_bytes=model.size_bytes,
        slots=slots,
        sliding_window=model.sliding_window,
        gpu_layers=model.gpu_layers,
        notes=list(notes),
        tokens=vocabulary.tokens,
        control_ids=vocabulary.control_ids,
        end_ids=vocabulary.end_ids,
        text=read_text(model),
    )
