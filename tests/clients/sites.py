"""Servers as operators of older services would set them up, and how their clients reach them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.clients.other_servers import OtherServers
from tests.clients.server_process import READY, ROOT, ServerProcess

SEEDS = Path(__file__).parent / "seeds"
TIME_LIMIT_S = 60
PAGE = "https://chat.example.com"
BUNDLED = ROOT / "models" / "gpt-oss-tiny.gguf"
_OLLAMA = re.compile(r"Ollama +(http://127\.0\.0\.1:\d+)")
_PROGRAMS = {
    ".sh": ("bash", "-c"),
    ".py": (sys.executable, "-c"),
    ".mjs": ("node", "--input-type=module", "-e"),
}


def seed(name: str) -> Any:
    """An example in JSON."""
    return json.loads((SEEDS / name).read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Site:
    """A running server: its address, and Ollama's beside it."""

    url: str
    ollama_url: str

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, timeout=TIME_LIMIT_S)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return httpx.post(self.url + path, json=body, headers=headers, timeout=TIME_LIMIT_S)

    def events(self, path: str, body: dict[str, Any]) -> list[str]:
        """The data of every server-sent event of a stream."""
        response = self.post(path, {**body, "stream": True})
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/event-stream")
        *frames, rest = response.text.split("\n\n")
        assert rest == ""
        return [frame.removeprefix("data: ") for frame in frames]

    def run(self, *names: str) -> str:
        """What these examples, one after the other in one program, write."""
        program, *flags = _PROGRAMS[Path(names[0]).suffix]
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
        text = "\n".join((SEEDS / name).read_text(encoding="utf-8") for name in names)
        if "| jq" in text and shutil.which("jq") is None:
            pytest.skip("jq is not installed")
        for written in ("http://localhost:8000", "https://<host>"):
            text = text.replace(written, self.url)
        text = text.replace("http://localhost:11434", self.ollama_url)
        done = subprocess.run(
            [program, *flags, text], capture_output=True, text=True, timeout=TIME_LIMIT_S
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def reply(self, *names: str) -> Any:
        """The JSON that an example gets."""
        return json.loads(self.run(*names))


@dataclass(frozen=True, kw_only=True)
class Sites:
    """`open`: as it comes, with a port for Ollama's clients; `keyed`: with the keys of an older
    service's `app.py`; `tuned`: with everything set that can be; `listed`: with a list of models;
    `proxy`: without a model of its own, before the `others`.
    """

    open: Site
    keyed: Site
    tuned: Site
    listed: Site
    proxy: Site
    others: OtherServers


TUNED = {
    "MODEL_PATH": str(ROOT / "models" / "gpt-oss-tiny"),
    "MODEL_NAME": "GPT3-dev",
    "DEFAULT_MODEL": "gpt-oss:20b",
    "UNKNOWN_MODEL": "default",
    "HEALTH_STATUS_TEXT": "healthy",
    "CORS_ALLOW_ORIGINS": f"http://localhost:5173,{PAGE}",
    "MAX_INPUT_TOKENS": "4096",
    "MAX_OUTPUT_TOKENS": "48",
    "OUTPUT_TOKENS_LIMIT": "1024",
    "DEFAULT_TEMPERATURE": "0.7",
    "DEFAULT_TOP_P": "0.9",
    "DEFAULT_TOP_K": "1",
    "REASONING_EFFORT_DEFAULT": "high",
    "REASONING_BUDGET": "64",
    "EMBEDDING_MODEL_NAME": "text-embedding",
}
COMPLETIONS_ONLY = "sk-completions-only"
KEYED = {
    "API_KEYS_FILE": str(SEEDS / "seed_1/api_keys.py"),
    "API_KEYS": f'{{"{COMPLETIONS_ONLY}": {{"user": "bot", "permissions": ["completions"]}}}}',
}


def proxying(others: OtherServers) -> dict[str, str]:
    """Settings of a server that is a proxy to those, and no more."""
    return {
        "INCLUDE_DEFAULT_MODELS": "0",
        "BASE_URL": others.url,
        "BASE_URL_KEY": "sk-of-the-proxy",
        "VERCEL_MINIMAL_API_URL": f"{others.url}/api/chat",
        "VERCEL_SESSION_PREFIX": "shop",
        "OLLAMA_BASE_URL": others.url,
        "OLLAMA_UPSTREAM_MODELS": "qwen3",
        "DEFAULT_MODEL": "gpt-oss-120b",
        "REASONING_EFFORT_DEFAULT": "high",
        "UPSTREAM_TIMEOUT_SECONDS": "3",
    }


# A list of models as an older service had one, and what that service set beside it.
LISTED = {
    "MODEL_ALLOW_LIST": "GPT-2,second,huge",
    "INCLUDE_DEFAULT_MODELS": "1",
    "DEFAULT_DEVICE": "cpu",
    "MAX_CONTEXT_TOKENS": "2048",
    "MAX_MODEL_WORKERS": "1",
}
SEED_IDS = (
    "GPT3-dev-350m-2805",
    "GPT3-dev-125m-0104",
    "GPT3-dev-125m-1202",
    "GPT3-dev-125m-0612",
    "GPT3-dev",
    "GPT3-dev-125m",
)


def write_list(folder: Path) -> Path:
    """Models by the names of that service, all of them really the bundled one; and one that fits
    into no machine, because of a hole behind its end.
    """
    huge = folder / "huge.gguf"
    shutil.copy(BUNDLED, huge)
    os.truncate(huge, 1 << 40)
    entries = [
        {"name": "GPT-2", "path": str(BUNDLED), "chat": False, "aliases": list(SEED_IDS)},
        {"name": "second", "path": str(BUNDLED), "max_context_tokens": 4096},
        {"name": "huge", "path": "huge.gguf"},
        {"name": "hidden", "path": str(BUNDLED)},
    ]
    file = folder / "registry.yaml"
    file.write_text(yaml.safe_dump(entries), encoding="utf-8")
    return file


@contextmanager
def running(*, models: int = 1, **settings: str) -> Iterator[Site]:
    """A server on the bundled model, which does not think for long, and perhaps another model."""
    given = {"MODEL_PATH": "", "N_THREADS": "1", "REASONING_BUDGET": "128", **settings}
    process = ServerProcess("--ollama-port", "0", **given)
    try:
        process.wait_until_listening()
        process.wait_for(_OLLAMA)
        while sum(bool(READY.search(line)) for line in process.log) < models:
            process.wait_for(READY)
        found = [match for line in process.log if (match := _OLLAMA.search(line))]
        yield Site(url=process.url, ollama_url=found[0][1])
    finally:
        assert process.stop() == 0
