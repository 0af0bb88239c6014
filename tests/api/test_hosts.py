"""Under which names a server without keys answers, that only its own machine reaches."""

import pytest

from server.auth.key_text import read_table
from tests.api.serving import CHAT, MESSAGES, app_on, client_of
from tests.fakes import ScriptedEngine

KEYS = read_table('{"sk-1": {"user": "a", "permissions": ["all"]}}')


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("192.168.1.7", 200),
        ("gpt-server:8000", 200),
        ("gpt.localhost", 200),
        ("Box.Local.:8000", 200),
        ("evil.example.com:8000", 403),
        ("127.0.0.1.nip.io", 403),
        ("localhost.evil.example", 403),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/api/tags"])
async def test_a_name_that_anybody_can_own_is_not_this_machines(host: str, status: int, path: str):
    engine = ScriptedEngine()
    async with client_of(app_on(engine, local=True)) as client:
        if path == CHAT:
            reply = await client.post(path, json={"messages": MESSAGES}, headers={"Host": host})
        else:
            reply = await client.get(path, headers={"Host": host})
    assert reply.status_code == status
    if status == 403:
        assert engine.requests == []
        assert "ask 127.0.0.1" in reply.text
        assert "(API_KEYS)" in reply.text


@pytest.mark.parametrize("options", [{"keys": KEYS, "local": True}, {"local": False}])
async def test_a_server_with_keys_or_for_others_answers_under_every_name(options: dict):
    headers = {"Host": "gpt.example.com", "Authorization": "Bearer sk-1"}
    async with client_of(app_on(ScriptedEngine(), **options)) as client:
        assert (await client.get("/v1/models", headers=headers)).status_code == 200


async def test_signs_of_life_are_told_under_every_name():
    async with client_of(app_on(ScriptedEngine(), local=True)) as client:
        for path in ("/healthz", "/health", "/"):
            reply = await client.get(path, headers={"Host": "gpt.example.com"})
            assert reply.status_code == 200
