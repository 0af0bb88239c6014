"""Each variable, good and bad; where values come from; the slices that are handed out."""

import json
import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from server import __version__
from server.api.options import ApiOptions
from server.core.request import Sampling
from server.response_store import StoreLimits
from server.settings.checks import loopback
from server.settings.load import ENV_FILE_VARIABLE, SettingsError, find, load
from server.settings.machine import granted_cpus
from server.settings.model_file import DOWNLOADS, bundled_model
from server.settings.served import embedding_listing
from server.settings.settings import Settings
from server.settings.slices import (
    api_options,
    embedder_setup,
    generation_limits,
    model_options,
    sampling,
)
from server.settings.table import shown
from server.settings.values import Origins, Ports, Proxies, Seconds, Size
from server.worker.embedding.messages import EmbedderOptions
from server.worker.messages import PrefixOptions

KEYS = json.dumps({"sk-example-key-1": {"user": "admin", "permissions": ["all"]}})


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in (*Settings.model_fields, ENV_FILE_VARIABLE):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


# Variable, a good text and the value that it means.
GOOD = [
    ("UNKNOWN_MODEL", "Default", "default"),
    ("COMPLETIONS_AS_CHAT", "1", True),
    ("OLLAMA_TRUNCATE", "0", False),
    ("HEALTH_STATUS_TEXT", "Healthy", "healthy"),
    ("CORS_ALLOW_ORIGINS", "*", Origins(("*",))),
    (
        "CORS_ALLOW_ORIGINS",
        "https://A.b/, http://localhost:3000,,",
        Origins(("https://a.b", "http://localhost:3000")),
    ),
    ("CORS_ALLOW_ORIGINS", "app://obsidian.md", Origins(("app://obsidian.md",))),
    ("MODEL_NAME", "my-model", "my-model"),
    ("DEFAULT_MODEL", "gpt-oss:20b", "gpt-oss:20b"),
    ("CONTEXT_LENGTH", "131072", 131072),
    ("N_PARALLEL", "1", 1),
    ("N_THREADS", "3", 3),
    ("N_GPU_LAYERS", "auto", -2),
    ("N_GPU_LAYERS", "ALL", -1),
    ("N_GPU_LAYERS", "-1", -1),
    ("N_GPU_LAYERS", "0", 0),
    ("N_GPU_LAYERS", "12", 12),
    ("REQUIRE_GPU", "1", True),
    ("N_CPU_MOE", "24", 24),
    ("WEIGHT_REPACK", "Off", "off"),
    ("MAX_STALL_MS", "250", 250),
    ("N_PARALLEL_PER_KEY", "2", 2),
    ("MAX_QUEUE", "0", 0),
    ("SPECULATION", "Off", "off"),
    ("MAX_QUEUE_SECONDS", "2.5", 2.5),
    ("PREFIX_CACHE_RAM", "Auto", Size(-1)),
    ("PREFIX_CACHE_RAM", "0", Size(0)),
    ("PREFIX_CACHE_RAM", "1000000", Size(1_000_000)),
    ("PREFIX_CACHE_RAM", "512MiB", Size(512 << 20)),
    ("PREFIX_CACHE_RAM", "2 gb", Size(2 << 30)),
    ("PREFIX_CACHE_DIR", "/var/cache/prefixes", Path("/var/cache/prefixes")),
    ("PREFIX_CACHE_DISK", "10GiB", Size(10 << 30)),
    ("PREFIX_CACHE_DISK", "64k", Size(64 << 10)),
    ("PREFIX_SHARING", "ALL", "all"),
    ("EMBEDDING_MODEL_NAME", "nomic-embed", "nomic-embed"),
    ("EMBEDDING_CONTEXT_LENGTH", "8192", 8192),
    ("EMBEDDING_MATRYOSHKA", "on", True),
    ("INCLUDE_DEFAULT_MODELS", "1", True),
    ("DEFAULT_DEVICE", "CPU", "cpu"),
    ("MAX_CONTEXT_TOKENS", "2048", 2048),
    ("MAX_LOADED_MODELS", "3", 3),
    ("MAX_MODEL_WORKERS", "1", 1),
    ("MODEL_KEEP_ALIVE", "1h30m", Seconds(5400.0)),
    ("MODEL_KEEP_ALIVE", "-1", Seconds(-1.0)),
    ("MODEL_LOAD_SECONDS", "60", 60.0),
    ("BASE_URL", "https://oss.example", "https://oss.example"),
    ("BASE_URL_KEY", " sk-1 ", SecretStr("sk-1")),
    ("VERCEL_MINIMAL_API_URL", "https://a.example/api/chat", "https://a.example/api/chat"),
    ("VERCEL_SESSION_PREFIX", "shop", "shop"),
    ("UPSTREAM_TIMEOUT_SECONDS", "5", 5.0),
    ("MAX_INPUT_TOKENS", "4096", 4096),
    ("MAX_INPUT_TOKENS", "", None),
    ("MAX_OUTPUT_TOKENS", " 256 ", 256),
    ("OUTPUT_TOKENS_LIMIT", "2048", 2048),
    ("REQUEST_TIMEOUT_SECONDS", "30", 30.0),
    ("MAX_BODY_BYTES", "1048576", 1048576),
    ("DEFAULT_TEMPERATURE", "0.7", 0.7),
    ("DEFAULT_TEMPERATURE", "0", 0.0),
    ("DEFAULT_TOP_P", "0.9", 0.9),
    ("DEFAULT_TOP_K", "50", 50),
    ("DEFAULT_MIN_P", "0.05", 0.05),
    ("DEFAULT_REPEAT_PENALTY", "1.1", 1.1),
    ("DEFAULT_FREQUENCY_PENALTY", "-0.5", -0.5),
    ("DEFAULT_PRESENCE_PENALTY", "0.5", 0.5),
    ("REASONING_EFFORT_DEFAULT", "LOW", "low"),
    ("REASONING_BUDGET", "0", 0),
    ("REASONING_ALIAS", "off", False),
    ("STRICT_PARAMS", "1", True),
    ("RESPONSES_STORE_COUNT", "0", 0),
    ("RESPONSES_STORE_BYTES", "1GiB", Size(1 << 30)),
    ("RESPONSES_STORE_SECONDS", "3600", 3600.0),
    ("ALLOW_ANONYMOUS", "true", True),
    ("HOST", "::1", "::1"),
    ("PORT", "0", 0),
    ("PORT", "65535", 65535),
    ("EXTRA_PORTS", "8080", Ports((8080,))),
    ("EXTRA_PORTS", " 8080, 3000,8080,, 0", Ports((8080, 3000, 0))),
    ("EXTRA_PORTS", "", None),
    ("OLLAMA_PORT", "11434", 11434),
    ("ROOT_PATH", "/gpt/api", "/gpt/api"),
    (
        "TRUSTED_PROXIES",
        " 127.0.0.1, 10.0.0.0/8 ,2001:db8::1,",
        Proxies((ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("2001:db8::1"))),
    ),
    ("SSE_PING_SECONDS", "2.5", 2.5),
    ("PLAIN_PING_SECONDS", "30", 30.0),
    ("SHUTDOWN_TIMEOUT_SECONDS", "0", 0),
    ("LOG_LEVEL", "DEBUG", "debug"),
    ("MODELS_DIR", "/srv/models", Path("/srv/models")),
    ("HF_ENDPOINT", "http://127.0.0.1:80/hub", "http://127.0.0.1:80/hub"),
    ("HF_TOKEN", " hf_x ", SecretStr("hf_x")),
]

