"""The command `gpt-api` of an installation: who runs it, and what it leaves."""

from collections.abc import Iterator

import pytest

from tests.deploy.conftest import ROOT, Installed
from tests.hub.local_hub import LocalHub, running_hub

DEMO = ROOT / "models" / "gpt-oss-tiny.gguf"
PULLED = "/var/lib/gpt-api/models/pulled.gguf"


@pytest.fixture
def hub(service: Installed) -> Iterator[LocalHub]:
    with running_hub(service.box.outside) as hub:
        hub.add("some/model", "pulled.gguf", DEMO.read_bytes())
        yield hub


def test_what_root_downloads_belongs_to_the_service(service: Installed, hub: LocalHub) -> None:
    box = service.box
    # From a folder that the service's user cannot enter.
    box.shell(f"cd /root; HF_ENDPOINT={hub.endpoint} gpt-api pull hf.co/some/model")
    assert box.run("stat", "-c", "%U:%G", PULLED).strip() == "gpt-api:gpt-api"
    owners = box.shell("find /var/lib/gpt-api -not -user gpt-api")
    assert owners == ""
    reader = "setpriv --reuid gpt-api --regid gpt-api --clear-groups"
    assert box.shell(f"{reader} head -c 4 {PULLED}") == "GGUF"


def test_root_sees_the_settings_of_the_service(service: Installed) -> None:
    said = service.box.shell("cd /root; echo PORT=1 >.env; gpt-api check-config; rm .env")
    (port,) = (line for line in said.splitlines() if line.split()[0] == "PORT")
    assert port.split()[1] == "8000"
    assert "/etc/gpt-api/gpt-api.env" in port


def test_others_are_told_to_use_sudo(service: Installed) -> None:
    stranger = "setpriv --reuid nobody --regid nogroup --clear-groups"
    said = service.box.shell(f"{stranger} gpt-api check-config; echo $?", check=False)
    assert said == "gpt-api: /etc/gpt-api/gpt-api.env is for root and the service; use sudo\n"
