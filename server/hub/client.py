"""Asks a hub: which files a repository has, and for the bytes of one from any place on.

Sessions, addresses, the token and offline mode are huggingface_hub's. Its own download begins anew
after every interruption, and ends only when it likes: so the bytes are read here.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
import msgspec
from huggingface_hub import constants, get_async_session, hf_hub_url
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers

from server.hub.errors import HubError
from server.hub.listing import HubFile

# A connection that is silent for so long is dead; another one goes on where it stopped.
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
CHUNK_BYTES = 1 << 20
REVISION = "main"


class _Large(msgspec.Struct):
    sha256: str
    size: int


class _Sibling(msgspec.Struct):
    rfilename: str
    size: int | None = None
    lfs: _Large | None = None


class _Repository(msgspec.Struct):
    sha: str
    siblings: list[_Sibling]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A repository's files at one revision, which never change any more."""

    repo: str
    revision: str
    files: tuple[HubFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The bytes of a file from `offset` on: not always from where they were asked for."""

    offset: int
    chunks: AsyncIterator[bytes]


class Hub:
    """A hub. `endpoint` None: HF_ENDPOINT, or huggingface.co; `token` None: HF_TOKEN or that of
    `hf auth login`, if any. Errors of all methods: HubError.
    """

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = token

    async def list(self, repo: str) -> Listing:
        """What a repository holds now."""
        url = f"{self._endpoint}/api/models/{repo}/revision/{REVISION}?blobs=true"
        async with self._get(url, f"hf.co/{repo}") as response:
            content = await response.aread()
        try:
            found = msgspec.json.decode(content, type=_Repository)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise HubError(
                "damaged", f"what {self._name} answers is no hub's language; correct HF_ENDPOINT"
            ) from None
        return Listing(repo=repo, revision=found.sha, files=tuple(_files(found.siblings)))

    @asynccontextmanager
    async def open(self, listing: Listing, file: HubFile, offset: int) -> AsyncIterator[Body]:
        """A file's bytes from `offset` on, or all of them where the server cannot do that."""
        url = hf_hub_url(
            listing.repo, file.path, revision=listing.revision, endpoint=self._endpoint
        )
        more = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._get(url, f"hf.co/{listing.repo}:{file.path}", more) as response:
            begin = _begin(response)
            if begin not in (0, offset):
                raise HubError(
                    "unavailable", f"{self._name} sent another piece than was asked for; try again"
                )
            yield Body(offset=begin, chunks=response.aiter_bytes(CHUNK_BYTES))

    @asynccontextmanager
    async def _get(
        self, url: str, what: str, more: dict[str, str] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        # Compressed bytes could not be counted. Every request asks the hub itself: the address that
        # it redirects to is signed for a while only. The token does not go there.
        headers = {**build_hf_headers(token=self._token), "Accept-Encoding": "identity"}
        try:
            async with (
                get_async_session() as session,
                session.stream(
                    "GET", url, headers={**headers, **(more or {})}, timeout=TIMEOUT
                ) as response,
            ):
                if not response.is_success:
                    raise self._refusal(response, what, sent_token="authorization" in headers)
                yield response
        except OfflineModeIsEnabled:
            raise HubError(
                "offline", f"{what} is not here, and HF_HUB_OFFLINE forbids to ask for it; unset it"
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            reason = str(error) or type(error).__name__
            raise HubError(
                "unavailable",
                f"the connection to {self._name} failed ({reason}); check the network",
            ) from None

    @property
    def _name(self) -> str:
        return urlsplit(self._endpoint).netloc.rpartition("@")[2] or self._endpoint

    def _refusal(self, response: httpx2.Response, what: str, *, sent_token: bool) -> HubError:
        status, code = response.status_code, response.headers.get("X-Error-Code", "")
        token = "the token (HF_TOKEN)" if sent_token else "no token (HF_TOKEN)"
        elsewhere = response.url.netloc.decode() != urlsplit(self._endpoint).netloc
        # Of the store's answers none is about rights: its addresses are only good for a while.
        if status in (408, 416, 429) or status >= 500 or elsewhere:
            return HubError(
                "unavailable",
                f"{self._name} cannot send {what} now (status {status}); try again later",
                retry_after=_seconds(response.headers.get("Retry-After", "")),
            )
        if code == "GatedRepo":
            page = f"{self._endpoint}/{what.removeprefix('hf.co/').partition(':')[0]}"
            return HubError(
                "forbidden",
                f"{what} is given to those only who accepted its conditions, and {token} was sent;"
                f" accept them at {page} and set HF_TOKEN to a token of that account",
            )
        if "credentials" in response.headers.get("X-Error-Message", ""):
            return HubError(
                "forbidden",
                f"{self._name} does not know the token (HF_TOKEN, or that of hf auth login);"
                " correct it or unset it",
            )
        if status in (401, 403):
            return HubError(
                "forbidden",
                f"{what} does not exist or is private, and {token} was sent; correct the name, or"
                " set HF_TOKEN to a token that may read it",
            )
        if status == 404:
            return HubError("unknown", f"{what} does not exist on {self._name}; correct the name")
        return HubError("forbidden", f"{self._name} refuses to send {what} (status {status})")


def _files(siblings: Sequence[_Sibling]) -> Iterator[HubFile]:
    """Those that can be shown and fetched; large ones have a checksum."""
    for each in siblings:
        size = each.lfs.size if each.lfs else each.size
        if each.rfilename.isprintable() and size is not None:
            checksum = each.lfs.sha256.lower() if each.lfs else None
            yield HubFile(path=each.rfilename, size=size, sha256=checksum)


def _begin(response: httpx2.Response) -> int:
    """Where in the file a body begins."""
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match and response.status_code == 206 else 0


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