# Variable, a bad text and the whole sentence about it after the variable's name.
BAD = [
    ("UNKNOWN_MODEL", "first", '"first" is not one of refuse, default; set UNKNOWN_MODEL=refuse'),
    ("COMPLETIONS_AS_CHAT", "y/n", '"y/n" is not 1 or 0 (or true, false, on, off)'),
    ("OLLAMA_TRUNCATE", "2", '"2" is not 1 or 0 (or true, false, on, off)'),
    ("HEALTH_STATUS_TEXT", "fine", '"fine" is not one of ok, healthy; set HEALTH_STATUS_TEXT=ok'),
    ("CORS_ALLOW_ORIGINS", "https://a.b,c.d", '"c.d" is not an origin; write https://chat.'),
    ("CORS_ALLOW_ORIGINS", "https://a.b/chat", '"https://a.b/chat" is not an origin; write'),
    ("MODELS_DIR", __file__, f"{__file__} is not a folder; name one"),
    ("HF_ENDPOINT", "hf.co", '"hf.co" is not a URL; set HF_ENDPOINT=https://huggingface.co'),
    ("HF_TOKEN", "hf_secret token", "this is no token: it has spaces or foreign letters; copy it"),
    ("MODEL_NAME", "two words", '"two words" is not a name without spaces'),
    ("DEFAULT_MODEL", "a b", '"a b" is not a name without spaces'),
    ("DEFAULT_MODEL", "gpt-4o", "gpt-4o is not the name of a model that writes; set DEF"),
    ("CONTEXT_LENGTH", "8k", '"8k" is not a whole number of at least 256; set CONTEXT_LENGTH=8192'),
    ("N_PARALLEL", "0", '"0" is not a whole number between 1 and 256; set N_PARALLEL=4'),
    ("N_THREADS", "all", '"all" is not a whole number between 1 and 1024; set N_THREADS=4'),
    ("N_GPU_LAYERS", "-3", '"-3" is not auto, all or a count of layers; set N_GPU_LAYERS=auto'),
    ("N_GPU_LAYERS", "²", '"²" is not auto, all or a count of layers'),
    ("REQUIRE_GPU", "cuda", '"cuda" is not 1 or 0 (or true, false, on, off); set REQUIRE_GPU=0'),
    ("N_CPU_MOE", "-1", '"-1" is not a whole number of at least 0; set N_CPU_MOE=0'),
    ("WEIGHT_REPACK", "yes", '"yes" is not one of auto, on, off; set WEIGHT_REPACK=auto'),
    ("MAX_STALL_MS", "0", '"0" is not a whole number of at least 1; set MAX_STALL_MS=700'),
    ("MAX_QUEUE", "-1", '"-1" is not a whole number of at least 0; set MAX_QUEUE=64'),
    (
        "N_PARALLEL_PER_KEY",
        "0",
        '"0" is not a whole number of at least 1; set N_PARALLEL_PER_KEY',
    ),
    ("SPECULATION", "on", '"on" is not one of auto, off; set SPECULATION=auto'),
    ("MAX_QUEUE_SECONDS", "0", '"0" is not a number above 0; set MAX_QUEUE_SECONDS=600'),
    ("EMBEDDING_MODEL_PATH", "/nowhere/e.gguf", "/nowhere/e.gguf does not exist; set it to a GGUF"),
    ("EMBEDDING_MODEL_NAME", "a b", '"a b" is not a name without spaces'),
    ("EMBEDDING_CONTEXT_LENGTH", "8", '"8" is not a whole number of at least 16'),
    ("EMBEDDING_MATRYOSHKA", "2", '"2" is not 1 or 0'),
    ("MODEL_REGISTRY_PATH", "/nowhere/r.yaml", "/nowhere/r.yaml cannot be read (No such file"),
    ("INCLUDE_DEFAULT_MODELS", "0", "without the model of MODEL_PATH there is none that writes"),
    ("MODEL_ALLOW_LIST", "a, b", "a is not in the list of MODEL_REGISTRY_PATH; leave it out"),
    ("DEFAULT_DEVICE", "tpu", '"tpu" is not one of auto, cpu, cuda, mps; set DEFAULT_DEVICE=auto'),
    ("MAX_CONTEXT_TOKENS", "8", '"8" is not a whole number of at least 16; set MAX_CONTEXT_TOK'),
    ("MAX_LOADED_MODELS", "0", '"0" is not a whole number of at least 1; set MAX_LOADED_MODELS=2'),
    ("MAX_MODEL_WORKERS", "0", '"0" is not a whole number of at least 1; set MAX_MODEL_WORKERS=2'),
    ("MODEL_KEEP_ALIVE", "long", '"long" is not a duration; write seconds, or 5m, or -1 for ever'),
    ("MODEL_LOAD_SECONDS", "0", '"0" is not a number above 0; set MODEL_LOAD_SECONDS=300'),
    ("BASE_URL", "oss.example", '"oss.example" is not a URL; set BASE_URL=https://'),
    ("BASE_URL_KEY", "sk secret", "this is no token: it has spaces or foreign letters; copy it"),
    ("VERCEL_MINIMAL_API_URL", "https://a?b", '"https://a?b" is not a URL; set VERCEL_MIN'),
    ("VERCEL_SESSION_PREFIX", "my shop", '"my shop" is not a word; set VERCEL_SESSION_PREFIX=shop'),
    ("OLLAMA_BASE_URL", "http://a", "no model of that server is named; set OLLAMA_UPSTREAM_MODELS"),
    ("OLLAMA_UPSTREAM_MODELS", "a", "nobody says where that server is; set OLLAMA_BASE_URL=http"),
    ("UPSTREAM_TIMEOUT_SECONDS", "0", '"0" is not a number above 0; set UPSTREAM_TIMEOUT_SEC'),
    ("PREFIX_CACHE_RAM", "-1", '"-1" is not a number of bytes; write it like 512MiB or 4GiB'),
    ("PREFIX_CACHE_RAM", "1.5GiB", '"1.5GiB" is not a number of bytes'),
    ("PREFIX_CACHE_DIR", __file__, f"{__file__} is not a folder; name one, or set"),
    ("PREFIX_CACHE_DISK", "auto", '"auto" is not a number of bytes; write it like 512MiB or 4GiB'),
    ("PREFIX_CACHE_DISK", "4TiB", '"4TiB" is not a number of bytes'),
    ("PREFIX_SHARING", "some", '"some" is not one of key, all; set PREFIX_SHARING=key'),
    ("MAX_INPUT_TOKENS", "0", '"0" is not a whole number of at least 1'),
    ("MAX_OUTPUT_TOKENS", "1.5", '"1.5" is not a whole number of at least 1'),
    ("OUTPUT_TOKENS_LIMIT", "no", '"no" is not a whole number of at least 1'),
    ("REQUEST_TIMEOUT_SECONDS", "0", '"0" is not a number above 0'),
    ("REQUEST_TIMEOUT_SECONDS", "nan", '"nan" is not a number above 0'),
    ("REQUEST_TIMEOUT_SECONDS", "inf", '"inf" is not a number above 0'),
    ("MAX_BODY_BYTES", "32M", '"32M" is not a whole number of at least 1024'),
    ("DEFAULT_TEMPERATURE", "hot", '"hot" is not a number between 0 and 5'),
    ("DEFAULT_TEMPERATURE", "inf", '"inf" is not a number between 0 and 5'),
    ("DEFAULT_TOP_P", "0", '"0" is not a number above 0 and of at most 1; set DEFAULT_TOP_P=1.0'),
    ("DEFAULT_TOP_K", "-1", '"-1" is not a whole number of at least 0'),
    ("DEFAULT_MIN_P", "2", '"2" is not a number between 0 and 1'),
    ("DEFAULT_REPEAT_PENALTY", "0", '"0" is not a number above 0 and of at most 10'),
    ("DEFAULT_FREQUENCY_PENALTY", "3", '"3" is not a number between -2 and 2'),
    ("DEFAULT_PRESENCE_PENALTY", "-3", '"-3" is not a number between -2 and 2'),
    ("REASONING_EFFORT_DEFAULT", "max", '"max" is not one of low, medium, high'),
    ("REASONING_BUDGET", "-1", '"-1" is not a whole number of at least 0; set REASONING_BUDGET='),
    ("REASONING_ALIAS", "2", '"2" is not 1 or 0 (or true, false, on, off); set REASONING_ALIAS=1'),
    ("STRICT_PARAMS", "maybe", '"maybe" is not 1 or 0 (or true, false, on, off)'),
    ("RESPONSES_STORE_COUNT", "-1", '"-1" is not a whole number of at least 0'),
    ("RESPONSES_STORE_BYTES", "much", '"much" is not a number of bytes; write it like 512MiB'),
    ("RESPONSES_STORE_SECONDS", "1d", '"1d" is not a number of at least 0'),
    ("ALLOW_ANONYMOUS", "2", '"2" is not 1 or 0 (or true, false, on, off); set ALLOW_ANONYMOUS=0'),
    ("API_KEYS", "sk-secret", "this is neither JSON nor a Python dict like"),
    ("API_KEYS_FILE", "/nowhere/keys.json", "/nowhere/keys.json cannot be read (No such file"),
    ("HOST", "http://x/", '"http://x/" is not an address or host name; set HOST=127.0.0.1'),
    ("HOST", "0.0.0.0", "0.0.0.0 can be reached from other machines, and there are no keys"),
    ("PORT", "abc", '"abc" is not a whole number between 0 and 65535; set PORT=8000'),
    ("PORT", "65536", '"65536" is not a whole number between 0 and 65535; set PORT=8000'),
    ("EXTRA_PORTS", "8080;3000", '"8080;3000" is not a port between 0 and 65535; write 8080'),
    ("EXTRA_PORTS", "65536", '"65536" is not a port between 0 and 65535'),
    ("EXTRA_PORTS", "9" * 99, f'"{"9" * 99}" is not a port'),
    ("EXTRA_PORTS", "1,2,3,4,5,6,7,8,9", "these are 9 ports, more than 8; leave some out"),
    ("OLLAMA_PORT", "-1", '"-1" is not a whole number between 0 and 65535; set OLLAMA_PORT=11434'),
    ("OLLAMA_PORT", "8000", "8000 is PORT already; set OLLAMA_PORT=11434, or leave it out"),
    ("TRUSTED_PROXIES", "127.0.0.1,*", '"*" is not an address or a network; write 127.0.0.1 or'),
    ("TRUSTED_PROXIES", "10.0.0.1/8", '"10.0.0.1/8" is not an address or a network; write'),
    ("TRUSTED_PROXIES", "127.0.0.1", "a proxy lets others in, and there are no keys; set API_KEYS"),
    ("ROOT_PATH", "gpt", '"gpt" is not a path like /gpt, without a slash at its end'),
    ("ROOT_PATH", "/gpt/", '"/gpt/" is not a path like /gpt, without a slash at its end'),
    ("SSE_PING_SECONDS", "-1", '"-1" is not a number of at least 0; set SSE_PING_SECONDS=15.0'),
    ("PLAIN_PING_SECONDS", "-1", '"-1" is not a number of at least 0; set PLAIN_PING_SECONDS=30'),
    ("SHUTDOWN_TIMEOUT_SECONDS", "-1", '"-1" is not a whole number of at least 0'),
    ("LOG_LEVEL", "loud", '"loud" is not one of debug, info, warning, error; set LOG_LEVEL=info'),
    ("MODEL_PATH", "/nowhere/model.gguf", "/nowhere/model.gguf does not exist; set it to a GGUF"),
]


