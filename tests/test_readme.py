"""What the README and the pages promise: settings, addresses, files and examples are real."""

import json
import re
from pathlib import Path

import pytest

from server import __version__
from server.application import create_app
from server.auth.key_text import read_table
from server.dialects.openai_chat import read_body as read_chat_body
from server.dialects.openai_completions import prompts_of
from server.dialects.openai_completions import read_body as read_completion_body
from server.settings import table as settings_table
from server.settings.load import ENV_FILE_VARIABLE, find
from server.settings.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
PAGES = {
    path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *DOCS.glob("*.md"))
}
# The pages about this server's own names; others name those of nginx, Docker and systemd too.
OURS = [ROOT / "README.md", DOCS / "requests.md", DOCS / "models.md", DOCS / "design.md"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_settings_table_is_the_one_in_force():
    page = PAGES[DOCS / "settings.md"]
    _, _, rest = page.partition("<!-- settings: gpt-api check-config --markdown -->\n")
    table, _, _ = rest.partition("<!-- end of settings -->")
    assert table.strip() == settings_table.markdown().strip()


def test_example_of_settings_is_the_one_in_force():
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == settings_table.env_file()


def test_example_of_settings_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(ENV_FILE_VARIABLE, str(tmp_path / "all.env"))
    (tmp_path / "all.env").write_text(
        re.sub(r"^#(?=[A-Z_]+=)", "", settings_table.env_file(), flags=re.M)
    )
    findings = find()
    assert set(findings.texts) == set(Settings.model_fields)
    # These name files of somebody else's machine.
    files = {"MODEL_PATH", "EMBEDDING_MODEL_PATH", "MODEL_REGISTRY_PATH", "API_KEYS_FILE"}
    assert {each.variable for each in findings.problems} == files
    assert len(findings.settings.api_keys) == 1


def test_every_setting_named_in_the_text_exists():
    known = {name.upper() for name in Settings.model_fields} | {"GPT_API_ENV_FILE", "PYTHON"}
    pages = "\n".join(PAGES[page] for page in OURS)
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=[^`]*)?`", pages))
    assert named <= known
    assert len(named) > 20


def test_addresses_exist():
    app = create_app(Settings())
    served = {*app.openapi()["paths"], app.docs_url, app.redoc_url}
    pattern = r"`(?:GET |POST )?(/(?!etc/|opt/|var/)[a-z][^ `]*)`"
    pages = "\n".join(PAGES[page] for page in OURS)
    named = set(re.findall(pattern, pages)) - {"/v1", "/v1/*", "/api/*"}
    assert "/v1/chat/completions" in named
    assert {_nameless(path) for path in named} <= {_nameless(path) for path in served}


def _nameless(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_curl_sends_a_chat_and_a_completion():
    (chat,) = (block for block in blocks("sh") if block.startswith("curl"))
    requests = blocks("sh", PAGES[DOCS / "requests.md"])
    (completion,) = (block for block in requests if block.startswith("curl"))
    body = json.loads(re.search(r"-d '(.*)'", chat)[1])
    assert read_chat_body(json.dumps(body).encode()).model == Settings().model_name
    assert f"127.0.0.1:{Settings().port}/v1/chat/completions" in chat
    body = json.loads(re.search(r"-d '(.*)'", completion)[1])
    assert prompts_of(read_completion_body(json.dumps(body).encode()))
    assert f"127.0.0.1:{Settings().port}/v1/completions" in completion


def test_example_of_keys_is_read():
    (table,) = blocks("json")
    assert read_table(table).users() == ["admin", "user1"]


def test_tree_names_only_what_exists():
    tree = "server/\n" + README.partition("```\nserver/\n")[2].partition("```")[0]
    folder = ""
    for line in tree.splitlines():
        name = line.split()[0]
        place = ROOT / (folder + name if line.startswith(" ") else name)
        assert place.exists(), line
        assert place.is_dir() == name.endswith("/"), line
        folder = folder if line.startswith(" ") else name


def anchors(text: str) -> set[str]:
    """What links into a page may name, as the usual viewers derive it from headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path):
    for target, anchor in re.findall(r"\]\((?!http)([^)#\s]*)(?:#([^)]*))?\)", PAGES[page]):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place.read_text(encoding="utf-8")), (target, anchor)


def test_modules_of_the_straight_line_exist():
    section = README.partition("goes straight through:")[2].partition("```")[0]
    modules = re.findall(r"^\d+\. .*?`([a-z_/]+)`", section, re.MULTILINE)
    assert len(modules) == 8
    for module in modules:
        place = ROOT / "server" / module
        assert place.is_dir() or place.with_suffix(".py").is_file(), module


def test_changelog_knows_this_version():
    assert "## [Unreleased]" in CHANGELOG or f"## [{__version__}]" in CHANGELOG
