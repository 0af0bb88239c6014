"""Every body that a route reads by itself, with what becomes of the fields that it does not
declare, and the options that one of them holds: for the description of the interface.
"""

from collections.abc import Mapping

from pydantic import BaseModel

from server.dialects import (
    anthropic_body,
    ollama_body,
    ollama_library,
    ollama_options,
    openai_chat_body,
    openai_completions_body,
    openai_embeddings,
    openai_responses_body,
    openai_tokens,
    simple,
)
from server.dialects.other_fields import OtherFields

_ANTHROPIC = OtherFields(ignored=anthropic_body.IGNORED, refused=anthropic_body.REFUSED)
_RESPONSES = OtherFields(
    ignored=openai_responses_body.IGNORED, refused=openai_responses_body.REFUSED
)
_OLLAMA = OtherFields(ignored=ollama_body.IGNORED)
# Nothing is generated.
_OLLAMA_EMBED = OtherFields(ignored=_OLLAMA.ignored | {"options"})
_OLLAMA_SHOW = OtherFields(ignored=_OLLAMA_EMBED.ignored - {"name"} | {"keep_alive"})
_GENERATE = OtherFields(
    ignored=_OLLAMA.ignored,
    refused={
        "suffix": "the model cannot fill in the middle of a text",
        "template": "this server writes the model's own format",
    },
)

BODIES: Mapping[type[BaseModel], OtherFields] = {
    openai_chat_body.ChatBody: openai_chat_body.OTHER_FIELDS,
    openai_completions_body.CompletionsBody: openai_completions_body.OTHER_FIELDS,
    openai_responses_body.ResponsesBody: _RESPONSES,
    openai_embeddings.EmbeddingsBody: OtherFields(ignored=openai_embeddings.IGNORED),
    anthropic_body.MessagesBody: _ANTHROPIC,
    anthropic_body.CountBody: _ANTHROPIC,
    simple.SimpleBody: simple.OTHER_FIELDS,
    openai_tokens.TokenizeBody: openai_tokens.TOKENIZE_FIELDS,
    openai_tokens.DetokenizeBody: OtherFields(),
    ollama_body.OllamaChatBody: _OLLAMA,
    ollama_body.OllamaGenerateBody: _GENERATE,
    ollama_body.OllamaShowBody: _OLLAMA_SHOW,
    ollama_body.OllamaEmbedBody: _OLLAMA_EMBED,
    ollama_library.PullBody: OtherFields(ignored=ollama_library.IGNORED),
    ollama_library.DeleteBody: OtherFields(),
    ollama_library.CopyBody: OtherFields(),
    ollama_library.CreateBody: OtherFields(
        ignored=ollama_library.IGNORED, refused=ollama_library.REFUSED
    ),
}
# Title -> option -> what becomes of it.
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "Ollama's options": {
        **dict.fromkeys(
            sorted({*ollama_options.INTEGERS, *ollama_options.FLOATS, "stop"}), "honoured"
        ),
        **dict.fromkeys(sorted(ollama_options.IGNORED), "ignored"),
    }
}