@pytest.mark.parametrize(("variable", "text", "value"), GOOD)
def test_good_value(monkeypatch: pytest.MonkeyPatch, variable: str, text: str, value: object):
    # Proxies without keys would be refused.
    monkeypatch.setenv("ALLOW_ANONYMOUS", "1")
    monkeypatch.setenv(variable, text)
    assert getattr(load(), variable.lower()) == value


@pytest.mark.parametrize(("variable", "text", "sentence"), BAD)
def test_bad_value_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, sentence: str
):
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError) as caught:
        load()
    line = str(caught.value)
    assert line.startswith(f"{variable}: {sentence}")
    assert "\n" not in line
    assert "secret" not in line


def test_every_variable_is_in_both_tables():
    names = {name.upper() for name in Settings.model_fields}
    # What these read are files; they have tests of their own.
    read_files = {"MODEL_PATH", "EMBEDDING_MODEL_PATH", "API_KEYS", "API_KEYS_FILE"}
    read_files |= {"MODEL_REGISTRY_PATH", "MODEL_ALLOW_LIST"}
    # Neither makes sense without the other.
    read_files |= {"OLLAMA_BASE_URL", "OLLAMA_UPSTREAM_MODELS"}
    assert {variable for variable, _, _ in GOOD} == names - read_files
    assert {variable for variable, _, _ in BAD} == names


