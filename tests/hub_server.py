"""A model hub on this machine that can be told to misbehave: real sockets, real HTTP.

It mimics how a hub answers `/<owner>/<repo>/resolve/<revision>/<file>`: with a redirect to a
storage address, where `X-Linked-Size`, `X-Linked-Etag` and `X-Repo-Commit` tell what is coming.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubFile:
    """A file, and every way in which the hub may lie about it or fail to deliver it.

    Attributes:
        content: The true content.
        served: What is sent instead; None: the truth.
        linked_size, linked_sha256: What the hub says beforehand; None: the truth, "": nothing.
        content_length: What the storage says; None: the truth, -1: nothing (the end closes the connection).
        commit: What `X-Repo-Commit` says.
        drops: How many bytes of the body each storage request gets before the line is cut; then no more cuts.
        always_drop: Cut every request after so many bytes.
        statuses: What the hub answers to each request before it behaves; `storage_statuses`: the storage.
        headers: More headers of those answers, and of the redirect.
        ignores_range: Sends everything whatever was asked; `wrong_range` sends another part than asked.
        range_total: The size of the whole that answers to ranges say; empty: the truth.
        html: A web page instead of the file, with status 200.
        token: Who asks without it gets 401.
        redirect: Where to go instead of the storage.
        gate: The body stops after `gate_after` bytes until the gate opens.
    """

    content: bytes
    served: bytes | None = None
    linked_size: int | str | None = None
    linked_sha256: str | None = None
    content_length: int | None = None
    commit: str = COMMIT
    drops: list[int] = field(default_factory=list)
    always_drop: int | None = None
    statuses: list[int] = field(default_factory=list)
    storage_statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    ignores_range: bool = False
    wrong_range: bool = False
    range_total: str = ""
    html: bool = False
    token: str = ""
    redirect: str | None = None
    gate: threading.Event | None = None
    gate_after: int = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]


class Hub:
    """The server's state: its files by `<owner>/<repo>/<file>`, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, HubFile] = {}
        self.seen: list[Seen] = []
        self.lock = threading.Lock()
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def storage_url(self) -> str:
        """The same server under another name, as a hub's storage is another host."""
        return f"{self.scheme}://localhost:{self.port}"

    def add(self, repository: str, name: str, content: bytes, **behaviour: object) -> HubFile:
        self.files[f"{repository}/{name}"] = file = HubFile(content, **behaviour)  # type: ignore[arg-type]
        return file

    def requests(self, part: str) -> list[Seen]:
        return [seen for seen in self.seen if part in seen.path]


@contextlib.contextmanager
def running_hub(certificate: Path | None = None) -> Iterator[Hub]:
    """A hub; with a file that holds a key and a certificate it speaks TLS."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = _Server(("127.0.0.1", 0), handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        hub.scheme = "https"
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        for file in hub.files.values():
            if file.gate:
                file.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at `Hub.seen`."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        with self.hub.lock:
            self.hub.seen.append(Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        path = urlsplit(self.path).path
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^/]+)", path):
            file = self.hub.files.get(f"{match[1]}/{match[3]}")
            if file is None:
                return self._plain(404)
            return self._resolve(file, f"{match[1]}/{match[3]}")
        if path.startswith("/storage/") and (file := self.hub.files.get(path.removeprefix("/storage/"))):
            return self._store(file, body)
        self._plain(404)

    def _plain(
        self, status: int, text: bytes = b"no", kind: str = "text/plain", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _resolve(self, file: HubFile, key: str) -> None:
        with self.hub.lock:
            status = file.statuses.pop(0) if file.statuses else 0
        if file.token and self.headers.get("Authorization") != f"Bearer {file.token}":
            status = 401
        if status:
            return self._plain(status, headers=file.headers)
        if file.html:
            return self._plain(200, b"<html>Please sign in to the guest network.</html>", "text/html; charset=utf-8")
        self.send_response(302)
        size = len(file.content) if file.linked_size is None else file.linked_size
        sha256 = file.sha256 if file.linked_sha256 is None else file.linked_sha256
        for name, value in (("X-Linked-Size", size), ("X-Linked-Etag", f'"{sha256}"' if sha256 else "")):
            if value != "":
                self.send_header(name, str(value))
        self.send_header("X-Repo-Commit", file.commit)
        self.send_header("Location", file.redirect or f"{self.hub.storage_url}/storage/{key}?signature=secret")
        self.send_header("Content-Length", "0")
        for name, value in file.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _store(self, file: HubFile, body: bool) -> None:
        with self.hub.lock:
            status = file.storage_statuses.pop(0) if file.storage_statuses else 0
            cut = file.drops.pop(0) if file.drops and body else file.always_drop
        if status:
            return self._plain(status, headers=file.headers)
        content = file.content if file.served is None else file.served
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and not file.ignores_range else 0
        if start and start >= len(content):
            return self._plain(416, headers={"Content-Range": f"bytes */{len(content)}"})
        if file.wrong_range and start:
            start -= 1
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/octet-stream")
        if start:
            total = file.range_total or len(content)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{total}")
        length = len(content) - start if file.content_length is None else file.content_length
        if length >= 0:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if not body:
            return
        sent = content[start:]
        if file.gate is not None and not file.gate.is_set():
            self.wfile.write(sent[: file.gate_after])
            self.wfile.flush()
            file.gate.wait(60)
            sent = sent[file.gate_after :]
        if cut is not None:
            self.wfile.write(sent[:cut])
            self.wfile.flush()
            self._hang_up()
        else:
            self.wfile.write(sent)
            if length >= 0 and length != len(content) - start:
                self._hang_up()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True
