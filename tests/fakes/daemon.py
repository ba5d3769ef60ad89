"""A scripted Engine API on a unix socket, for tests of the client and the CLI: it answers as told and keeps what it
was asked.

    with FakeDaemon(tmp_path / "d.sock") as daemon:
        daemon.on("POST", "/containers/create", json={"Id": "a" * 64, "Warnings": []}, status=201)
        daemon.on("POST", "/containers/*/attach", hijack=lambda stream: stream.send(frame(1, b"hello\\n")))

Paths are without the version prefix; ``*`` stands for one part. Several answers to one route are given in turn, the
last one again and again. Whatever is not scripted is answered 404 and fails ``daemon.check()``.
"""

from __future__ import annotations

import json as jsonlib
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_VERSION = "1.51"


@dataclass
class Request:
    """One request as it came in; ``path`` has no version, ``version`` is it ("" if there was none)."""

    method: str
    path: str
    version: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return jsonlib.loads(self.body)

    def one(self, name: str) -> str | None:
        """The only value of a query parameter, None if it is not there."""
        values = self.query.get(name)
        return values[0] if values else None


class Stream:
    """The daemon's end of a hijacked connection."""

    def __init__(self, connection: socket.socket, early: bytes) -> None:
        self._connection = connection
        self._early = early

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def recv(self) -> bytes:
        """What the client sent; b"" at its half-close."""
        if self._early:
            data, self._early = self._early, b""
            return data
        return self._connection.recv(65536)

    def read_all(self) -> bytes:
        """Everything until the client's half-close."""
        parts = []
        while data := self.recv():
            parts.append(data)
        return b"".join(parts)

    def close_write(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)


@dataclass
class Answer:
    """What a route answers. One of ``json``, ``body``, ``chunks`` (sent chunked, flushed one by one) or ``hijack``."""

    status: int = 200
    json: Any = None
    body: bytes = b""
    chunks: Iterable[bytes] | Callable[[], Iterable[bytes]] | None = None
    hijack: Callable[[Stream], object] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[Request], object] | None = None


class FakeDaemon:
    """Serves until the ``with`` block ends. ``requests`` lists everything asked but pings; ``host`` is for ``-H``."""

    def __init__(self, path: Path, api_version: str = API_VERSION) -> None:
        self.path = path
        self.host = f"unix://{path}"
        self.api_version = api_version
        self.experimental = False
        self.requests: list[Request] = []
        self.pings = 0
        self.connections = 0
        self.unexpected: list[str] = []
        self._routes: list[tuple[str, re.Pattern[str], list[Answer]]] = []
        self._lock = threading.Lock()
        self._server = _Server(str(path), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def on(self, method: str, path: str, *more: Answer, **answer: Any) -> None:
        """Script a route: keyword arguments are ``Answer``'s, or pass ready answers. A later script goes first."""
        pattern = re.compile("/".join("[^/]+" if part == "*" else re.escape(part) for part in path.split("/")) + "$")
        answers = list(more) or [Answer(**answer)]
        with self._lock:
            self._routes.insert(0, (method, pattern, answers))

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            for method, pattern, answers in self._routes:
                if method == request.method and pattern.match(request.path):
                    return answers.pop(0) if len(answers) > 1 else answers[0]
            self.unexpected.append(f"{request.method} {request.path}")
        return Answer(404, json={"message": "page not found"})

    def asked(self, method: str, path: str) -> list[Request]:
        """The requests of a route so far, ``path`` as in ``on``."""
        pattern = re.compile("/".join("[^/]+" if part == "*" else re.escape(part) for part in path.split("/")) + "$")
        with self._lock:
            return [r for r in self.requests if r.method == method and pattern.match(r.path)]

    def trail(self) -> list[str]:
        """``METHOD /path`` of every request in order."""
        with self._lock:
            return [f"{r.method} {r.path}" for r in self.requests]

    def check(self) -> None:
        assert not self.unexpected, f"not scripted: {self.unexpected}"

    def __enter__(self) -> FakeDaemon:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: str, owner: FakeDaemon) -> None:
        self.owner = owner
        super().__init__(path, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner.connections += 1

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        version = re.match(r"/v(\d+\.\d+)(/.*)$", url.path)
        path = version[2] if version else url.path
        owner = self.server.owner
        if path == "/_ping":
            owner.pings += 1
            experimental = {"Docker-Experimental": "true"} if owner.experimental else {}
            self._head(
                200, {"Api-Version": owner.api_version, "Ostype": "linux", "Content-Length": "2", **experimental}
            )
            if self.command != "HEAD":
                self.wfile.write(b"OK")
            return
        request = Request(
            self.command,
            path,
            version[1] if version else "",
            parse_qs(url.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self._body(),
        )
        if version and _pair(version[1]) > _pair(owner.api_version):
            text = f"client version {version[1]} is too new. Maximum supported API version is {owner.api_version}"
            self._send(Answer(400, json={"message": text}))
            return
        answer = owner.answer(request)
        if answer.before is not None:
            answer.before(request)
        if answer.hijack is not None:
            self._hijack(answer)
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, answer: Answer) -> None:
        headers = {"Api-Version": self.server.owner.api_version, **answer.headers}
        if answer.chunks is not None:
            self._head(answer.status, {**headers, "Transfer-Encoding": "chunked"})
            for chunk in answer.chunks() if callable(answer.chunks) else answer.chunks:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        body = answer.body if answer.json is None else jsonlib.dumps(answer.json).encode()
        if answer.json is not None:
            headers.setdefault("Content-Type", "application/json")
        if answer.status not in (204, 304):
            headers["Content-Length"] = str(len(body))
        self._head(answer.status, headers)
        if self.command != "HEAD" and answer.status not in (204, 304):
            self.wfile.write(body)

    def _hijack(self, answer: Answer) -> None:
        self.close_connection = True
        kind = answer.headers.get("Content-Type", "application/vnd.docker.multiplexed-stream")
        self.wfile.write(
            f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {kind}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode()
        )
        self.wfile.flush()
        # What the client sent along with its request sits in the reader's buffer.
        early = self.rfile.peek() if self._readable() else b""  # type: ignore[attr-defined]
        assert answer.hijack is not None
        answer.hijack(Stream(self.connection, bytes(early)))

    def _readable(self) -> bool:
        self.connection.setblocking(False)
        try:
            return bool(self.rfile.peek(1))  # type: ignore[attr-defined]
        except BlockingIOError:
            return False
        finally:
            self.connection.setblocking(True)


def _pair(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)