def test_an_extra_port_may_be_the_port_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXTRA_PORTS", "8080,3000")
    assert load().further_ports == (8080, 3000)
    monkeypatch.setenv("PORT", "8080")
    assert load().further_ports == (3000,)
    assert shown(load().extra_ports) == "8080,3000"


def test_an_extra_port_is_not_ollamas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXTRA_PORTS", "8080,11434")
    monkeypatch.setenv("OLLAMA_PORT", "11434")
    with pytest.raises(SettingsError, match=r"^OLLAMA_PORT: 11434 is one of EXTRA_PORTS; set"):
        load()


def test_all_problems_are_listed(monkeypatch: pytest.MonkeyPatch):
    for variable, text in {"PORT": "x", "N_PARALLEL": "x", "HOST": "0.0.0.0"}.items():
        monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError) as caught:
        load()
    assert [each.variable for each in caught.value.problems] == ["N_PARALLEL", "PORT", "HOST"]


def test_wrong_keys_are_not_also_called_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("API_KEYS", "{")
    assert [each.variable for each in find().problems] == ["API_KEYS"]


@pytest.mark.parametrize(
    "more", [{"API_KEYS": KEYS}, {"ALLOW_ANONYMOUS": "1"}, {"HOST": "localhost"}]
)
def test_public_address_with_a_reason_to_be(monkeypatch: pytest.MonkeyPatch, more: dict[str, str]):
    for variable, text in {"HOST": "0.0.0.0", **more}.items():
        monkeypatch.setenv(variable, text)
    assert load()


