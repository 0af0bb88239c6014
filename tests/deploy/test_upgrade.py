"""The installer: again changes nothing, newer upgrades, broken goes back, uninstall leaves little.

In this order, after the tests of the service.
"""

import httpx

from tests.clients.load import Load
from tests.deploy.conftest import CHECKOUT, SETTINGS, Installed, install

NEWER = "/root/newer"
PLACES = "/opt/gpt-api /etc/gpt-api /etc/systemd/system /usr/local/bin /etc/passwd"


def test_it_says_what_was_done_and_how_to_go_on(service: Installed) -> None:
    assert "Base URL    http://" in service.said
    assert "Model Name  gpt-oss-20b" in service.said
    assert "journalctl -u gpt-api -f" in service.said
    # The key is shown, and stands in its table, and nowhere else.
    found = service.box.shell(
        f"grep -rl {service.key} /etc /var/log /opt/gpt-api --binary-files=text || true"
    )
    assert [line for line in found.split() if "/log/journal/" not in line] == [
        "/etc/gpt-api/keys.json"
    ]


def test_a_rehearsal_does_nothing(service: Installed) -> None:
    service.box.run("touch", "/run/before")
    said = install(service.box, "--yes", "--dry-run", "--port", "8111")
    assert "would write: /etc/gpt-api/gpt-api.env" in said
    assert service.box.shell(f"find {PLACES} -newer /run/before") == ""


def test_again_changes_nothing(service: Installed) -> None:
    main = service.box.show("MainPID")
    service.box.run("touch", "/run/before")
    said = install(service.box, "--yes")
    assert "nothing was changed" in said
    assert service.box.shell(f"find {PLACES} -newer /run/before") == ""
    assert service.box.show("MainPID") == main


def test_a_release_can_install_itself(service: Installed) -> None:
    assert "nothing was changed" in install(
        service.box, "--yes", checkout="/opt/gpt-api/current/src"
    )


def test_a_card_that_is_gone_does_not_make_it_slow(service: Installed) -> None:
    service.box.shell(f"cp -p {SETTINGS} /run/kept.env; echo REQUIRE_GPU=1 >>{SETTINGS}")
    said = install(service.box, "--upgrade", check=False)
    assert "problem: the settings say REQUIRE_GPU=1, and there is no card that can be used" in said
    assert "problem: " not in install(service.box, "--upgrade", "--cpu", "--dry-run")
    service.box.run("mv", "/run/kept.env", SETTINGS)


def test_what_was_chosen_for_the_engine_is_remembered(service: Installed) -> None:
    engine = "/opt/gpt-api/current/engine"
    assert service.box.run("cat", engine) == "auto\n"
    service.box.shell(f"echo source >{engine}")
    said = install(service.box, "--yes", "--dry-run", check=False)
    assert "with llama.cpp built here for this processor" in said
    service.box.shell(f"echo auto >{engine}")


def newer(service: Installed, change: str) -> None:
    """Another checkout, with something changed in it."""
    service.box.shell(
        f"rm -rf {NEWER}; mkdir {NEWER}; cd {CHECKOUT};"
        " cp -r server models scripts systemd requirements.* pyproject.toml README.md LICENSE"
        f" CHANGELOG.md {NEWER}; cd {NEWER}; {change}"
    )


def test_an_upgrade_under_load_loses_no_request(patient: Installed) -> None:
    service = patient
    newer(service, """sed -i 's/^__version__ = .*/__version__ = "9.9.9"/' server/__init__.py""")
    load = Load(service.url, service.key)
    load.start()
    load.wait(20)
    said = install(service.box, "--upgrade", checkout=NEWER)
    load.stop(after=20)
    assert load.failures == []
    assert "API Key     as before" in said
    assert "/9.9.9-" in service.box.run("readlink", "/opt/gpt-api/current")
    assert len(service.box.shell("ls /opt/gpt-api/releases").split()) == 2


def test_an_upgrade_that_does_not_start_goes_back(service: Installed) -> None:
    before = service.box.run("readlink", "/opt/gpt-api/current")
    newer(service, "echo 'raise SystemExit(1)' >>server/service/service.py")
    said = install(service.box, "--upgrade", checkout=NEWER, check=False)
    assert "the one before runs again: 9.9.9-" in said
    assert service.box.run("readlink", "/opt/gpt-api/current") == before
    assert httpx.get(f"{service.url}/health", timeout=30).status_code == 200


def test_uninstall_leaves_only_what_it_says(service: Installed) -> None:
    said = install(service.box, "--uninstall")
    assert "Kept: /etc/gpt-api (settings and keys), /var/lib/gpt-api (models)" in said
    left = service.box.shell(
        "find / -xdev -name '*gpt-api*' -not -path '/srv/*' -not -path '/root/*'"
    ).split()
    assert set(left) >= {"/etc/gpt-api", "/var/lib/gpt-api"}
    assert not [path for path in left if path.startswith(("/opt", "/usr/local", "/etc/systemd"))]
    rules = service.box.shell("! command -v ufw >/dev/null || ufw show added")
    assert "gpt-api" not in rules
    # Installed again, it is as it was.
    assert "API Key     as before" in install(service.box, "--yes")
    assert httpx.get(f"{service.url}/health", timeout=30).status_code == 200


def test_purge_leaves_nothing(service: Installed) -> None:
    install(service.box, "--uninstall", "--purge")
    left = service.box.shell(
        "ls -d /etc/gpt-api /var/lib/gpt-api /opt/gpt-api /var/log/gpt-api-install.log"
        " /etc/systemd/system/gpt-api.service* 2>/dev/null || true; id gpt-api 2>&1 || true"
    )
    assert left == "id: ‘gpt-api’: no such user\n"
    # Twice is fine.
    install(service.box, "--uninstall", "--purge")
