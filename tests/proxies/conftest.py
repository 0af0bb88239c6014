"""nginx and Caddy in front of a server, where they are installed; nothing is started by itself."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.proxies.proxy import HOST, Certificate, Kind, Proxy, Site, binary

# Not the proxies' own address, so that it can be told whose stands in a log.
CLIENT = "127.0.0.2"

Publish = Callable[..., Proxy]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt install openssl")
    folder = tmp_path_factory.mktemp("certificate")
    made = Certificate(chain=folder / "chain.pem", key=folder / "key.pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-subj", "/CN=gpt-api", "-addext", f"subjectAltName=IP:{HOST}"]
    files = ["-keyout", str(made.key), "-out", str(made.chain)]
    command = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.fixture(params=["nginx", "caddy"])
def kind(request: pytest.FixtureRequest) -> Kind:
    if binary(request.param) is None:
        pytest.skip(f"{request.param} is not installed: apt install {request.param}")
    return request.param


@pytest.fixture
def publish(kind: Kind, certificate: Certificate, tmp_path: Path) -> Iterator[Publish]:
    """Starts the proxy in front of a URL; changes to its configuration are named by its kind."""
    started: list[Proxy] = []

    def publish(url: str, **changes: dict[str, str]) -> Proxy:
        upstream = url.removeprefix("http://")
        site = Site(
            upstream=upstream,
            certificate=certificate,
            folder=tmp_path,
            changes=changes.get(kind, {}),
        )
        started.append(Proxy(kind, site))
        return started[-1]

    yield publish
    for proxy in started:
        proxy.stop()


@pytest.fixture
def client_of(certificate: Certificate) -> Callable[..., httpx.AsyncClient]:
    """Makes clients of a proxy, on CLIENT."""

    def client_of(proxy: Proxy, *, http2: bool = False) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(
            verify=certificate.trusted(), http2=http2, local_address=CLIENT
        )
        return httpx.AsyncClient(transport=transport, base_url=proxy.url, timeout=30)

    return client_of
