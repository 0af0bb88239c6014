"""What can be said of an engine and a model without loading its weights: words between whoever
wants to know and the process that looks, `python -m server.worker.runtime.survey`.

That is a process of its own, for a broken build or a broken file ends llama.cpp's whole process.
"""

import msgspec

from server.worker.messages import Frame, ModelOptions


class SurveyRequest(Frame, frozen=True, kw_only=True):
    """`model` None: no model is looked at. `bandwidth_threads`: with so many threads the speed of
    reading memory is measured; 0: it is not.
    """

    model: ModelOptions | None = None
    bandwidth_threads: int = 0


class Card(Frame, frozen=True, kw_only=True):
    """A graphics card that llama.cpp can use; bytes."""

    name: str
    free: int


class SurveyedModel(Frame, frozen=True, kw_only=True):
    """Bytes: of the weights, of those that one token needs, and of the KV cache of all slots.
    `notes`: where it would be put now, in sentences. `error`: why nothing else is known.
    """

    error: str = ""
    description: str = ""
    weight_bytes: int = 0
    active_bytes: int = 0
    kv_bytes: int = 0
    layers: int = 0
    gpu_layers: int = 0
    repack: bool = False
    training_context_length: int = 0
    notes: tuple[str, ...] = ()


class Survey(Frame, frozen=True, kw_only=True):
    """`features`: what of the processor the build makes use of, in llama.cpp's words. `gpu_build`:
    it could use a graphics card. `bandwidth`: bytes a second, the best of some rounds; 0: not
    measured. `available_bytes`: memory that is free; None where the system does not say.
    """

    version: str
    features: tuple[str, ...]
    gpu_build: bool
    cards: tuple[Card, ...] = ()
    available_bytes: int | None = None
    model: SurveyedModel | None = None
    bandwidth: float = 0.0


def question(request: SurveyRequest) -> str:
    """A request as text; `read_question` is the way back."""
    return msgspec.json.encode(request).decode()


def read_question(text: str) -> SurveyRequest:
    return msgspec.json.decode(text, type=SurveyRequest)


def answer(survey: Survey) -> bytes:
    """A survey as bytes; `read_answer` is the way back."""
    return msgspec.json.encode(survey)


def read_answer(data: bytes) -> Survey:
    """Errors: ValueError for anything else."""
    return msgspec.json.decode(data, type=Survey)
