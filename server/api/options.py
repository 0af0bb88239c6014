"""What an operator may choose about the HTTP side: this part's slice of the settings.

What a request gets that names no length and no sampling is the engine's knowledge, not ours.
"""

from dataclasses import dataclass, field

from server.api.forwarded import Network
from server.core.request import Effort
from server.dialects.overview import HealthText
from server.response_store import StoreLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """Limits and habits; `None` means no limit. Satisfies `dialects.base.Rules`.

    A stream that is silent for `ping_seconds` gets a comment, and a whole reply that takes longer
    than `plain_ping_seconds` is begun with spaces; never with 0. `drain_seconds`: how long streams
    may go on after the server was told to stop.
    """

    version: str
    max_body_bytes: int = 32 * 1024 * 1024
    ping_seconds: float = 15.0
    plain_ping_seconds: float = 0.0
    drain_seconds: float = 30.0

    effort_default: Effort = "medium"
    output_tokens_limit: int | None = None
    n_limit: int = 4
    stop_limit: int = 16
    strict_params: bool = False
    reasoning_alias: bool = True
    completions_as_chat: bool = False
    ollama_truncate: bool = True
    # Whether nobody but programs of this machine reaches the server, and no proxy for others.
    local: bool = False

    # The word of a service that can answer, and the pages of other origins that may ask it.
    health_text: HealthText = "ok"
    cors_origins: tuple[str, ...] = ()

    # Whose word counts for where a request comes from.
    trusted_proxies: tuple[Network, ...] = ()

    # What is kept of responses that may be retrieved and gone on from.
    responses: StoreLimits = field(default_factory=StoreLimits)
