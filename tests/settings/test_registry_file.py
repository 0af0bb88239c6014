"""The list of models: what may stand in it, and what is said of what may not."""

import json
import re
from pathlib import Path

import pytest
import yaml

from server.core.durations import read_duration
from server.hub.reference import CATALOGUE, Reference
from server.settings.load import SettingsError, find, load
from server.settings.model_file import bundled_model
from server.settings.registry_file import Entry, Listing, LocalSource, read_registry
from server.settings.served import served
from server.settings.settings import Settings
from server.settings.slices import embedder_setup, local_options
from tests.engines.models import TINY

EXAMPLE = Path(__file__).parents[2] / "models" / "registry.example.yaml"
SEED_IDS = {
    "GPT3-dev-350m-2805",
    "GPT3-dev-125m-0104",
    "GPT3-dev-125m-1202",
    "GPT3-dev-125m-0612",
    "GPT3-dev",
    "GPT3-dev-125m",
    "GPT-2",
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, content: object, name: str = "models.json") -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_yaml_and_json_mean_the_same(tmp_path: Path):
    yaml = """
    - name: GPT-2
      hf_repo: owner/gpt2-GGUF
      file: Q8_0
      aliases: [gpt2]
      dtype: float16
      device: CPU
      max_context_tokens: 1024
      chat: false
      keep_alive: 1h30m
    - {name: tiny, path: tiny.gguf, n_gpu_layers: all, n_parallel: 2, keep_alive: -1}
    - {name: nomic, path: nomic-embed-text, embeddings: true, context_length: 512}
    """
    entries = [
        {
            "name": "GPT-2",
            "hf_repo": "owner/gpt2-GGUF",
            "file": "Q8_0",
            "aliases": ["gpt2"],
            "dtype": "float16",
            "device": "cpu",
            "max_context_tokens": 1024,
            "chat": False,
            "keep_alive": 5400,
        },
        {"name": "tiny", "path": "tiny", "n_gpu_layers": -1, "n_parallel": 2, "keep_alive": "-1"},
        {
            "name": "nomic",
            "path": "NOMIC-embed-text",
            "embeddings": True,
            "max_context_tokens": 512,
        },
    ]
    (tmp_path / "tiny.gguf").symlink_to(TINY)
    read = read_registry(str(written(tmp_path, yaml, "models.yaml"))).listings
    assert read == read_registry(str(written(tmp_path, entries))).listings
    assert read == read_registry(str(written(tmp_path, {"models": entries}))).listings
    assert read == (
        Listing(
            name="GPT-2",
            origin=LocalSource(model=Reference(repo="owner/gpt2-GGUF", file="Q8_0")),
            aliases=("gpt2",),
            dtype="float16",
            device="cpu",
            gpu_layers=0,
            context_length=1024,
            chat=False,
            keep_alive_s=5400.0,
        ),
        Listing(
            name="tiny",
            origin=LocalSource(model=tmp_path / "tiny.gguf"),
            gpu_layers=-1,
            n_parallel=2,
            keep_alive_s=-1.0,
        ),
        Listing(
            name="nomic",
            origin=LocalSource(model=CATALOGUE["nomic-embed-text"]),
            embeddings=True,
            chat=False,
            context_length=512,
        ),
    )


GOOD = {"name": "a", "hf_repo": "o/r"}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"hf_repo": "o/r"}, "entry 1: name is missing"),
        (
            {"name": "two words", "hf_repo": "o/r"},
            "entry 1 (two words): name is not a name without spaces",
        ),
        ({"name": 7, "hf_repo": "o/r"}, "entry 1: name: input should be a valid string"),
        ("a", "entry 1: it is no mapping of keys to values"),
        ({"name": "a"}, "entry 1 (a): it names no model, or two; give one of path, hf_repo"),
        (GOOD | {"path": "x"}, "entry 1 (a): it names no model, or two; give one of"),
        ({"name": "a", "path": "no.gguf"}, "no.gguf does not exist; set it to a GGUF file"),
        ({"name": "a", "path": "b", "file": "c"}, "(a): file belongs to hf_repo; write the whole"),
        ({"name": "a", "hf_repo": "nothing"}, '"hf.co/nothing" is no model\'s name; write hf.co/'),
        (GOOD | {"temperature": 1}, "(a): temperature is no key; there are name, path, hf_repo"),
        (GOOD | {"device": "tpu"}, "(a): device: input should be 'auto', 'cpu', 'cuda' or 'mps'"),
        (
            GOOD | {"max_context_tokens": 1},
            "max_context_tokens: input should be greater than or eq",
        ),
        (
            GOOD | {"context_length": "x"},
            "(a): max_context_tokens: input should be a valid integer",
        ),
        (GOOD | {"aliases": ["b", 3]}, "(a): aliases[1]: input should be a valid string"),
        (GOOD | {"keep_alive": "soon"}, '(a): keep_alive: invalid duration "soon"'),
        (GOOD | {"device": "cpu", "n_gpu_layers": "all"}, "device is cpu, and n_gpu_layers puts"),
        (GOOD | {"n_gpu_layers": "many"}, "n_gpu_layers: input should be a valid integer"),
    ],
)
def test_a_fault_is_named_with_its_entry_and_field(tmp_path: Path, entry: object, sentence: str):
    file = written(tmp_path, [entry])
    findings = find({"model_registry_path": str(file)})
    (problem,) = findings.problems
    assert str(problem).startswith(f"MODEL_REGISTRY_PATH: {file}, entry 1")
    assert sentence in str(problem)
    assert "\n" not in str(problem)


