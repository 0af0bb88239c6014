"""The way to a server before any HTTP: its name, its port, its TLS. Knows what failures
mean.
"""

import errno
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing

from server.check_client.address import Address
from server.verdicts import Failure, Verdict, note, ok

TIMEOUT_S = 8.0
SHORTLY_S = 2.0
# Where a gpt-api may be found when the port was mistaken.
USUAL_PORTS = (8000, 8080)
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)


def reach(address: Address) -> Iterator[Verdict]:
    """Resolve, connect, speak TLS. Errors: Failure."""
    places = _resolve(address)
    yield ok("name", f"{address.host} is {', '.join(places)}")
    if (doubt := _who_can_reach(address)) is not None:
        yield doubt
    _connect(address)
    yield ok("connection", f"port {address.port} accepts connections")
    if address.tls:
        _handshake(address)
        yield ok("TLS", "the certificate is good")


def listens(host: str, port: int) -> bool:
    """Whether anything accepts connections there."""
    try:
        socket.create_connection((host, port), SHORTLY_S).close()
    except OSError:
        return False
    return True


def speaks_tls(address: Address) -> bool:
    """Whether it is TLS that is spoken there, whatever the certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with closing(socket.create_connection((address.host, address.port), SHORTLY_S)) as raw:
            context.wrap_socket(raw, server_hostname=address.host).close()
    except OSError:
        return False
    return True


def _resolve(address: Address) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Failure(
            "name",
            f"no address is known for {address.host} ({getattr(error, 'strerror', None) or error})",
            "correct the name, or write the IP address of the server",
        ) from None
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def _who_can_reach(address: Address) -> Verdict | None:
    match address.reach:
        case "machine":
            words = (
                f"{address.host} is this machine itself: a bot elsewhere does not get here by it"
            )
        case "network":
            words = (
                f"{address.host} is an address of a private network: a bot outside cannot use it"
            )
        case _:
            return None
    return note("address", words, "give the bot the public address or name of the server")


def _connect(address: Address) -> None:
    where = f"{address.host} port {address.port}"
    try:
        socket.create_connection((address.host, address.port), TIMEOUT_S).close()
    except ConnectionRefusedError:
        raise Failure(
            "connection", f"{where} refuses: nothing listens there", _refused(address)
        ) from None
    except TimeoutError:
        raise Failure(
            "connection",
            f"{where} does not answer at all",
            "a firewall drops the packets, or the address is another machine's: open the port"
            f" (sudo ufw allow {address.port}/tcp, and in the provider's panel), check the address",
        ) from None
    except OSError as error:
        unreachable = error.errno in _UNREACHABLE
        way = "there is no way to that network from here" if unreachable else str(error)
        raise Failure("connection", f"{where}: {way}", "check the address") from None


def _refused(address: Address) -> str:
    others = [port for port in USUAL_PORTS if port != address.port and listens(address.host, port)]
    if others:
        return f"something listens on port {others[0]}: try {address.host}:{others[0]}"
    return (
        "start the server (systemctl status gpt-api), check the port, and set HOST=0.0.0.0:"
        " with HOST=127.0.0.1 it listens to its own machine only"
    )


def _handshake(address: Address) -> None:
    where = f"{address.host}:{address.port}"
    try:
        with closing(socket.create_connection((address.host, address.port), TIMEOUT_S)) as raw:
            context = ssl.create_default_context()
            context.wrap_socket(raw, server_hostname=address.host).close()
    except ssl.SSLCertVerificationError as error:
        raise Failure(
            "TLS",
            f"the certificate is not good for {address.host} ({error.verify_message})",
            "bots refuse it too: take a certificate of a public authority for this very name"
            " (Caddy and certbot get one), or use http:// and the port of gpt-api itself",
        ) from None
    except TimeoutError:
        raise Failure(
            "TLS", f"{where} does not answer in TLS", f"it may speak http: write http://{where}/v1"
        ) from None
    except ssl.SSLError as error:
        plain = error.reason in ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")
        words = "speaks http, not https" if plain else f"fails in TLS ({error.reason})"
        raise Failure("TLS", f"{where} {words}", f"write http://{where}/v1") from None
    except OSError as error:
        raise Failure(
            "TLS",
            f"{where} hangs up on TLS ({error})",
            f"it may speak http: write http://{where}/v1",
        ) from None
