"""The image and the files that start it: they fit the server, the sources and one another.

What a build of it does is tried elsewhere; here nothing is built.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.application import create_app
from server.hub.reference import CATALOGUE
from server.service.serving import LAST_WORDS_S
from server.settings.load import ENV_FILE_VARIABLE, find
from server.settings.settings import Settings
from tests.dockerfile import Ignored, Instruction, assignments, read_instructions

ROOT = Path(__file__).resolve().parent.parent
INSTRUCTIONS = read_instructions((ROOT / "Dockerfile").read_text())
LAST_STAGE = INSTRUCTIONS[-1].stage
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
RENDER = yaml.safe_load((ROOT / "render.yaml").read_text())
KEYS = '{"sk-example-key-1": {"user": "admin", "permissions": ["all"]}}'
# What is no setting: the system's, Python's, and the one key that scripts/container reads.
NOT_OURS = {"PATH", "HOME", "PYTHONUNBUFFERED", "GPT_API_KEY"}
# From SIGTERM until Docker's SIGKILL, unless something else is said.
DOCKER_WAITS_S = 10
# Beyond the last words: for workers to leave.
FAREWELL_S = 5


def instructions(name: str) -> list[Instruction]:
    """Those of the image itself, not of what builds it."""
    return [each for each in INSTRUCTIONS if each.name == name and each.stage == LAST_STAGE]


def environment() -> dict[str, str]:
    return {name: text for each in instructions("ENV") for name, text in assignments(each).items()}


def settings_of(variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the server makes of them; all that it may miss there is the folder of the image."""
    for name in (*Settings.model_fields, ENV_FILE_VARIABLE):
        monkeypatch.delenv(name.upper(), raising=False)
    for name, text in {**variables, "API_KEYS": KEYS}.items():
        monkeypatch.setenv(name, str(text))
    findings = find()
    assert findings.problems == ()
    assert findings.doubts == ()
    return findings.settings


def names_of_settings() -> set[str]:
    return {name.upper() for name in Settings.model_fields}


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> Settings:
    variables = environment()
    variables["REQUIRE_GPU"] = variables["REQUIRE_GPU"].replace("${CUDA:+1}", "")
    del variables["HOME"], variables["PATH"]
    return settings_of(variables, monkeypatch)


def test_hadolint_finds_nothing() -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if program is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([program, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_variables_of_the_image_are_settings(image: Settings) -> None:
    assert environment().keys() - NOT_OURS <= names_of_settings()
    assert str(image.model_path) in CATALOGUE
    assert str(image.models_dir) == "/app/models"
    # All that is kept is kept on the volume.
    assert image.models_dir in (image.prefix_cache_dir or Path("/")).parents
    assert not image.require_gpu
    assert not image.allow_anonymous


def test_ports_of_the_image_are_those_it_listens_on(image: Settings) -> None:
    exposed = [int(port) for each in instructions("EXPOSE") for port in each.text.split()]
    assert exposed == [image.port, *image.further_ports] == [8000, 8080]
    assert image.host == "0.0.0.0"


def test_a_card_that_the_image_was_built_for_must_be_there() -> None:
    assert environment()["REQUIRE_GPU"] == "${CUDA:+1}"
    assert [each.text for each in instructions("ARG")] == ["CUDA"]


def test_answers_end_before_docker_ends_them(image: Settings) -> None:
    assert image.shutdown_timeout_seconds + 1 < DOCKER_WAITS_S
    service = COMPOSE["services"]["gpt-oss-20b"]
    patience = int(service["stop_grace_period"].removesuffix("s"))
    drain = int(interpolated(service["environment"])["SHUTDOWN_TIMEOUT_SECONDS"])
    assert drain + LAST_WORDS_S + FAREWELL_S < patience
    (web,) = RENDER["services"]
    drain = next(int(e["value"]) for e in web["envVars"] if e["key"] == "SHUTDOWN_TIMEOUT_SECONDS")
    assert drain + LAST_WORDS_S + FAREWELL_S < web["maxShutdownDelaySeconds"]


def test_signals_reach_the_server() -> None:
    (entrypoint,) = instructions("ENTRYPOINT")
    (command,) = instructions("CMD")
    (check,) = instructions("HEALTHCHECK")
    assert entrypoint.exec_form == ["tini", "-s", "--", "container"]
    assert command.exec_form == ["serve"]
    assert check.exec_form == ["container", "health"]
    assert "--start-period=" in check.text


def test_nobody_is_root_in_the_image() -> None:
    (user,) = instructions("USER")
    assert user.text == "1000"
    # Nothing is written into the image after that.
    after = INSTRUCTIONS[INSTRUCTIONS.index(user) :]
    assert not {each.name for each in after} & {"RUN", "COPY", "ADD"}


def test_what_is_copied_exists_and_is_sent() -> None:
    ignored = Ignored(ROOT / ".dockerignore")
    copied = [each for each in INSTRUCTIONS if each.name == "COPY" and "--from" not in each.text]
    sources = [source for each in copied for source in each.text.split()[:-1]]
    assert {"server", "requirements.txt", "scripts/container"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source not in ignored, source
    assert "server/worker/runtime/library.py" not in ignored


def test_what_an_installation_consists_of_is_copied() -> None:
    package = (ROOT / "pyproject.toml").read_text()
    data = re.search(r'^"share/gpt-api/models" = \[(.*)\]$', package, re.MULTILINE)
    assert data
    named = re.findall(r'"([^"]+)"', data[1])
    assert named
    copied = {word for each in INSTRUCTIONS if each.name == "COPY" for word in each.text.split()}
    assert {*named, "server", "pyproject.toml", "README.md", "requirements.txt"} <= copied


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        "keys.json",
        "models/gpt-oss-20b-mxfp4.gguf",
        "models/.gpt-api/keys.json",
        "server/core/__pycache__/events.cpython-312.pyc",
        "scripts/install.sh",
        "tests/fakes.py",
        ".venv/bin/python",
    ],
)
def test_nothing_secret_or_needless_is_sent(path: str) -> None:
    assert path in Ignored(ROOT / ".dockerignore")


def interpolated(value: Any) -> Any:
    """With every variable of Compose unset: `${NAME:-default}`."""
    if isinstance(value, dict):
        return {name: interpolated(each) for name, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each) for each in value]
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) if isinstance(value, str) else value