def test_a_proxy_before_a_server_with_keys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")
    monkeypatch.setenv("API_KEYS", KEYS)
    proxies = api_options(load()).trusted_proxies
    assert proxies == (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"))
    assert shown(load().trusted_proxies) == "127.0.0.1,10.0.0.0/8"


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1]", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_loopback(host: str, own: bool):
    assert loopback(host) is own


def test_flag_wins_over_environment_and_environment_over_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / ".env").write_text("PORT=1\nN_PARALLEL=1\nMAX_QUEUE=1\nCONTEXT_LENGTH=1000\n")
    named = tmp_path / "named.env"
    named.write_text("export PORT=2\nN_PARALLEL=2\nMAX_QUEUE='2'\n")
    monkeypatch.setenv(ENV_FILE_VARIABLE, str(named))
    monkeypatch.setenv("PORT", "3")
    monkeypatch.setenv("N_PARALLEL", "3")
    findings = find({"port": "4"})
    settings = findings.settings
    assert not findings.problems
    assert (settings.port, settings.n_parallel, settings.max_queue) == (4, 3, 2)
    assert settings.context_length == 1000
    assert findings.origins == {
        "port": "command line",
        "n_parallel": "environment",
        "max_queue": str(named),
        "context_length": str(tmp_path / ".env"),
    }


