"""A real nginx or Caddy as a child process, with a configuration of docs/deploy.md."""

import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from tests.proxies.configurations import NAME, block, replaced

Kind: TypeAlias = Literal["nginx", "caddy"]
HOST = "127.0.0.1"
START_LIMIT_S = 30
STOP_LIMIT_S = 10
READY = {"nginx": "start worker process ", "caddy": "serving initial configuration"}
UPSTREAM = "127.0.0.1:8000"
# What somebody may have set for everything that a machine serves.
GZIP = "    gzip on;\n    gzip_types *;\n    gzip_min_length 0;\n"


def binary(kind: Kind) -> str | None:
    """Where the program is; /usr/sbin is not in everybody's path."""
    return shutil.which(kind) or shutil.which(kind, path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Files of a certificate for this machine, which is its own authority."""

    chain: Path
    key: Path

    def trusted(self) -> ssl.SSLContext:
        """What a client of its own believes."""
        return ssl.create_default_context(cafile=str(self.chain))


@dataclass(kw_only=True)
class Site:
    """What to publish, and where. `changes` are made to the configuration beyond places."""

    upstream: str
    certificate: Certificate
    folder: Path
    changes: Mapping[str, str] = field(default_factory=dict)


class Proxy:
    """Runs from its creation until `stop`; its output is read line by line, never polled."""

    def __init__(self, kind: Kind, site: Site) -> None:
        self.kind = kind
        self.access_log = site.folder / "gpt-api.log"
        self.port, self.plain_port = _free_ports()
        prepare = _nginx if kind == "nginx" else _caddy
        command = prepare(site, self.port, self.plain_port)
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            command,
            cwd=site.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(site.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait_for(READY[kind])

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def plain_url(self) -> str:
        return f"http://{HOST}:{self.plain_port}"

    def reload(self) -> None:
        """Have nginx read its configuration again; returns when it has."""
        self._process.send_signal(signal.SIGHUP)
        self._wait_for(READY[self.kind])

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            # Caddy waits for its clients, and those of a test that failed may still be there.
            self._process.kill()
            self._process.wait()
        self._reader.join(START_LIMIT_S)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _wait_for(self, words: str) -> None:
        while (line := self._lines.get(timeout=START_LIMIT_S)) is not None:
            if words in line:
                return
        self.stop()
        raise AssertionError(f"{self.kind} did not start:\n" + "\n".join(self.log))

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line.rstrip())
            self._lines.put(line)
        self._lines.put(None)


def _free_ports() -> tuple[int, int]:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _nginx(site: Site, port: int, plain_port: int) -> Sequence[str]:
    """The site inside what a distribution's nginx.conf gives it."""
    folder = site.folder
    live = f"/etc/letsencrypt/live/{NAME}"
    places = {
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl http2;\n": "",
        "listen 80;": f"listen {HOST}:{plain_port};",
        "listen 443 ssl http2;": f"listen {HOST}:{port} ssl http2;",
        UPSTREAM: site.upstream,
        f"{live}/fullchain.pem": str(site.certificate.chain),
        f"{live}/privkey.pem": str(site.certificate.key),
        "/var/log/nginx/gpt-api.log": str(folder / "gpt-api.log"),
        "/var/www/html": str(folder),
    }
    text = replaced(replaced(block("nginx"), places), site.changes)
    (folder / "site.conf").write_text(text)
    rooms = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {room}_temp_path {folder}/{room};\n" for room in rooms)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}worker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr notice;\n"
        f"events {{}}\nhttp {{\n{temporary}{GZIP}    include {folder}/site.conf;\n}}\n"
    )
    configuration = str(folder / "nginx.conf")
    return [str(binary("nginx")), "-p", str(folder), "-c", configuration, "-g", "daemon off;"]


def _caddy(site: Site, port: int, plain_port: int) -> Sequence[str]:
    """The Caddyfile with a certificate of our own, and without the port of its remote control."""
    folder = site.folder
    certificate = f"tls {site.certificate.chain} {site.certificate.key}"
    places = {
        f"{NAME} {{\n": f"https://{HOST}:{port} {{\n\tbind {HOST}\n\t{certificate}\n",
        UPSTREAM: site.upstream,
        "/var/log/caddy/gpt-api.log": str(folder / "gpt-api.log"),
    }
    text = replaced(replaced(block("caddyfile"), places), site.changes)
    options = (
        f"{{\n\tadmin off\n\thttp_port {plain_port}\n\thttps_port {port}\n"
        f"\tdefault_bind {HOST}\n}}\n"
    )
    (folder / "Caddyfile").write_text(options + text)
    configuration = str(folder / "Caddyfile")
    return [str(binary("caddy")), "run", "--config", configuration, "--adapter", "caddyfile"]
