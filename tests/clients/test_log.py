"""What an operator sees in the journal: a line a request, a line an answer, nobody's words."""

import re

import httpx

from tests.clients.conftest import KEY
from tests.clients.server_process import ServerProcess

SECRET = "zanzibar-7731"


def test_a_request_leaves_its_lines_and_not_its_words(server: ServerProcess) -> None:
    reply = httpx.post(
        f"{server.url}/v1/chat/completions?q={SECRET}",
        json={"messages": [{"role": "user", "content": f"Repeat after me: {SECRET}"}]},
        headers={"Authorization": f"Bearer {KEY}", "X-Request-ID": "test-of-the-log"},
        timeout=60,
    )
    assert reply.status_code == 200
    server.wait_for(re.compile(r"\[test-of-the-log\] answered \(\w+\): prompt \d+ tokens"))
    server.wait_for(re.compile(r"\[test-of-the-log\] POST /v1/chat/completions -> 200 in"))
    log = "\n".join(server.log)
    assert SECRET not in log
    assert KEY not in log


def test_those_who_only_watch_leave_no_line(server: ServerProcess) -> None:
    assert httpx.get(f"{server.url}/health").status_code == 200
    assert httpx.get(f"{server.url}/nowhere").status_code == 404
    server.wait_for(re.compile(r"GET /nowhere -> 404"))
    assert not any("GET /health" in line for line in server.log)


def test_no_answer_is_written_down_even_where_everything_is_logged() -> None:
    process = ServerProcess(MODEL_PATH="", LOG_LEVEL="debug", N_THREADS="1")
    try:
        process.wait_until_ready()
        reply = httpx.post(
            f"{process.url}/v1/chat/completions",
            json={
                "messages": [{"role": "user", "content": f"Repeat after me: {SECRET}"}],
                "stream": True,
            },
            headers={"X-Request-ID": "test-of-the-debug-log"},
            timeout=60,
        )
        process.wait_for(re.compile(r"\[test-of-the-debug-log\] POST /v1/chat/completions -> 200"))
    finally:
        assert process.stop() == 0
    assert '"delta"' in reply.text
    log = "\n".join(process.log)
    assert SECRET not in log
    assert "delta" not in log
