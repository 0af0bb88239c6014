"""Models of other servers: in the list of models, and by the variables of older services."""

from pathlib import Path
from typing import Any

import pytest

from server import assemble
from server.core.errors import ServerError
from server.engines.upstream import UpstreamEngine
from server.registry.entries import UPSTREAM
from server.settings.load import SettingsError, load
from server.settings.served import served
from server.settings.settings import Settings
from server.settings.slices import upstream_options
from server.settings.upstream_source import UpstreamSource


def upstreams(settings: Settings) -> dict[str, UpstreamSource]:
    return {
        each.name: each.origin
        for each in served(settings).listings
        if isinstance(each.origin, UpstreamSource)
    }


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings whose list of models is this text."""

    def read(text: str) -> Settings:
        path = tmp_path / "registry.yaml"
        path.write_text(text)
        monkeypatch.setenv("MODEL_REGISTRY_PATH", str(path))
        return load()

    return read


def test_nobody_is_asked_by_default() -> None:
    assert not upstreams(Settings())


def test_an_entry_may_name_another_server(listed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", "sk-far")
    settings = listed(
        """
- name: far
  aliases: [far-away]
  description: a model far away
  max_context_tokens: 131072
  upstream:
    base_url: https://api.example.com/v1
    model: gpt-4o
    api_key_env: FAR_KEY
    vision: true
    timeout: 2m
- name: near
  upstream: {base_url: "http://10.0.0.7:8080/v1", api_key: sk-near}
"""
    )
    assert upstreams(settings) == {
        "far": UpstreamSource(
            base_url="https://api.example.com/v1",
            model="gpt-4o",
            api_key="sk-far",
            vision=True,
            timeout_s=120.0,
        ),
        "near": UpstreamSource(base_url="http://10.0.0.7:8080/v1", model="near", api_key="sk-near"),
    }
    assert "sk-" not in f"{upstreams(settings)} {settings.model_registry_path}"


def test_the_engine_gets_what_the_entry_says(listed: Any) -> None:
    settings = listed(
        """
- name: gpt-oss-120b
  context_length: 8192
  upstream: {base_url: "http://10.0.0.7:8080/v1", reasoning: false, timeout: 7}
- name: gpt-oss:20b
  upstream: {base_url: "http://10.0.0.7:8080/v1"}