def test_all_faults_are_told_together(tmp_path: Path):
    entries = [
        {"name": "a", "path": "no.gguf"},
        GOOD | {"n_parallel": 0, "max_context_tokens": 0},
        GOOD | {"name": "c", "aliases": ["A:latest"]},
        GOOD,
        GOOD | {"name": "d", "aliases": ["a"]},
    ]
    problems = find({"model_registry_path": str(written(tmp_path, entries))}).problems
    assert [str(each).partition(", entry ")[2].partition(":")[0] for each in problems] == [
        "1 (a)",
        "2 (a)",
        "2 (a)",
        "4 (a)",
        "5 (d)",
    ]
    assert str(problems[-1]).endswith("the name a is that of c too; change one")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.yaml", "- name: [", "is not YAML (while parsing a flow node"),
        ("a.json", "[{]", "is not JSON (Expecting property name"),
        ("a.yaml", "name: a", "holds no list of models; see models/registry.example.yaml"),
        ("a.yaml", "", "holds no list of models"),
        ("a.yaml", "- !!python/object:os.system {}", "is not YAML (could not determine a"),
        ("a.json", "[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, name: str, content: str, sentence: str):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as refused:
        read_registry(str(written(tmp_path, content, name)))
    assert sentence in str(refused.value)


def test_a_file_that_is_not_text_is_told(tmp_path: Path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        read_registry(str(tmp_path / "a.yaml"))


def test_the_example_has_the_names_that_older_clients_ask_for():
    listings = read_registry(str(EXAMPLE)).listings
    names = {name for each in listings for name in (each.name, *each.aliases)}
    assert names >= SEED_IDS
    assert all(not each.chat for each in listings if each.name in SEED_IDS)


def test_the_list_of_the_page_is_one():
    page = (EXAMPLE.parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    (block,) = (each for each in re.findall(r"```yaml\n(.*?)```", page, re.S) if "hf_repo" in each)
    entries = [Entry.model_validate(each) for each in yaml.safe_load(block)]
    assert [each.name for each in entries] == ["qwen3", "GPT-2", "nomic"]


# --- which models that makes ---------------------------------------------------------------------


def settings_with(tmp_path: Path, *entries: dict[str, object], **more: object) -> Settings:
    for entry in entries:
        if "hf_repo" not in entry:
            entry["path"] = str(TINY)
    return Settings(model_registry_path=str(written(tmp_path, list(entries))), **more)


def test_the_main_model_is_served_beside_the_list(tmp_path: Path):
    models = served(settings_with(tmp_path, {"name": "b"}, {"name": "c"}))
    assert [each.name for each in models.listings] == ["gpt-oss-20b", "b", "c"]
    assert (models.default, models.resident) == ("gpt-oss-20b", ("gpt-oss-20b",))


def test_the_list_may_be_all_there_is(tmp_path: Path):
    entries = ({"name": "e", "embeddings": True}, {"name": "b"}, {"name": "gpt-oss-20b"})
    models = served(settings_with(tmp_path, *entries, include_default_models=False))
    assert [each.name for each in models.listings] == ["e", "b", "gpt-oss-20b"]
    assert (models.default, models.resident) == ("b", ("b",))


def test_the_default_may_be_one_of_the_list(tmp_path: Path):
    entries = ({"name": "b", "aliases": ["bee"]},)
    models = served(
        settings_with(tmp_path, *entries, default_model="BEE", embedding_model_path=str(TINY))
    )
    assert [each.name for each in models.listings] == ["gpt-oss-20b", "b", "text-embedding"]
    assert models.resident == ("b", "text-embedding")


def test_only_allowed_ones_are_served(tmp_path: Path):
    entries = ({"name": "b"}, {"name": "c"})
    models = served(settings_with(tmp_path, *entries, model_allow_list=" C ,"))
    assert [each.name for each in models.listings] == ["gpt-oss-20b", "c"]


def test_an_alias_of_the_main_model_gives_way(tmp_path: Path):
    models = served(settings_with(tmp_path, {"name": "gpt-oss:20b"}, model_name="mine"))
    assert models.listings[0].aliases == ("gpt-oss-20b", "gpt-oss:latest", "gpt-oss")


@pytest.mark.parametrize(
    ("entries", "more", "sentence"),
    [
        (
            [{"name": "GPT-OSS-20B"}],
            {},
            "MODEL_REGISTRY_PATH: the name gpt-oss-20b of GPT-OSS-20B is MODEL_NAME too; change",
        ),
        (
            [{"name": "text-embedding"}],
            {"EMBEDDING_MODEL_PATH": str(TINY)},
            "MODEL_REGISTRY_PATH: the name text-embedding of text-embedding is EMBEDDING_MODEL_NA",
        ),
        (
            [{"name": "e", "embeddings": True}],
            {"DEFAULT_MODEL": "e"},
            "DEFAULT_MODEL: e is not the name of a model that writes; set DEFAULT_MODEL=gpt-oss",
        ),
        (
            [{"name": "e", "embeddings": True}],
            {"INCLUDE_DEFAULT_MODELS": "0"},
            "INCLUDE_DEFAULT_MODELS: without the model of MODEL_PATH there is none that writes",
        ),
        (
            [{"name": "b"}],
            {"MODEL_ALLOW_LIST": "b,nobody"},
            "MODEL_ALLOW_LIST: nobody is not in the list of MODEL_REGISTRY_PATH; leave it out",
        ),
        (
            [{"name": "b"}],
            {"MAX_LOADED_MODELS": "2", "MAX_MODEL_WORKERS": "1"},
            "MAX_MODEL_WORKERS: 1 is not what MAX_LOADED_MODELS says, which means the same; leave",
        ),
    ],
)
def test_contradictions_are_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: list[dict[str, object]],
    more: dict[str, str],
    sentence: str,
):
    file = written(tmp_path, [entry | {"path": str(TINY)} for entry in entries])
    for name, text in ({"MODEL_REGISTRY_PATH": str(file)} | more).items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value).startswith(sentence)
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize(
    ("own", "other", "limit"), [(None, None, None), (2, None, 2), (None, 1, 1)]
)
def test_the_limit_has_two_names(own: int | None, other: int | None, limit: int | None):
    assert Settings(max_loaded_models=own, max_model_workers=other).loaded_limit == limit


# --- how each is loaded --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "more", "layers"),
    [
        ({}, {}, -2),
        ({}, {"default_device": "cpu"}, 0),
        ({}, {"default_device": "cuda"}, -1),
        ({}, {"default_device": "mps"}, -1),
        ({}, {"default_device": "cpu", "n_gpu_layers": "auto"}, -2),
        ({}, {"n_gpu_layers": "7"}, 7),
        ({"device": "cpu"}, {"default_device": "cuda"}, 0),
        ({"n_gpu_layers": 3}, {"default_device": "cpu"}, 3),
        ({"n_gpu_layers": "auto", "device": "cuda"}, {}, -2),
    ],
)
def test_devices_are_layers(
    tmp_path: Path, entry: dict[str, object], more: dict[str, object], layers: int
):
    settings = settings_with(tmp_path, {"name": "b"} | entry, **more)
    main, listed = served(settings).listings
    assert local_options(settings, listed, resident=False).model.gpu_layers == layers
    if not entry:
        assert local_options(settings, main, resident=True).model.gpu_layers == layers


@pytest.mark.parametrize(
    ("entry", "more", "length"),
    [
        ({}, {}, 8192),
        ({}, {"max_context_tokens": 2048}, 2048),
        ({"context_length": 512}, {"max_context_tokens": 2048}, 512),
        ({"embeddings": True}, {}, 2048),
        ({"embeddings": True}, {"max_context_tokens": 100}, 100),
        ({"embeddings": True, "max_context_tokens": 50}, {}, 50),
    ],
)
def test_contexts_have_their_lengths(
    tmp_path: Path, entry: dict[str, object], more: dict[str, object], length: int
):
    settings = settings_with(tmp_path, {"name": "b"} | entry, **more)
    main, listed = served(settings).listings
    make = embedder_setup(settings, listed) if listed.embeddings else None
    options = make or local_options(settings, listed, resident=False)
    assert options.model.context_length == length
    assert local_options(settings, main, resident=True).model.context_length == 8192


def test_who_comes_and_goes_leaves_the_folder_of_prompts_to_the_other(tmp_path: Path):
    settings = settings_with(tmp_path, {"name": "b", "n_parallel": 1}, prefix_cache_dir="/p")
    main, listed = served(settings).listings
    options = local_options(settings, listed, resident=False)
    assert (options.model.prefixes.folder, options.model.prefixes.disk_bytes) == ("", 0)
    assert options.model.prefixes.memory_bytes == 256 << 20
    assert options.model.slots == 1
    assert local_options(settings, main, resident=True).model.prefixes.folder == "/p"
    small = settings_with(tmp_path, {"name": "b"}, prefix_cache_ram="1MiB")
    given = local_options(small, served(small).listings[1], resident=False)
    assert given.model.prefixes.memory_bytes == 1 << 20


def test_the_bundled_model_is_a_demonstration_under_every_name(tmp_path: Path):
    settings = settings_with(tmp_path, {"name": "b", "chat": False})
    options = local_options(settings, served(settings).listings[1], resident=False)
    assert bundled_model() == TINY
    assert (options.demonstration, options.name) == (True, "b")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("5m", 300), ("1h30m", 5400), ("-1", -1), ("-1m", -60), ("1.5s", 1.5), ("0", 0)],
)
def test_durations_are_gos(text: str, seconds: float):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "5 m", "1d", "x", "9" * 100])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="invalid duration"):
        read_duration(text)
