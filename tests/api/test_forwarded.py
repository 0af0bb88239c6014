"""Whose word counts for where a request comes from: trusted proxies', and nobody else's."""

import re
from ipaddress import ip_address, ip_network

import httpx
import pytest

from server.api.forwarded import read_address
from tests.api.serving import app_on
from tests.fakes import ScriptedEngine

PROXIES = tuple(ip_network(each) for each in ("127.0.0.1", "10.0.0.0/8", "2001:db8::/32"))


class Asked:
    """A request from `peer`, as the application saw it."""

    def __init__(self, caplog: pytest.LogCaptureFixture, told: dict[str, object]) -> None:
        line = next(each for each in reversed(caplog.messages) if "GET / -> 200" in each)
        self.client = re.search(r", from (\S+)$", line)[1]
        self.url = told["ollama_url"]


async def ask(
    caplog: pytest.LogCaptureFixture, peer: str, *headers: tuple[str, str], trusted=PROXIES
) -> Asked:
    caplog.set_level("INFO", "server")
    app = app_on(ScriptedEngine(), trusted_proxies=trusted)
    transport = httpx.ASGITransport(app, client=(peer, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://gpt.test") as client:
        reply = await client.get("/", headers=httpx.Headers(list(headers)))
    return Asked(caplog, reply.json())


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db9::1", "2001:db9::1"),
        ("[2001:db9::1]:4711", "2001:db9::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        # Several hops: what the client itself wrote stands first and is not believed.
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("1.2.3.4,203.0.113.9, 10.1.2.3 ,2001:db8::7", "203.0.113.9"),
        # A client that is a proxy's machine.
        ("10.1.2.3, 127.0.0.1", "10.1.2.3"),
        # Nothing before what is no address can be believed.
        ("203.0.113.9, unknown, 10.1.2.3", "10.1.2.3"),
        ("unknown", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_the_nearest_stranger_is_the_client(
    caplog: pytest.LogCaptureFixture, given: str, client: str
) -> None:
    assert (await ask(caplog, "127.0.0.1", ("X-Forwarded-For", given))).client == client


async def test_headers_that_come_twice_are_read_in_order(caplog: pytest.LogCaptureFixture) -> None:
    headers = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "203.0.113.9, 10.0.0.1")]
    assert (await ask(caplog, "127.0.0.1", *headers)).client == "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "client"), [("198.51.100.1", "198.51.100.1"), ("::ffff:198.51.100.1", "198.51.100.1")]
)
async def test_a_stranger_is_believed_nothing(
    caplog: pytest.LogCaptureFixture, peer: str, client: str
) -> None:
    headers = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")]
    asked = await ask(caplog, peer, *headers)
    assert (asked.client, asked.url) == (client, "http://gpt.test")
    hint = f"X-Forwarded-For of {client} is not believed; if that is a proxy of yours, name it in"
    assert any(hint in message for message in caplog.messages)


async def test_nobody_is_believed_unless_named(caplog: pytest.LogCaptureFixture) -> None:
    asked = await ask(caplog, "127.0.0.1", ("X-Forwarded-For", "203.0.113.9"), trusted=())
    assert asked.client == "127.0.0.1"


async def test_a_proxy_that_a_socket_writes_as_ipv6_is_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = await ask(caplog, "::ffff:127.0.0.1", ("X-Forwarded-For", "203.0.113.9"))
    assert asked.client == "203.0.113.9"


@pytest.mark.parametrize(
    ("proto", "url"),
    [
        ("https", "https://gpt.test"),
        ("HTTPS", "https://gpt.test"),
        ("http, https", "https://gpt.test"),
        ("javascript", "http://gpt.test"),
        ("", "http://gpt.test"),
    ],
)
async def test_scheme_is_the_clients(
    caplog: pytest.LogCaptureFixture, proto: str, url: str
) -> None:
    assert (await ask(caplog, "127.0.0.1", ("X-Forwarded-Proto", proto))).url == url


@pytest.mark.parametrize("text", ["", "unknown", "localhost", "1.2.3", "[::1", "1.2.3.4:5:6", "_x"])
def test_what_is_no_address(text: str) -> None:
    expected = ip_address("::1") if text == "[::1" else None
    assert read_address(text) == expected


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/v1/models", "/gpt/v1/models"),
        ("/gpt/v1/models", "/gpt/v1/models"),
        ("/gpt//v1/models/", "/gpt/v1/models"),
        ("/", "/gpt/"),
        ("/gpt", "/gpt/"),
        ("/gpt/", "/gpt/"),
        ("/gpt/v1/chat/completions/models", "/gpt/v1/models"),
    ],
)
async def test_a_prefix_is_known_stripped_and_not(
    caplog: pytest.LogCaptureFixture, path: str, logged: str
) -> None:
    caplog.set_level("INFO", "server")
    app = app_on(ScriptedEngine())
    app.root_path = "/gpt"
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gpt.test") as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.get("/gptx/v1/models")).status_code == 404
        assert (await client.get("/gpt/health")).status_code == 200
    assert any(f"GET {logged} -> 200" in message for message in caplog.messages)
    assert not any("/health" in message for message in caplog.messages)
