"""The settings of responses that clients may retrieve and go on from: a part of Settings."""

from pydantic import BaseModel, ConfigDict

from server.settings.values import Bytes, Size, setting


class ResponsesSettings(BaseModel):
    """A base of Settings; its fields stand behind those of UpstreamSettings."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), arbitrary_types_allowed=True)

    responses_store_count: int = setting(
        1000, "Responses (/v1/responses) that are kept in memory; 0: none.", ge=0
    )
    responses_store_bytes: Bytes = setting(
        Size(64 << 20), "Memory for these responses, like 64MiB; 0: none."
    )
    responses_store_seconds: float = setting(
        86400.0, "How long such a response is kept.", ge=0, allow_inf_nan=False
    )
