"""Listening: which addresses can be had, and what is said when one cannot."""

import errno
import socket

import pytest

from server.auth.key_text import read_table
from server.service import service
from server.service.service import CannotListen, banner, listen
from server.settings.model_file import bundled_model
from server.settings.settings import Settings

KEYS = read_table('{"sk-example-key-1": {"user": "admin", "permissions": ["all"]}}')


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_listens_at_once(host: str):
    with listen(host, 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::", "::1", "[::1]"])
def test_listens_on_ipv6(host: str):
    with listen(host, 0) as listener:
        assert listener.family is socket.AF_INET6


def test_port_in_use():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match=f"PORT: {port} is in use on 127.0.0.1; stop"):
            listen("127.0.0.1", port)


def test_port_of_the_second_listener_is_called_by_its_name():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match=f"^OLLAMA_PORT: {port} is in use"):
            listen("127.0.0.1", port, "OLLAMA_PORT")


def test_address_of_another_machine():
    with pytest.raises(CannotListen, match=r"HOST: cannot listen on 192\.0\.2\.1 port 8000"):
        listen("192.0.2.1", 8000)


def test_name_of_nobody():
    with pytest.raises(CannotListen, match=r"HOST: cannot listen on no\.such\.invalid port 8000"):
        listen("no.such.invalid", 8000)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "PORT: 80 needs rights that this user lacks; set a PORT"),
        (errno.EPERM, "PORT: systemd does not let this service listen on 80; see SocketBindAllow"),
    ],
)
def test_port_without_rights(monkeypatch: pytest.MonkeyPatch, number: int, sentence: str):
    # Root, and some kernels' settings, may listen on every port: the refusal has to be arranged.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(number, "Permission denied")

    monkeypatch.setattr(service.socket, "create_server", refuse)
    with pytest.raises(CannotListen, match=sentence):
        listen("127.0.0.1", 80)


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (Settings(), ["http://127.0.0.1:9/v1", "bundled demonstration model", "this machine only"]),
        (Settings(host="::1"), ["listens on ::1 port 9", "http://[::1]:9/docs"]),
        (Settings(host="0.0.0.0", api_keys=KEYS), ["http://127.0.0.1:9/v1", "1 key (admin)"]),
        (Settings(host="::", allow_anonymous=True), ["everybody who can reach it"]),
        (Settings(model_name="mine"), ["mine: the bundled"]),
        (
            Settings(model_path="gpt-oss-120b", models_dir="/srv"),
            ["gpt-oss-20b: gpt-oss-120b, in /srv\n"],
        ),
    ],
)
def test_banner_tells_what_matters(settings: Settings, lines: list[str]):
    text = banner(settings, 9)
    assert [line for line in lines if line not in text] == []
    assert "sk-example" not in text


def test_banner_names_the_second_listener():
    assert "Ollama    http://127.0.0.1:11434" in banner(Settings(), 9, 11434)


def test_banner_names_further_listeners():
    text = banner(Settings(host="::1"), 9, None, [8080, 3000])
    assert "also at   http://[::1]:8080, http://[::1]:3000" in text


def test_banner_names_a_real_model(monkeypatch: pytest.MonkeyPatch):
    model = bundled_model()
    monkeypatch.setattr("server.settings.model_file.BUNDLED_PLACES", ())
    settings = Settings(model_path=str(model))
    assert f"gpt-oss-20b: {model}\n" in banner(settings, 9)
    assert "demonstration" not in banner(settings, 9)
