"""What models are called where Ollama's users look for them, and which files on a hub these are.

Only the words are looked at; whether there is such a file, the hub knows.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from server.hub.reference import CATALOGUE, Reference, is_reference, read_reference

LATEST = ":latest"
_PREFIXES = ("registry.ollama.ai/", "library/")
# HOST/NAMESPACE/MODEL:TAG, of which the model alone has to be there.
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.\-/]*\w)?(?::\w[\w.\-]*)?", re.ASCII)
LONGEST_NAME = 255

# A name of Ollama's library -> a model that is published as one GGUF.
OLLAMA_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "gpt-oss": "gpt-oss-20b",
        "gpt-oss:20b": "gpt-oss-20b",
        "gpt-oss:120b": "gpt-oss-120b",
        "gemma3": "hf.co/ggml-org/gemma-3-4b-it-GGUF:Q4_K_M",
        "gemma3:1b": "hf.co/ggml-org/gemma-3-1b-it-GGUF:Q4_K_M",
        "gemma3:4b": "hf.co/ggml-org/gemma-3-4b-it-GGUF:Q4_K_M",
        "gemma3:12b": "hf.co/ggml-org/gemma-3-12b-it-GGUF:Q4_K_M",
        "gemma3:27b": "hf.co/ggml-org/gemma-3-27b-it-GGUF:Q4_K_M",
        "qwen3": "hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M",
        "qwen3:4b": "hf.co/Qwen/Qwen3-4B-GGUF:Q4_K_M",
        "qwen3:8b": "hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M",
        "qwen3:14b": "hf.co/Qwen/Qwen3-14B-GGUF:Q4_K_M",
        "qwen3:32b": "hf.co/Qwen/Qwen3-32B-GGUF:Q4_K_M",
        "devstral": "hf.co/mistralai/Devstral-Small-2507_gguf:Q4_K_M",
        "devstral:24b": "hf.co/mistralai/Devstral-Small-2507_gguf:Q4_K_M",
    }
)


def plain_name(text: str) -> str:
    """A name without what Ollama takes for granted: its registry, its library, its tag. Errors:
    ValueError for what can be no name.
    """
    name = text.strip()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    name = name.removesuffix(LATEST)
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(f'name "{text.strip()[:LONGEST_NAME]}" is invalid')
    return name


def place_of(name: str) -> Reference:
    """Where the model of a plain name is to be had. Errors: ValueError with one sentence."""
    known = OLLAMA_NAMES.get(name.lower(), name)
    if is_reference(known):
        return read_reference(known)
    names = dict.fromkeys((*OLLAMA_NAMES, *CATALOGUE))
    raise ValueError(
        f"this server knows no place for {name[:100]!r}; write hf.co/OWNER/REPO:FILE, or one of"
        f" {', '.join(names)}"
    )