def test_keys_of_variable_and_file_are_joined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "keys.json"
    file.write_text(KEYS.replace("key-1", "key-2").replace("admin", "user1"))
    monkeypatch.setenv("API_KEYS", KEYS)
    monkeypatch.setenv("API_KEYS_FILE", str(file))
    settings = load()
    assert settings.keys.users() == ["admin", "user1"]
    assert str(settings.api_keys_file) == f"{file} (1 key)"
    assert "sk-example" not in repr(settings)


def test_same_key_in_variable_and_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "keys.json").write_text(KEYS)
    monkeypatch.setenv("API_KEYS", KEYS)
    monkeypatch.setenv("API_KEYS_FILE", "keys.json")
    assert [str(each) for each in find().problems] == [
        "API_KEYS: a key stands in API_KEYS and in API_KEYS_FILE; remove it from one of them"
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"{", "neither JSON nor a Python dict"), (b"\xff\xfe{", "is not UTF-8 text")],
)
def test_bad_key_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, sentence: str
):
    (tmp_path / "keys.json").write_bytes(content)
    monkeypatch.setenv("API_KEYS_FILE", "keys.json")
    (problem,) = find().problems
    assert str(tmp_path / "keys.json") in problem.sentence
    assert sentence in problem.sentence


def test_named_env_file_must_be_readable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(ENV_FILE_VARIABLE, str(tmp_path / "absent.env"))
    (problem,) = find().problems
    assert str(problem) == (
        f"GPT_API_ENV_FILE: the file of settings {tmp_path / 'absent.env'} cannot be read"
        " (No such file or directory); correct or remove it"
    )


def test_env_file_that_is_no_text(tmp_path: Path):
    (tmp_path / ".env").write_bytes(b"PORT=\xff\n")
    (problem,) = find().problems
    assert "is not UTF-8 text" in problem.sentence