def test_compose_understands_its_file() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "check_jsonschema", *schema, "compose.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_starts_the_image_as_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    service = interpolated(COMPOSE["services"]["gpt-oss-20b"])
    assert service["environment"].keys() <= names_of_settings()
    variables = {**service["environment"], "MODEL_PATH": ""}
    settings = settings_of(variables, monkeypatch)
    ports = {int(each.rsplit(":", 1)[1]) for each in service["ports"]}
    assert ports == {settings.port, *settings.further_ports}
    # Unless somebody wants it otherwise, this machine alone gets in.
    assert all(each.startswith("127.0.0.1:") for each in service["ports"])
    assert service["volumes"] == [f"gpt_oss_models:{settings.models_dir}"]
    assert "gpt_oss_models" in COMPOSE["volumes"]
    # What an older service of that name set, and clients of it expect.
    assert settings.max_input_tokens == 4096
    assert settings.max_output_tokens == 1024
    assert (settings.default_temperature, settings.default_top_p) == (0.7, 0.9)
    assert settings.default_top_k == 50
    assert service["environment"]["MODEL_PATH"] == "/app/models/gpt-oss-20b"


def test_compose_has_profiles_for_a_card_and_a_page() -> None:
    services = interpolated(COMPOSE["services"])
    card, page = services["gpt-oss-20b-gpu"], services["open-webui"]
    assert "profiles" not in services["gpt-oss-20b"]
    assert card["profiles"] == ["gpu"]
    assert card["extends"] == {"service": "gpt-oss-20b"}
    assert card["build"]["args"]["CUDA"]
    assert card["networks"]["default"]["aliases"] == ["gpt-oss-20b"]
    (device,) = card["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert page["profiles"] == ["webui"]
    assert page["environment"]["OPENAI_API_BASE_URL"] == "http://gpt-oss-20b:8000/v1"
    assert page["ports"] == ["127.0.0.1:3000:8080"]


def test_render_finds_what_its_blueprint_names() -> None:
    (web,) = RENDER["services"]
    assert (web["type"], web["runtime"]) == ("web", "docker")
    assert (ROOT / web["dockerfilePath"]).is_file()
    assert web["disk"]["mountPath"] == environment()["MODELS_DIR"]
    assert web["disk"]["sizeGB"] * 10**9 > (CATALOGUE["gpt-oss-20b"].size or 0) + 5 * 10**9
    assert web["healthCheckPath"] in create_app(Settings()).openapi()["paths"]
    assert {each["key"] for each in web["envVars"]} <= names_of_settings() | NOT_OURS
    # Render says where to listen.
    assert "PORT" not in {each["key"] for each in web["envVars"]}


def test_the_page_names_what_there_is() -> None:
    page = (ROOT / "docs" / "docker.md").read_text()
    named = set(re.findall(r"`(?:-e )?([A-Z][A-Z_]{3,})(?:=[^`]*)?`", page))
    arguments = {each.text.partition("=")[0] for each in INSTRUCTIONS if each.name == "ARG"}
    elsewhere = {"PUBLISH_ADDRESS", "GPT_API_KEY", "GPT_API_DEPLOY_BUILDAH", "GPT_API_DEPLOY_IMAGE"}
    assert named - arguments - elsewhere <= names_of_settings()
    for name, value in environment().items():
        if name in names_of_settings() and name != "REQUIRE_GPU":
            assert f"`{name}`" in page
            assert f"`{value}`" in page
    # Who wants nothing compiled is sent where scripts/run looks.
    prebuilt = re.search(r"^PREBUILT=(\S+)$", (ROOT / "scripts" / "lib.sh").read_text(), re.M)
    assert prebuilt
    assert f"--extra-index-url {prebuilt[1]}`" in page
