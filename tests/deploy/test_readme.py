"""The README's commands for a service, typed by a person on a new machine, all of them in order."""

import re
from dataclasses import dataclass

import pytest

from tests.deploy.box import Box
from tests.deploy.conftest import CHECKOUT, ROOT, WHEELS
from tests.deploy.terminal import Terminal, terminal

SECTION = (ROOT / "README.md").read_text().partition("## As a service\n")[2].partition("\n## ")[0]
# Nothing is asked of the network; and no pager.
SURROUNDINGS = f"cd {CHECKOUT}; export PIP_NO_INDEX=1 INSTALL_WHEELS={WHEELS} SYSTEMD_PAGER="


@dataclass(frozen=True)
class Scene:
    """What a command asks, with the answers; what it says; and whether it goes on until ^C."""

    says: str
    answers: tuple[tuple[str, str], ...] = ()
    endless: bool = False
    statuses: tuple[int, ...] = (0,)


INSTALLS = (
    ("Model: .*: ", "demo"),
    ("Listen on .*: ", "0.0.0.0"),
    ("Port .*: ", ""),
    ("Go on", "y"),
)
PLAY = {
    # A machine that is too small for the real model is told so here.
    "scripts/install.sh --dry-run": Scene("What would be done:", statuses=(0, 1)),
    "sudo scripts/install.sh": Scene("gpt-api runs", answers=INSTALLS),
    "systemctl status gpt-api": Scene("ready: 0 running, 0 waiting"),
    "journalctl -u gpt-api -f": Scene("is ready", endless=True, statuses=(0, 130)),
    "sudo gpt-api check-config": Scene(r"PORT +8000 +/etc/gpt-api/gpt-api.env"),
    "sudo gpt-api doctor": Scene("gpt-api.service is active: ready"),
    "sudo systemctl restart gpt-api": Scene(""),
    "sudo scripts/install.sh --upgrade": Scene("nothing was changed"),
    "sudo scripts/install.sh --uninstall": Scene("Kept: /etc/gpt-api"),
}


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def person(bare: Box) -> Box:
    """The machine of somebody who is root already."""
    bare.shell(
        "printf '#!/bin/sh\\nexec \"$@\"\\n' >/usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo"
    )
    return bare


def test_the_readme_has_these_commands() -> None:
    assert commands() == list(PLAY)


@pytest.mark.parametrize("command", PLAY)
def test_a_command_of_the_readme(person: Box, command: str) -> None:
    scene = PLAY[command]
    with terminal(person, f"{SURROUNDINGS}; {command}") as shell:
        play(shell, scene)
    assert re.search(scene.says, shell.said), shell.said


def play(shell: Terminal, scene: Scene) -> None:
    for question, text in scene.answers:
        shell.answer(question, text)
    if scene.endless:
        shell.wait_for(scene.says)
        shell.type("\x03")
    status = shell.end()
    assert status in scene.statuses, shell.said
