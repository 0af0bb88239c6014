"""The commands that look and measure, on a machine where the service is installed."""

import json

from tests.deploy.conftest import Installed


def test_the_doctor_finds_the_service_in_order(service: Installed) -> None:
    told = json.loads(service.box.run("gpt-api", "doctor", "--json"))
    assert told["ok"] is True, told
    words = {each["subject"]: each["words"] for each in told["checks"]}
    assert "gpt-api.service is active: ready" in words["service"]
    assert "gpt-api answers on 0.0.0.0 port 8000" in words["port"]
    assert "the server runs and has its part" in words["memory"]


def test_the_doctor_names_what_the_service_cannot_read(service: Installed) -> None:
    service.box.run("chmod", "600", "/etc/gpt-api/keys.json")
    try:
        said = service.box.run("gpt-api", "doctor", check=False)
    finally:
        service.box.run("chmod", "640", "/etc/gpt-api/keys.json")
    assert "API_KEYS_FILE: /etc/gpt-api/keys.json cannot be read (Permission denied)" in said


def test_the_service_is_measured_and_not_loaded_twice(service: Installed) -> None:
    ask = "gpt-api bench --seconds 1 --json --key - 2>/dev/null"
    found = json.loads(service.box.shell(f"echo {service.key} | {ask}"))
    assert found["what"] == "the server at http://127.0.0.1:8000"
    assert min(found["rounds"]["alone_per_s"]) > 0
    assert found["resident_bytes"] > 0


def test_a_bot_gets_in(service: Installed) -> None:
    where = f"--base-url {service.url} --key -"
    said = service.box.shell(f"echo {service.key} | gpt-api check-client {where}")
    assert "failed" not in said
    assert "The three fields of the bot:" in said
    assert service.key not in said
