"""An installation to which everything happens that can: it says what, and goes on from there.

In this order, on one machine.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.deploy.box import Box
from tests.deploy.conftest import CHECKOUT, ROOT, WHEELS
from tests.deploy.terminal import Terminal, terminal
from tests.hub.local_hub import Hold, LocalHub, running_hub

DEMO = (ROOT / "models" / "gpt-oss-tiny.gguf").read_bytes()
# Of its 1.8 MB; pull takes them in pieces of one.
BEGUN = 1_500_000
MODEL = "hf.co/some/model"


@pytest.fixture(scope="module")
def hub(bare: Box) -> Iterator[LocalHub]:
    with running_hub(bare.outside) as hub:
        yield hub


@pytest.fixture(scope="module", autouse=True)
def before(bare: Box) -> set[str]:
    return files(bare)


def files(box: Box) -> set[str]:
    """All that somebody put on the machine; what systemd writes of itself is left out."""
    found = box.shell("find / -xdev -not -path '/var/l*/systemd/*' -not -path '/var/log/*'")
    return set(found.splitlines())


def command(*options: str, hub: LocalHub | None = None) -> str:
    """The installer, with everything from the folder of wheels, and the model from the hub."""
    surroundings = f"PIP_NO_INDEX=1 HF_ENDPOINT={hub.endpoint if hub else ''}"
    installer = f"{CHECKOUT}/scripts/install.sh --wheels {WHEELS} --yes --host 0.0.0.0"
    return f"{surroundings} {installer} {' '.join(options)}"


def interrupt(shell: Terminal, step: str) -> None:
    shell.type("\x03")
    assert shell.end() == 130
    assert f'Stopped in the step "{step}". Run the same command again' in shell.said


def test_a_disk_that_is_too_small_is_told_before_anything_is_done(bare: Box) -> None:
    bare.shell("touch /run/before; mkdir -p /opt; mount -t tmpfs -o size=50m tmpfs /opt")
    said = bare.shell(command("--model demo"), check=False)
    assert "problem: /opt has 0.1 GB free, and the code and the engine need 3.0 GB" in said
    assert said.endswith("Nothing was done.\n")
    assert bare.shell("find /opt /etc /usr/local /var/lib -xdev -newer /run/before -type f") == ""


def test_a_disk_that_becomes_full_is_told_with_the_step(bare: Box) -> None:
    said = bare.shell(f"{command('--model demo', '--force')} || echo status $?")
    assert "No space left on device" in said
    assert 'The step "code and engine" failed' in said
    assert "run the same command again" in said
    assert said.endswith("status 1\n")
    assert bare.shell("umount /opt; ls /opt") == ""


def test_what_is_missing_without_a_network_is_told_before_anything_is_done(bare: Box) -> None:
    said = bare.shell(
        command("--offline", "--model gpt-oss-20b").replace(WHEELS, "/srv"), check=False
    )
    assert "problem: --offline, and there is no llama_cpp_python-" in said
    assert "problem: --offline, and gpt-oss-20b would be a download; give a file" in said
    assert said.endswith("Nothing was done.\n")


def test_what_an_installation_without_a_network_needs_can_be_collected(bare: Box) -> None:
    bare.shell(
        f"PIP_NO_INDEX=1 {CHECKOUT}/scripts/install.sh --wheels {WHEELS} --collect /root/collected"
    )
    collected = set(bare.shell("ls /root/collected").split())
    assert collected <= set(bare.shell(f"ls {WHEELS}").split())
    said = bare.shell(
        command("--dry-run", "--offline", "--model demo").replace(WHEELS, "/root/collected")
    )
    assert "Nothing was done.\n" in said


def test_two_at_the_same_time_are_one_too_many(bare: Box) -> None:
    said = bare.shell(
        f"flock /run/lock/gpt-api-install {command('--model demo')} || echo status $?"
    )
    assert said == "Another installation is running; wait for it to end.\nstatus 1\n"


def test_nobody_to_ask_means_nothing_is_done(bare: Box) -> None:
    said = bare.shell(command("--model demo").replace(" --yes", ""), check=False)
    assert "Nobody is there to confirm; say --yes." in said
    assert bare.shell("ls /opt") == ""


def test_it_can_be_stopped_while_it_installs(bare: Box) -> None:
    with terminal(bare, command("--model demo")) as shell:
        shell.wait_for("- code and engine")
        interrupt(shell, "code and engine")
    assert bare.shell("ls /opt/gpt-api") == "releases\n"


def test_a_model_whose_checksum_is_wrong_is_refused(bare: Box, hub: LocalHub) -> None:
    hub.add("some/model", "pulled.gguf", DEMO, checksum="0" * 64)
    said = bare.shell(f"{command('--model', MODEL, hub=hub)} || echo status $?")
    assert "sha256" in said
    assert 'The step "model" failed' in said
    assert said.endswith("status 1\n")
    assert bare.shell("find /var/lib/gpt-api -name '*.gguf'") == ""
    assert bare.shell("ls /etc/systemd/system/gpt-api.service", check=False).startswith("ls:")


def test_it_can_be_stopped_while_it_downloads(bare: Box, hub: LocalHub) -> None:
    hub.add("some/model", "pulled.gguf", DEMO)
    hold = Hold(BEGUN)
    hub.plan("store", hold)
    # Through a pipe, progress is told in lines.
    piped = f"set -o pipefail; {command('--model', MODEL, hub=hub)} 2>&1 | (trap '' INT; cat)"
    with terminal(bare, piped) as shell:
        shell.wait_for(r"downloading [1-9]\d %")
        interrupt(shell, "model")
    hold.go.set()
    assert int(bare.shell("stat -c %s /var/lib/gpt-api/models/*.part")) > 0


def test_the_same_command_goes_on_and_ends_well(bare: Box, hub: LocalHub) -> None:
    said = bare.shell(command("--model", MODEL, hub=hub))
    (offset,) = (seen.headers["Range"] for seen in hub.asked("store")[-1:])
    assert offset.startswith("bytes=")
    assert offset != "bytes=0-"
    assert "gpt-api runs." in said
    reply = httpx.get(f"http://{bare.address}:8000/health", timeout=30)
    assert (reply.status_code, reply.json()["status"]) == (200, "ok")
    assert "pulled.gguf" in bare.shell("ls /var/lib/gpt-api/models")


def test_when_all_is_purged_nothing_is_left(bare: Box, before: set[str]) -> None:
    bare.shell(f"{CHECKOUT}/scripts/install.sh --uninstall --purge; rm -r /root/collected")
    assert files(bare) - before == set()
    assert "gpt-api" not in bare.shell("ls /var/log; cat /etc/passwd /etc/group")
