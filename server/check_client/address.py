"""Reads a base URL as people write it: with /v1 or without, with the whole address of chats,
without a scheme, in quotes. Asks nobody.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

CHATS = "/chat/completions"
API = "/v1"
PORTS = {"http": 80, "https": 443}
# Pasted along with a text: spaces of all kinds, marks of order, quotes.
AROUND = (
    " \t\r\n\u00a0\u200b\u200e\u200f\u2060\ufeff\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb<>"
)
_SCHEME = re.compile(r"(https?)(?::/{1,2}|//|:(?!\d))", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is. `path` is what stands before /v1, mostly nothing; `remarks` are what was
    wrong with the text, in words, and still understood.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """Without /v1 and without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def base_url(self) -> str:
        """What belongs into a client's field."""
        return self.root + API

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def reach(self) -> str:
        """From where the host can be reached: `machine` (this one alone), `network` or `world`."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return "machine" if self.host.lower() == "localhost" else "world"
        if address.is_loopback or address.is_unspecified:
            return "machine"
        return "network" if address.is_private or address.is_link_local else "world"


def read_address(text: str) -> Address:
    """Errors: ValueError with one sentence."""
    bare = text.strip(AROUND)
    remarks = [] if bare == text else ["it stands in quotes or has spaces around it"]
    if not bare or re.search(r"\s", bare):
        what = "has a space in it" if bare else "is empty"
        raise ValueError(f"the base URL {what}; write it like http://203.0.113.5:8000/v1")
    scheme, rest, more = _scheme(bare)
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(
            f'"{bare[:100]}" has no port between 1 and 65535; write http://{rest.split(":")[0]}:8000/v1'
        ) from None
    if not host or parts.username is not None or port == 0:
        raise ValueError(f'"{bare[:100]}" names no server; write http://203.0.113.5:8000/v1')
    if parts.query or parts.fragment:
        more = [*more, "what follows the ? or # in it means nothing here"]
    path, odd = _path(parts.path)
    return Address(
        scheme=scheme,
        host=host,
        port=port or PORTS[scheme],
        path=path,
        remarks=(*remarks, *more, *odd),
    )


def _scheme(text: str) -> tuple[str, str, list[str]]:
    """The scheme, the rest, and what was wrong with it."""
    match = _SCHEME.match(text)
    if match is None:
        if _OTHER_SCHEME.match(text):
            raise ValueError(f'"{text[:100]}" is no web address; begin it with http:// or https://')
        rest = text.lstrip("/")
        scheme = "https" if re.match(r"[^/]*:443(/|$)", rest) else "http"
        return scheme, rest, [f"it has no {scheme}:// before it"]
    scheme = match[1].lower()
    well = text[: match.end()].lower() == f"{scheme}://"
    return scheme, text[match.end() :], [] if well else [f"it must begin with {scheme}://"]


def _path(path: str) -> tuple[str, list[str]]:
    """What stands before /v1, and what was wrong with the rest."""
    bare = re.sub("/{2,}", "/", path).rstrip("/")
    remarks = []
    while bare.endswith(CHATS):
        bare = bare.removesuffix(CHATS).rstrip("/")
        remarks = ["it is the address of chats; the base URL ends with /v1"]
    if bare.endswith(API):
        return bare.removesuffix(API), remarks
    if not remarks:
        remarks = ["it does not end with /v1"]
    return bare, remarks