"""
    )
    options = [
        upstream_options(settings, each, each.origin)
        for each in served(settings).listings
        if isinstance(each.origin, UpstreamSource)
    ]
    first, second = options
    assert (first.timeout_s, first.reasoning, first.context_length) == (7.0, False, 8192)
    assert (second.timeout_s, second.reasoning, second.context_length) == (30.0, True, None)
    assert second.limits.timeout_s == 1800


async def test_its_entry_says_whose_it_is(listed: Any) -> None:
    settings = listed('- name: far\n  upstream: {base_url: "http://10.0.0.7/v1", vision: true}\n')
    entry = assemble.registry(settings).resolve("far").entry
    assert isinstance(entry.engine, UpstreamEngine)
    assert (entry.owner, entry.vision) == (UPSTREAM, True)
    own = assemble.registry(settings).default()
    assert (own.owner, own.vision) == ("gpt-api", False)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("upstream: {}", "upstream.base_url is missing"),
        ("upstream: {base_url: ftp://a}", "upstream.base_url is not an address like https"),
        ("upstream: {base_url: 'http://user:secret@a'}", "upstream.base_url is not an address"),
        ("upstream: {base_url: http://a, key: x}", "upstream.key is no key; there are base_url"),
        ("upstream: {base_url: http://a, wire: smoke}", "upstream.wire: "),
        ("upstream: {base_url: http://a, timeout: 0}", "upstream.timeout: "),
        ("upstream: {base_url: http://a, api_key: 'sk secret'}", "upstream.api_key is not a key"),
        ("upstream: {base_url: http://a, api_key: x, api_key_env: Y}", "leave one out"),
        ("upstream: {base_url: http://a, api_key_env: NO_SUCH}", "NO_SUCH, which api_key_env"),
        ("upstream: {base_url: http://a, api_key_env: ODD_KEY}", "ODD_KEY, which api_key_env"),
        ("upstream: {base_url: http://a, wire: chatkit, model: модель}", "a model in ASCII"),
        ("upstream: {base_url: http://a}\n  path: b", "it names no model, or two"),
        ("upstream: {base_url: http://a}\n  device: cpu", "device is of no use with upstream"),
        ("upstream: {base_url: http://a}\n  embeddings: true", "embeddings of other servers"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told(
    listed: Any, monkeypatch: pytest.MonkeyPatch, entry: str, words: str
) -> None:
    monkeypatch.setenv("ODD_KEY", "a secret")
    with pytest.raises(SettingsError) as caught:
        listed(f"- name: far\n  {entry}\n")
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_older_services_variables_name_their_servers() -> None:
    settings = Settings(
        base_url="https://oss.example",
        base_url_key="sk-oss",
        vercel_minimal_api_url="https://chat.example/api/chat",
        vercel_session_prefix="shop",
    )
    vercel = UpstreamSource(
        base_url="https://chat.example/api/chat",
        model="gpt-4o",
        wire="vercel",
        vision=True,
        session_prefix="shop",
    )
    found = upstreams(settings)
    # gpt-oss-20b is a name of the model that is here.
    assert set(found) == {"gpt-oss-120b", "gpt-4o", "gpt-4o-mini"}
    assert found["gpt-4o"] == vercel
    assert found["gpt-oss-120b"] == UpstreamSource(
        base_url="https://oss.example",
        model="gpt-oss-120b",
        api_key="sk-oss",
        wire="chatkit",
        reasoning=True,
    )


def test_the_smaller_model_is_asked_there_where_none_is_here() -> None:
    settings = Settings(base_url="https://oss.example", include_default_models=False)
    assert set(upstreams(settings)) == {"gpt-oss-120b", "gpt-oss-20b"}
    assert served(settings).default == "gpt-oss-120b"


def test_an_ollama_servers_models_are_named() -> None:
    settings = Settings(
        ollama_base_url="http://ollama:11434/", ollama_upstream_models="qwen3, gpt-oss:20b"
    )
    assert upstreams(settings) == {
        "qwen3": UpstreamSource(base_url="http://ollama:11434/v1", model="qwen3"),
        "gpt-oss:20b": UpstreamSource(
            base_url="http://ollama:11434/v1", model="gpt-oss:20b", reasoning=True
        ),
    }
    registry = assemble.registry(settings)
    assert registry.resolve("gpt-oss:20b").entry.owner == UPSTREAM
    assert registry.resolve("gpt-oss").entry.owner == "gpt-api"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OLLAMA_BASE_URL": "http://a"}, "OLLAMA_BASE_URL: no model of that server is named"),
        ({"OLLAMA_UPSTREAM_MODELS": "a"}, "OLLAMA_UPSTREAM_MODELS: nobody says where"),
        (
            {"OLLAMA_BASE_URL": "http://a", "OLLAMA_UPSTREAM_MODELS": "b,b:latest"},
            "OLLAMA_UPSTREAM_MODELS: b:latest is a name in it already",
        ),
        ({"BASE_URL": "http://me:secret@a"}, 'BASE_URL: "http://me'),
    ],
)
def test_contradictions_are_told(
    variables: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError) as caught:
        load()
    assert sentence in str(caught.value)


def test_a_model_of_another_server_may_be_the_default() -> None:
    settings = Settings(base_url="https://oss.example", default_model="gpt-oss-120b")
    assert assemble.registry(settings).default().owner == UPSTREAM


def test_an_upstream_has_no_file_here() -> None:
    settings = Settings(base_url="https://oss.example")
    listing = next(each for each in served(settings).listings if each.name == "gpt-oss-120b")
    with pytest.raises(TypeError):
        _ = listing.local_model


async def test_embeddings_are_not_asked_of_it() -> None:
    registry = assemble.registry(Settings(base_url="https://oss.example"))
    with pytest.raises(ServerError, match="makes no embeddings"):
        registry.resolve_embedder("gpt-oss-120b")
