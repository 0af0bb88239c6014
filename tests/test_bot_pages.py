"""The page on bots in three languages: the same said in each, and true of this server."""

import re
from pathlib import Path

import pytest

from server import cli_checks
from server.auth.key_text import read_table
from server.check_client.refusals import MEANINGS
from server.engines import allowance
from server.settings.settings import Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {
    name: (DOCS / name).read_text(encoding="utf-8")
    for name in ("protalk.md", "protalk.ru.md", "protalk.es.md")
}
ENGLISH = PAGES["protalk.md"]
each_page = pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)


def headings(text: str) -> list[str]:
    return re.findall(r"^(#+) ", prose(text), re.MULTILINE)


def blocks(text: str) -> list[str]:
    return re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def code(text: str) -> list[str]:
    """What is quoted, in any order: languages differ in theirs."""
    return sorted(re.findall(r"`([^`]+)`", prose(text)))


def anchors(text: str) -> set[str]:
    """As hosts of repositories make them of headings."""
    titles = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_all_say_the_same_in_the_same_order(text: str):
    assert headings(text) == headings(ENGLISH)
    assert blocks(text) == blocks(ENGLISH)
    assert code(text) == code(ENGLISH)
    for row in (r"^\|", r"^- \*\*", r"^\*"):
        assert len(re.findall(row, text, re.MULTILINE)) == len(
            re.findall(row, ENGLISH, re.MULTILINE)
        ), row


@each_page
def test_links_lead_somewhere(text: str):
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", text)
    assert len(links) == len(re.findall(r"\]\(", ENGLISH)) > 6
    for target, anchor in links:
        place = DOCS / target if target else None
        assert place is None or place.is_file(), target
        if anchor:
            there = place.read_text(encoding="utf-8") if place else text
            assert anchor in anchors(there), anchor


def test_each_page_leads_to_the_others():
    for name, text in PAGES.items():
        for other in PAGES:
            assert (f"]({other})" in text) == (other != name), (name, other)


def test_commands_and_settings_exist():
    commands = re.findall(r"^(?:sudo )?gpt-api ([a-z-]+)", "\n".join(blocks(ENGLISH)), re.MULTILINE)
    assert set(commands) == {"check-client", "doctor", "bench"} == set(cli_checks.COMMANDS)
    named = set(re.findall(r"\b([A-Z][A-Z]+_[A-Z_]+)\b", ENGLISH)) | {"HOST"}
    assert named <= {name.upper() for name in Settings.model_fields}


def test_figures_are_those_in_force():
    settings = Settings()
    for name in ("CONTEXT_LENGTH", "N_PARALLEL", "MAX_QUEUE", "MAX_OUTPUT_TOKENS"):
        assert f"`{name}` ({getattr(settings, name.lower())}" in ENGLISH, name
    efforts = re.findall(r"^\| `gpt-oss-20b(?::(\w+))?` \| (\d+) tok", ENGLISH, re.MULTILINE)
    found = {effort or "medium": int(count) for effort, count in efforts}
    assert found == dict(allowance.REASONING_TOKENS)


def test_the_table_of_keys_is_read():
    (table,) = (block for block in blocks(ENGLISH) if block.startswith("```json"))
    inside = table.partition("\n")[2].rpartition("\n")[0]
    assert read_table(inside).users() == ["shop-bot"]


def test_statuses_are_those_that_are_explained():
    listed = re.findall(r"^\| ([\d, ]+) \|", ENGLISH, re.MULTILINE)
    numbers = {int(number) for cell in listed for number in cell.split(",")}
    assert {401, 402, 403, 429, 503} <= numbers <= set(MEANINGS)


def test_troubles_that_people_have_are_all_there():
    """Those of memory, speed, refused connections, permissions and empty answers."""
    _, _, section = ENGLISH.partition("## Troubleshooting")
    titles = re.findall(r"^### (.*)$", section, re.MULTILINE)
    assert titles == [
        "Out of memory",
        "Slow answers",
        "Connection refused, or no answer",
        "Permission denied",
        "Empty answers",
        "Refusals by number",
    ]
    assert "4 GB cannot run it" in section