def test_slip_of_the_pen_in_a_file_is_told(tmp_path: Path):
    (tmp_path / ".env").write_text("MAX_OUTPUT_TOKEN=5\nPOSTGRES_PASSWORD=x\n")
    findings = find()
    assert not findings.problems
    assert [str(each) for each in findings.doubts] == [
        f"MAX_OUTPUT_TOKEN: stands in {tmp_path / '.env'}, but is no setting;"
        " did you mean MAX_OUTPUT_TOKENS?"
    ]


def test_settings_alone_never_look_at_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PORT", "1")
    assert Settings().port == 8000


def test_demonstration_model_answers_by_default():
    settings = load()
    assert settings.demonstration
    assert settings.model_file == bundled_model()
    assert settings.model_name == "gpt-oss-20b"


def test_named_model_is_no_demonstration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "a.gguf").write_bytes(b"GGUF and so on")
    monkeypatch.setenv("MODEL_PATH", "a.gguf")
    settings = load()
    assert settings.model_file == tmp_path / "a.gguf"
    assert not settings.demonstration


def test_installation_without_a_model_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.settings.model_file.BUNDLED_PLACES", ())
    with pytest.raises(SettingsError, match="MODEL_PATH: no model is named, and this installation"):
        load()
    with pytest.raises(FileNotFoundError):
        assert find().settings.model_file


def test_worker_gets_its_slice():
    options = model_options(Settings(n_gpu_layers="all", n_threads=3, max_queue=5))
    assert options.path == str(bundled_model())
    assert (options.gpu_layers, options.threads, options.queue_limit) == (-1, 3, 5)
    assert (options.context_length, options.slots, options.weight_repack) == (8192, 4, "auto")
    assert model_options(Settings()).threads == granted_cpus() <= (os.cpu_count() or 1)


def test_there_is_no_embedder_without_a_model():
    assert embedding_listing(Settings(n_threads=3)) is None


@pytest.mark.parametrize(("layers", "given"), [("0", 0), ("12", -2), ("all", -2), ("auto", -2)])
def test_embedder_gets_its_slice(layers: str, given: int):
    path = str(bundled_model())
    settings = Settings(
        embedding_model_path=path,
        embedding_model_name="nomic",
        embedding_context_length=512,
        embedding_matryoshka=True,
        n_gpu_layers=layers,
        n_threads=3,
        max_queue=5,
        weight_repack="off",
        request_timeout_seconds=9.0,
    )
    listing = embedding_listing(settings)
    assert listing is not None
    setup = embedder_setup(settings, listing)
    assert (setup.name, setup.shortens, setup.timeout_s) == ("nomic", True, 9.0)
    assert setup.model == EmbedderOptions(
        path=path,
        context_length=512,
        threads=3,
        gpu_layers=given,
        weight_repack="off",
        queue_limit=5,
    )


def test_one_name_stands_for_one_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMBEDDING_MODEL_NAME", "GPT-OSS")
    load()
    monkeypatch.setenv("EMBEDDING_MODEL_PATH", str(bundled_model()))
    with pytest.raises(SettingsError, match=r"^EMBEDDING_MODEL_NAME: GPT-OSS is a name of the oth"):
        load()


