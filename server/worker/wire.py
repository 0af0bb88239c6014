"""Frames as bytes, and which may travel in which direction. Commands go to the worker, reports come
back.

A frame on the wire is a 4-byte big-endian length and that many bytes of msgpack.
"""

from typing import TypeAlias

import msgspec

from server.worker.embedding.messages import (
    Embed,
    Embedded,
    EmbedderLoaded,
    EmbedderOptions,
    EmbedFailed,
)
from server.worker.messages import (
    Accepted,
    Cancel,
    Close,
    Frame,
    Loaded,
    LoadFailed,
    LoadProgress,
    ModelOptions,
    Ping,
    Refused,
    Step,
    Submit,
)

LENGTH_BYTES = 4
MAX_FRAME_BYTES = 1 << 28

# The first frame, which says what kind of worker it is to be.
Options: TypeAlias = ModelOptions | EmbedderOptions
Request: TypeAlias = Submit | Embed
Command: TypeAlias = Request | Cancel | Close | Ping
# What a worker says once its model is loaded.
Word: TypeAlias = Accepted | Refused | Step | Embedded | EmbedFailed
Report: TypeAlias = Loaded | EmbedderLoaded | LoadFailed | LoadProgress | Ping | Word

_encoder = msgspec.msgpack.Encoder()
_options: msgspec.msgpack.Decoder[Options] = msgspec.msgpack.Decoder(Options)
_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_reports: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def encode(frame: Frame) -> bytes:
    """A frame as bytes, length first."""
    body = _encoder.encode(frame)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode_options(body: bytes) -> Options:
    """The options in the first frame's body. Errors: msgspec.DecodeError for anything else."""
    return _options.decode(body)


def decode_command(body: bytes) -> Command:
    """The command in a frame's body. Errors: msgspec.DecodeError for anything else."""
    return _commands.decode(body)


def decode_report(body: bytes) -> Report:
    """The report in a frame's body. Errors: msgspec.DecodeError for anything else."""
    return _reports.decode(body)
