"""After a power-off: the machine boots again, and the service is there by itself."""

from tests.deploy.conftest import Installed


def test_it_serves_after_a_reboot_and_the_journal_remembers(service: Installed) -> None:
    box = service.box
    before = box.show("InvocationID")
    box.reboot()
    # Type=notify: the boot is done when the model answers.
    assert service.health() == 200
    assert service.chat().status_code == 200
    assert box.show("InvocationID") != before
    assert box.show("NRestarts") == "0"
    earlier = box.run("journalctl", "-b", "-1", "-u", "gpt-api", "--no-pager")
    assert "is ready" in earlier
    assert "Stopped" in earlier
