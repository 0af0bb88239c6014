"""The installed service: it starts when it is ready, survives what comes, loses no request."""

import json
import re
import socket

import httpx
import pytest

from tests.clients.load import SHORT, Load
from tests.deploy.conftest import CHAT, SETTINGS, Installed

RUNTIME_DROPIN = "/run/systemd/system/gpt-api.service.d/90-test.conf"


def test_it_answers_from_the_moment_that_it_is_started(service: Installed) -> None:
    service.box.run("systemctl", "restart", "gpt-api")
    health = httpx.get(f"{service.url}/health", timeout=10)
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    reply = service.chat()
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["content"]
    assert service.box.show("StatusText").startswith("ready: ")
    assert service.box.show("NRestarts") == "0"


def test_who_has_no_key_is_refused(service: Installed) -> None:
    assert httpx.post(service.url + CHAT, json=SHORT, timeout=30).status_code == 401


def test_an_attacker_finds_little(service: Installed) -> None:
    said = service.box.run("systemd-analyze", "security", "--no-pager", "gpt-api.service")
    level = re.search(r"exposure level for gpt-api.service: ([0-9.]+)", said)
    assert level, said
    assert float(level[1]) <= 1.5
    verdict = service.box.run("systemd-analyze", "verify", "gpt-api.service")
    # Older versions complain of others' units, too.
    assert [line for line in verdict.splitlines() if "gpt-api" in line] == []
    pid = service.box.show("MainPID")
    assert service.box.shell(f"stat -c %U /proc/{pid}").strip() == "gpt-api"
    assert service.box.shell("stat -c '%a %U %G' /etc/gpt-api/keys.json").split() == [
        "640",
        "root",
        "gpt-api",
    ]


def test_the_worker_is_first_in_line_when_memory_runs_out(service: Installed) -> None:
    score = "cat /proc/{}/oom_score_adj"
    assert int(service.box.shell(score.format(service.box.worker()))) >= 700
    assert int(service.box.shell(score.format(service.box.show("MainPID")))) < 700


def test_a_killed_worker_is_replaced_and_the_service_stays(service: Installed) -> None:
    main, worker = service.box.show("MainPID"), service.box.worker()
    service.box.run("kill", "-9", worker)
    assert service.chat().status_code == 200
    assert service.box.show("MainPID") == main
    assert service.box.worker() != worker


def test_a_killed_service_is_started_again_and_nobody_is_refused(service: Installed) -> None:
    main = service.box.show("MainPID")
    service.box.run("kill", "-9", main)
    # Nothing listens now but the socket that systemd keeps.
    assert service.chat().status_code == 200
    assert service.box.show("MainPID") != main
    assert service.box.show("NRestarts") == "1"


def test_a_hung_service_is_ended_by_the_watchdog(service: Installed) -> None:
    service.box.shell(
        f"mkdir -p {RUNTIME_DROPIN.rpartition('/')[0]};"
        f" printf '[Service]\\nWatchdogSec=4s\\n' >{RUNTIME_DROPIN};"
        " systemctl daemon-reload; systemctl restart gpt-api"
    )
    main = service.box.show("MainPID")
    service.box.run("kill", "-STOP", main)
    assert service.chat().status_code == 200
    assert service.box.show("MainPID") != main
    assert "Watchdog timeout" in service.box.journal("-n", "200")
    service.box.shell(f"rm {RUNTIME_DROPIN}; systemctl daemon-reload; systemctl restart gpt-api")


def test_stop_drains_and_closes_the_port(service: Installed) -> None:
    body = {**SHORT, "max_tokens": 400, "stream": True, "reasoning_effort": "high"}
    with httpx.stream(
        "POST", service.url + CHAT, json=body, headers=service.headers, timeout=60
    ) as reply:
        lines = reply.iter_lines()
        next(lines)
        stopping = service.box.start("systemctl", "stop", "gpt-api")
        assert "data: [DONE]" in list(lines)
    assert stopping.communicate(timeout=60)[0] == ""
    assert service.box.show("Result") == "success"
    assert service.box.show("ExecMainStatus") == "0"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((service.box.address, 8000), timeout=10)
    service.box.run("systemctl", "start", "gpt-api")


def test_a_restart_under_load_loses_no_request(patient: Installed) -> None:
    load = Load(patient.url, patient.key)
    load.start()
    for _ in range(3):
        load.wait(40)
        patient.box.run("systemctl", "restart", "gpt-api")
    load.stop(after=40)
    assert load.failures == []


def test_keys_are_read_again_on_reload_and_by_themselves(service: Installed) -> None:
    main = service.box.show("MainPID")
    keys = {service.key: {"user": "admin", "permissions": ["all"]}}
    more = {"sk-reloaded": {"user": "bot", "permissions": ["chat"]}}

    def write(text: str) -> None:
        service.box.shell(f"cat >/etc/gpt-api/keys.json <<'END'\n{text}\nEND")

    write(json.dumps(keys | more))
    service.box.run("systemctl", "reload", "gpt-api")
    with_more = {"Authorization": "Bearer sk-reloaded"}
    reply = httpx.post(service.url + CHAT, json=SHORT, headers=with_more, timeout=60)
    assert reply.status_code == 200
    write("{")
    service.box.run("systemctl", "reload", "gpt-api")
    assert service.chat().status_code == 200
    assert "the keys stay as they were" in service.box.journal("-p", "err", "-n", "20")
    write(json.dumps(keys))
    service.box.run("systemctl", "reload", "gpt-api")
    reply = httpx.post(service.url + CHAT, json=SHORT, headers=with_more, timeout=60)
    assert reply.status_code == 401
    assert service.box.show("MainPID") == main


def test_wrong_settings_are_told_once(restored: Installed) -> None:
    box = restored.box
    box.shell(f"echo PORT=x >>{SETTINGS}")
    assert "failed" in box.run("systemctl", "restart", "gpt-api", check=False)
    assert (box.show("ExecMainStatus"), box.show("NRestarts")) == ("78", "0")
    assert 'PORT: "x" is not a whole number' in box.journal("-n", "10")


def test_a_card_that_is_not_there_is_told_loudly(restored: Installed) -> None:
    box = restored.box
    box.shell(f"echo REQUIRE_GPU=1 >>{SETTINGS}")
    assert "failed" in box.run("systemctl", "restart", "gpt-api", check=False)
    assert "REQUIRE_GPU is set" in box.journal("-p", "err", "-n", "10")


def test_the_journal_tells_what_happened_and_nothing_that_was_said(service: Installed) -> None:
    secret = "a sentence that belongs into no log"
    service.box.run("kill", "-9", service.box.worker())
    service.chat(messages=[{"role": "user", "content": secret}])
    text = service.box.journal("-o", "json")
    entries = [json.loads(line) for line in text.splitlines()]
    own = [entry for entry in entries if entry.get("SYSLOG_IDENTIFIER") == "gpt-api"]
    assert any("is ready" in entry["MESSAGE"] and entry["PRIORITY"] == "6" for entry in own)
    died = [
        entry for entry in own if "worker" in entry["MESSAGE"] and "SIGKILL" in entry["MESSAGE"]
    ]
    assert {entry["PRIORITY"] for entry in died} == {"3"}
    assert not [entry for entry in own if entry["MESSAGE"].startswith("<")]
    assert secret not in text
    assert service.key not in text
