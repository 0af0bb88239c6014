"""What bots meet: servers that refuse, are silent, are something else, or answer badly."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.check_client.checkup import Checkup, Wanted, json_of, text_of
from server.verdicts import Verdict, good
from tests.check_client import scripted
from tests.check_client.scripted import CHATS, HEALTH, KEY, NAME, TEXT, USAGE, Says, Scripted
from tests.check_client.scripted import running as run_scripted

PATIENCE_S = 20.0


def check(
    base_url: str, key: str = KEY, model: str = "", patience_s: float = PATIENCE_S
) -> Checkup:
    return Checkup(Wanted(base_url=base_url, key=key, model=model, patience_s=patience_s))


def verdicts(base_url: str, **more: str) -> list[Verdict]:
    return list(check(base_url, **more).verdicts())


def last(base_url: str, **more: str) -> Verdict:
    """What ended the check: nothing comes after a failure."""
    found = verdicts(base_url, **more)
    assert [each.state for each in found].count("failed") == 1
    assert found[-1].state == "failed"
    assert found[-1].way_out
    return found[-1]


def asked(says: dict[str, Says], **more: str) -> Verdict:
    with run_scripted(Scripted(says)) as server:
        return last(server.url, **more)


@pytest.fixture
def good_server() -> Iterator[Scripted]:
    with run_scripted(Scripted({})) as server:
        yield server


def test_a_good_server_passes_and_the_fields_are_there(good_server: Scripted):
    checkup = check(good_server.url)
    found = list(checkup.verdicts())
    assert good(found)
    subjects = [each.subject for each in found if each.state == "ok"]
    assert subjects == [
        *("base URL", "name", "connection", "service", "key", "model"),
        *("chat", "usage", "stream", "second turn"),
    ]
    assert checkup.fields is not None
    shown = text_of(checkup.fields)
    assert [line.split(maxsplit=2)[2] for line in shown.splitlines()[1:]] == [
        "sk-...-has",
        NAME,
        good_server.url,
    ]


def test_it_is_asked_as_bots_ask(good_server: Scripted):
    verdicts(good_server.url)
    bodies = [body for what, body in good_server.heard if what.startswith("POST")]
    assert [body["stream"] for body in bodies] == [False, True, False]
    for body in bodies:
        assert body["tool_choice"] == "auto"
        assert body["tools"][0]["type"] == "function"
        assert body["model"] == NAME
    assert [turn["role"] for turn in bodies[2]["messages"]] == [
        *("system", "user", "assistant", "user")
    ]
    assert bodies[2]["messages"][2]["content"] == TEXT


def test_the_key_is_shown_nowhere():
    echo = scripted.error(401, "invalid_api_key", f"Incorrect API key provided: {KEY}x")
    for says in ({}, {"GET /v1/models": echo}, {f"POST {CHATS}": echo}):
        with run_scripted(Scripted(says)) as server:
            checkup = check(server.url)
            found = list(checkup.verdicts())
            text = "\n".join(map(str, found)) + json_of(found, checkup.fields)
            assert KEY not in text
            assert "sk-...-has" in text


def test_a_way_of_writing_is_told_and_goes_on(good_server: Scripted):
    found = verdicts(f"127.0.0.1:{good_server.port}", key=f" {KEY}")
    assert good(found)
    notes = {each.subject: each.sentence for each in found if each.state == "note"}
    assert "spaces around it" in notes["key"]
    assert f"write {good_server.url}" in notes["base URL"]
    assert "this machine itself" in notes["address"]


@pytest.mark.parametrize("base_url", ["", "http://x y/v1", "ftp://example.com"])
def test_a_base_url_that_is_none_is_refused(base_url: str):
    assert last(base_url).subject == "base URL"


def test_a_key_with_a_foreign_letter_is_refused_before_anything_is_asked(good_server: Scripted):
    found = last(good_server.url, key=KEY.replace("e", "е"))
    assert (found.subject, good_server.heard) == ("key", [])


def test_a_name_that_nobody_knows():
    found = last("http://nobody.invalid:8000/v1")
    assert found.subject == "name"
    assert "IP address" in found.way_out


def test_a_port_that_nobody_listens_on():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = last(f"http://127.0.0.1:{port}/v1")
    assert "refuses" in found.words
    assert "HOST=0.0.0.0" in found.way_out or "something listens on port" in found.way_out


def test_one_that_takes_the_connection_and_is_silent():
    with scripted.listener() as port:
        (*_, found) = check(f"http://127.0.0.1:{port}/v1", patience_s=0.2).verdicts()
    assert found.state == "failed"
    assert "says nothing" in found.words


def test_a_radio_station():
    """Bytes without an end, as other programs on port 8000 send them."""

    def broadcast(listening: socket.socket) -> None:
        head = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n"
        while True:
            try:
                with listening.accept()[0] as connection:
                    connection.sendall(head)
                    while True:
                        connection.sendall(b"\xff\xfb" * 50_000)
            except (BrokenPipeError, ConnectionResetError):
                continue
            except OSError:
                return

    with scripted.listener(broadcast) as port:
        assert "not gpt-api" in last(f"http://127.0.0.1:{port}/v1").words


def test_one_that_hangs_up():
    def hang_up(listening: socket.socket) -> None:
        while True:
            try:
                listening.accept()[0].close()
            except OSError:
                return

    with scripted.listener(hang_up) as port:
        assert "connection broke" in last(f"http://127.0.0.1:{port}/v1").words


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_http_where_https_is_spoken_and_a_certificate_that_nobody_knows(tmp_path: Path):
    with scripted.behind_tls(Scripted({}), tmp_path) as server:
        found = last(server.url)
        assert f"write https://127.0.0.1:{server.port}/v1" in found.way_out
        found = last(server.url.replace("http://", "https://"))
    assert found.subject == "TLS"
    assert "certificate" in found.words


def test_https_where_http_is_spoken(good_server: Scripted):
    found = last(good_server.url.replace("http://", "https://"))
    assert found.subject == "TLS"
    assert f"write {good_server.url}" in found.way_out


HTML = Says(body="<html><title>Welcome to nginx!</title></html>", kind="text/html")


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"GET /health": HTML, "GET /v1/models": HTML}, "not gpt-api"),
        (
            {
                "GET /health": Says(status=404, body="Not Found", kind="text/plain"),
                "GET /v1/models": scripted.NOWHERE,
            },
            "not gpt-api",
        ),
        (
            {
                "GET /health": Says(status=502, body=HTML.body, kind="text/html"),
                "GET /v1/models": HTML,
            },
            "a proxy answers",
        ),
        (
            {"GET /health": Says(status=301, headers={"Location": "https://a.example/health"})},
            "leads to https://a.example",
        ),
        (
            {
                "GET /health": Says(
                    status=503,
                    body=HEALTH | {"status": "loading", "models": {NAME: {"detail": "37% loaded"}}},
                )
            },
            "the model is being loaded: 37% loaded",
        ),
        ({"GET /health": Says(status=503, body=HEALTH | {"status": "draining"})}, "about to end"),
        (
            {
                "GET /health": Says(
                    status=503,
                    body=HEALTH | {"status": "error", "models": {NAME: {"detail": "no memory"}}},
                )
            },
            "its model does not: no memory",
        ),
    ],
)
def test_what_is_there_instead_of_a_model(says: dict[str, Says], words: str):
    with run_scripted(Scripted(says, wants_key=False)) as server:
        found = last(server.url)
    assert found.subject == "service"
    assert words in found.words


def test_another_server_that_speaks_the_same_is_looked_at_too():
    says = {"GET /health": Says(status=404, body="no"), "GET /": Says(status=404, body="no")}
    with run_scripted(Scripted(says)) as server:
        found = verdicts(server.url)
    assert good(found)
    assert any(each.subject == "service" and each.state == "note" for each in found)


def test_keys(good_server: Scripted):
    assert "was given" in last(good_server.url, key="").words
    assert "not accepted" in last(good_server.url, key="sk-wrong").words
    with run_scripted(Scripted({}, wants_key=False)) as server:
        found = verdicts(server.url, key="")
    assert good(found)
    assert any("the server is open" in each.words for each in found)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (scripted.error(402, "insufficient_quota"), "budget is spent"),
        (scripted.error(403, "permission_denied"), "may not do this"),
        (scripted.error(403, "model_not_allowed"), "may not use this model"),
        (scripted.error(429, "rate_limit_exceeded", **{"Retry-After": "7"}), "asks too often"),
        (scripted.error(503, "queue_full"), "too many are waiting"),
        (scripted.error(503, "insufficient_memory"), "does not fit into memory"),
        (scripted.error(400, "invalid_value"), "was not understood"),
        (scripted.error(500, "server_error"), "the server failed"),
        (Says(status=504, body="<title>Gateway Time-out</title>", kind="text/html"), "gave up"),
        (Says(status=413, body="<title>Too Large</title>", kind="text/html"), "too large"),
        (Says(status=524, body="cut", kind="text/html"), "Cloudflare"),
        (Says(status=418, body={"detail": "tea"}), "unexpected answer"),
    ],
)
def test_refusals_of_a_chat_are_explained(refusal: Says, words: str):
    found = asked({f"POST {CHATS}": refusal})
    assert found.subject == "chat"
    assert words in found.words
    assert f"status {refusal.status}" in found.words
    if "Retry-After" in refusal.headers:
        assert "after 7 s" in found.way_out


def test_a_key_that_may_not_list_models_may_chat():
    says = {"GET /v1/models": scripted.error(403, "permission_denied")}
    with run_scripted(Scripted(says)) as server:
        assert good(verdicts(server.url))


def test_a_model_that_is_not_there_is_told_with_those_that_are():
    with run_scripted(
        Scripted({"GET /v1/models/gpt-4o": scripted.error(404, "model_not_found")})
    ) as server:
        found = last(server.url, model="gpt-4o")
    assert "does not know gpt-4o" in found.words
    assert NAME in found.way_out


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (scripted.chat(""), "the answer is empty"),
        (scripted.chat(None, "length"), "tokens were spent before the first word"),
        (scripted.chat("  \n"), "the answer is empty"),
        (scripted.chat("<|channel|>analysis<|message|>Hm"), "inner format"),
        (scripted.chat("<think>Hm</think>Да"), "inner format"),
        (scripted.chat("analysisThe user greets. assistantfinalПривет"), "inner format"),
        (scripted.chat("При\ufffdет"), "letters of the answer are broken"),
        (scripted.chat(None, "tool_calls", tool_calls=[{"id": "1"}]), "calls a tool"),
        (scripted.chat([{"type": "text"}]), "no text but a list"),  # type: ignore[arg-type]
        (Says(body={"choices": []}), "no chat of OpenAI's form"),
        (Says(body="<html>hello</html>", kind="text/html"), "no chat of OpenAI's form"),
    ],
)
def test_answers_that_a_bot_cannot_use(reply: Says, words: str):
    found = asked({f"POST {CHATS}": reply})
    assert found.subject == "chat"
    assert words in found.words


def test_an_answer_that_speaks_of_analysis_is_no_leak():
    says = {f"POST {CHATS}": scripted.chat("Analysis is what I do. Finally: да.")}
    with run_scripted(Scripted(says)) as server:
        assert good(verdicts(server.url))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (scripted.stream("При", done=False), "without [DONE]"),
        (scripted.stream(), "the answer is empty"),
        (scripted.stream("<|start|>assistant"), "inner format"),
        (scripted.chat("whole"), "no stream comes"),
        (scripted.error(500, "server_error"), "the server failed"),
        (Says(body="data: oops\n\n", kind="text/event-stream"), "no JSON object"),
        (
            Says(body='data: {"error": {"message": "gone"}}\n\n', kind="text/event-stream"),
            "the server failed",
        ),
    ],
)
def test_streams_that_a_bot_cannot_use(reply: Says, words: str):
    found = asked({f"POST {CHATS} stream": reply})
    assert found.subject == "stream"
    assert words in found.words


def test_what_is_not_wrong_but_worth_knowing_is_noted():
    plain = scripted.chat(TEXT).body
    forgetful = plain | {"usage": {**USAGE, "prompt_tokens_details": None}, "warning": "mended"}
    says = {f"POST {CHATS}": Says(body=forgetful), f"POST {CHATS} again": Says(body=forgetful)}
    with run_scripted(Scripted(says)) as server:
        found = verdicts(server.url)
    assert good(found)
    notes = [each.sentence for each in found if each.state == "note"]
    assert any("nothing of the conversation was remembered" in each for each in notes)
    assert any("mended" in each for each in notes)
    with run_scripted(Scripted({f"POST {CHATS}": Says(body={**plain, "usage": None})})) as server:
        notes = [each.sentence for each in verdicts(server.url) if each.state == "note"]
    assert any("tokens are not counted" in each for each in notes)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (scripted.chat(""), "the answer is empty"),
        (scripted.chat("<|end|>"), "inner format"),
        (scripted.error(400, "context_length_exceeded"), "was not understood"),
    ],
)
def test_second_turns_that_a_bot_cannot_use(reply: Says, words: str):
    found = asked({f"POST {CHATS} again": reply})
    assert found.subject == "second turn"
    assert words in found.words


def test_a_second_turn_may_call_the_tool():
    calling = scripted.chat(None, "tool_calls", tool_calls=[{"id": "1"}])
    with run_scripted(Scripted({f"POST {CHATS} again": calling})) as server:
        found = verdicts(server.url)
    assert good(found)
    assert "by calling the tool" in found[-1].words


def test_json_tells_the_same(good_server: Scripted):
    checkup = check(good_server.url)
    found = list(checkup.verdicts())
    told = json.loads(json_of(found, checkup.fields))
    assert told["ok"] is True
    assert [each["words"] for each in told["checks"]] == [each.words for each in found]
    assert told["fields"]["base_url"] == good_server.url
    failed = [Verdict(subject="chat", state="failed", words="no", way_out="yes")]
    assert json.loads(json_of(failed, None)) == {
        "ok": False,
        "checks": [failed[0].as_object()],
        "fields": None,
    }
