"""What an operator says of another server: where it is, what it speaks, what its model is called
there. Knows nothing of how it is reached.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from server.engines.allowance import GenerationLimits

WireName: TypeAlias = Literal["openai", "chatkit", "vercel"]

# How long another server may be silent: before its first byte, and between any two.
SILENCE_S = 30.0
CONNECT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamOptions:
    """A model of another server. `name` is what it is called here, `model` what it is called there.

    `base_url` is where its interface begins (OpenAI's: up to and with /v1; of the others the whole
    address). `vision`: pictures go on as they are written. `reasoning`: it is told how long to
    think, and sees its reasoning again. `session_prefix` begins the ids of the wire that has some.
    Of `limits` the time counts, and the length of what is written on after a raw prompt; sampling
    is the other server's.
    """

    name: str
    base_url: str
    model: str
    limits: GenerationLimits
    api_key: str = field(default="", repr=False)
    wire: WireName = "openai"
    timeout_s: float = SILENCE_S
    connect_timeout_s: float = CONNECT_S
    session_prefix: str = ""
    vision: bool = False
    reasoning: bool = False
    context_length: int | None = None
