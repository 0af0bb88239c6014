"""HTTP as a bot speaks it: JSON there and back, or a stream of events; failures said in words.

Knows the address and the key, not what is asked.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from server.check_client.address import Address
from server.check_client.reaching import speaks_tls
from server.check_client.refusals import refusal
from server.verdicts import Failure

# Of an answer without JSON, as much as tells what it is.
MOST_TEXT = 20_000
MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`body` is the JSON, or the text where it is none; `seconds` until the last byte."""

    status: int
    body: Any
    headers: httpx2.Headers
    seconds: float

    @property
    def retry_after(self) -> str:
        return str(self.headers.get("retry-after", ""))

    @property
    def has_json(self) -> bool:
        return isinstance(self.body, dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The data of one server-sent event, `seconds` after the request."""

    data: str
    seconds: float


class Server:
    """What answers at an address. `key` goes with every request, unless it is empty. `patience_s`:
    how long an answer may take. Errors of every method: Failure.
    """

    def __init__(self, address: Address, key: str, patience_s: float) -> None:
        self.address = address
        self.key = key
        self._patience_s = patience_s
        timeout = httpx2.Timeout(patience_s, connect=min(patience_s, 10.0))
        # A bot's own machine has no proxy of ours: what the environment says is not looked at.
        self._client = httpx2.Client(timeout=timeout, trust_env=False)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(
        self, subject: str, path: str, *, with_key: bool = True, timeout_s: float = 15.0
    ) -> Reply:
        """`subject` is what a failure is said of."""
        headers = {"Accept": "application/json", **(self._headers() if with_key else {})}
        patience_s = min(timeout_s, self._patience_s)
        return self._send(subject, "GET", path, headers=headers, timeout=patience_s)

    def post(self, subject: str, path: str, body: dict[str, Any]) -> Reply:
        return self._send(subject, "POST", path, json=body, headers=self._headers())

    def stream(self, subject: str, path: str, body: dict[str, Any]) -> Iterator[Frame]:
        """The events of a stream. Errors: also where none comes."""
        began = time.perf_counter()
        url = self.address.root + path
        try:
            with self._client.stream("POST", url, json=body, headers=self._headers()) as response:
                kind = response.headers.get("content-type", "")
                if response.status_code != 200 or "text/event-stream" not in kind:
                    raise _no_stream(subject, response, self._read(response, began))
                for line in response.iter_lines():
                    seconds = time.perf_counter() - began
                    if seconds > self._patience_s:
                        raise _endless(subject, seconds)
                    if line.startswith("data:"):
                        data = line.removeprefix("data:").strip()
                        yield Frame(data=data, seconds=seconds)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._failure(subject, error) from None

    def _send(self, subject: str, method: str, path: str, **more: Any) -> Reply:
        began = time.perf_counter()
        try:
            with self._client.stream(method, self.address.root + path, **more) as response:
                body = self._read(response, began)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._failure(subject, error) from None
        return Reply(
            status=response.status_code,
            body=body,
            headers=response.headers,
            seconds=time.perf_counter() - began,
        )

    def _read(self, response: httpx2.Response, began: float) -> Any:
        """JSON or text; of what never ends, such as a radio station's stream, the beginning."""
        data = b""
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > MOST_BYTES or time.perf_counter() - began > self._patience_s:
                break
        text = data.decode("utf-8", "replace")
        try:
            return json.loads(text)
        except ValueError:
            return text[:MOST_TEXT]

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def _failure(self, subject: str, error: Exception) -> Failure:
        where = f"{self.address.host}:{self.address.port}"
        if isinstance(error, httpx2.TimeoutException):
            return Failure(
                subject,
                "it takes the connection and then says nothing",
                "something else may listen there, or the server hangs or is busy:"
                " systemctl status gpt-api; --timeout waits longer",
            )
        if not self.address.tls and speaks_tls(self.address):
            return Failure(subject, f"{where} speaks https", f"write https://{where}/v1")
        reason = str(error) or type(error).__name__
        return Failure(
            subject,
            f"the connection broke ({reason})",
            "another service listens there, or the server ended: see its log",
        )


def _no_stream(subject: str, response: httpx2.Response, body: Any) -> Failure:
    if response.status_code != 200:
        return refusal(subject, response.status_code, body, response.headers.get("retry-after", ""))
    return Failure(
        subject,
        f"no stream comes, but {response.headers.get('content-type', 'something without a type')}",
        "a proxy may collect answers: switch its buffering off (proxy_buffering off in nginx)",
    )


def _endless(subject: str, seconds: float) -> Failure:
    return Failure(
        subject,
        f"after {seconds:.0f} s the answer has not ended",
        "see gpt-api bench on the server; --timeout waits longer",
    )