def test_worker_is_told_where_prompts_are_kept(tmp_path: Path):
    options = model_options(
        Settings(prefix_cache_ram="1GiB", prefix_cache_dir=tmp_path, prefix_cache_disk="0")
    )
    assert options.prefixes == PrefixOptions(
        memory_bytes=1 << 30, folder=str(tmp_path), disk_bytes=0
    )
    unset = model_options(Settings()).prefixes
    assert unset == PrefixOptions(memory_bytes=-1, folder="", disk_bytes=4 << 30)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/gpt-api:/var/lib/b"}, "/var/lib/gpt-api/prefixes"),
        ({"XDG_CACHE_HOME": "/tmp/cache"}, "/tmp/cache/gpt-api/prefixes"),
        ({"HOME": "/home/anna"}, "/home/anna/.cache/gpt-api/prefixes"),
        ({"STATE_DIRECTORY": "/state", "PREFIX_CACHE_DIR": "/own"}, "/own"),
    ],
)
def test_prompts_are_kept_with_the_services_state_or_the_users_caches(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str
):
    for name in ("STATE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert load().prefix_cache_dir == Path(folder)


@pytest.mark.parametrize(
    ("variables", "checkout", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/gpt-api:/var/lib/b"}, True, "/var/lib/gpt-api/models"),
        ({"XDG_DATA_HOME": "/data"}, True, DOWNLOADS),
        ({"XDG_DATA_HOME": "/data"}, False, "/data/gpt-api/models"),
        ({"HOME": "/home/anna"}, False, "/home/anna/.local/share/gpt-api/models"),
        ({"STATE_DIRECTORY": "/state", "MODELS_DIR": "/own"}, False, "/own"),
    ],
)
def test_models_land_with_the_services_state_the_sources_or_the_users_data(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], checkout: bool, folder: str
):
    for name in ("STATE_DIRECTORY", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    if not checkout:
        monkeypatch.setattr("server.settings.load.DOWNLOADS", Path("/nonexistent"))
    assert load().download_folder == Path(folder)


def test_model_on_a_hub_has_a_place_before_it_is_there():
    settings = Settings(model_path="hf.co/a/b:q/c.gguf", models_dir="/srv")
    assert settings.model_file == Path("/srv/c.gguf")
    assert shown(settings.model_path) == "hf.co/a/b:q/c.gguf"
    assert not settings.demonstration


def test_token_is_shown_to_nobody():
    settings = Settings(hf_token="hf_secret")
    assert settings.hub_token == "hf_secret"
    assert "hf_secret" not in repr(settings) + shown(settings.hf_token)


@pytest.mark.parametrize("text", ["auto", "0", "1000", "512MiB", "4GiB", "5000KiB"])
def test_a_size_is_shown_as_it_is_written(text: str):
    assert str(Settings(prefix_cache_ram=text).prefix_cache_ram) == text


def test_api_gets_its_slice():
    options = api_options(Settings(max_body_bytes=5000, output_tokens_limit=9, strict_params=True))
    assert (options.max_body_bytes, options.output_tokens_limit) == (5000, 9)
    assert (options.strict_params, options.reasoning_alias) == (True, True)
    settings = Settings(
        completions_as_chat=True,
        ollama_truncate=False,
        health_status_text="healthy",
        cors_allow_origins="https://a.b",
    )
    options = api_options(settings)
    assert (options.completions_as_chat, options.health_text) == (True, "healthy")
    assert not options.ollama_truncate
    assert options.cors_origins == ("https://a.b",)
    assert options.version == __version__
    assert api_options(Settings()) == ApiOptions(version=__version__, local=True)


@pytest.mark.parametrize(
    ("changes", "local"),
    [
        ({}, True),
        ({"host": "::1"}, True),
        ({"host": "localhost"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"trusted_proxies": "127.0.0.1"}, False),
    ],
)
def test_a_server_for_its_own_machine_is_known(changes: dict[str, str], local: bool):
    assert api_options(Settings(**changes)).local == local


def test_store_of_responses_gets_its_limits():
    settings = Settings(
        responses_store_count=5, responses_store_bytes="1MiB", responses_store_seconds=60
    )
    expected = StoreLimits(count=5, bytes=1 << 20, seconds=60.0)
    assert api_options(settings).responses == expected


def test_sampling_is_complete_but_for_the_seed():
    filled = sampling(Settings(default_temperature=0.7, default_top_k=50))
    assert (filled.temperature, filled.top_k) == (0.7, 50)
    unset = [name for name in Sampling.__slots__ if getattr(filled, name) is None]
    assert unset == ["seed"]


def test_limits_get_what_a_request_may_use():
    limits = generation_limits(Settings(max_output_tokens=100, output_tokens_limit=60))
    assert (limits.max_tokens, limits.reasoning_budget, limits.timeout_s) == (60, None, 1800)
    assert generation_limits(Settings(reasoning_budget=0)).reasoning_budget == 0
    assert generation_limits(Settings(prefix_sharing="all")).shared_prefixes


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_folders_that_this_user_may_not_enter_are_no_accident(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "models").mkdir()
    os.seteuid(65534)
    try:
        folders = {"models_dir": str(closed / "models"), "prefix_cache_dir": str(closed / "p")}
        findings = find({**folders, "model_path": "gpt-oss-20b"})
    finally:
        os.seteuid(0)
    assert not findings.problems
    assert findings.settings.download_folder == closed / "models"
