"""A token server, as Docker Hub and GitLab have one: bearer tokens that a real docker-registry believes.

It signs with a key whose certificate the registry is given (``rootcertbundle``). Who comes in: ``registry.serve``.
"""

import base64
import json
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ISSUER, SERVICE = "tests", "registry.tests"


@dataclass
class TokenServer:
    """What it grants may be changed between requests: ``lifetime`` in seconds, ``refresh`` tokens it knows.

    ``grants`` lists (method, scopes, user) of every token given.
    """

    directory: Path
    users: dict[str, str]
    realm: str = ""
    lifetime: int = 300
    refresh: set[str] = field(default_factory=set)
    grants: list[tuple[str, list[str], str]] = field(default_factory=list)

    @property
    def certificate(self) -> Path:
        return self.directory / "token.crt"

    def answer(self, method: str, query: dict[str, list[str]], authorization: str) -> tuple[int, dict[str, Any]]:
        """Status and document for a request, GET (basic or nobody) or POST (OAuth 2)."""
        scopes = [scope for text in query.get("scope", []) for scope in text.split()]
        user = self._user(query) if method == "POST" else self._basic(authorization)
        if user is None:
            return 401, {"details": "incorrect username or password"}
        token = self._signed(user, scopes if user else [scope for scope in scopes if ":public/" in scope])
        self.grants.append((method, scopes, user))
        document = {"token": token, "access_token": token, "expires_in": self.lifetime}
        if query.get("offline_token") == ["true"] and user:
            self.refresh.add(f"refresh-{user}")
            document["refresh_token"] = f"refresh-{user}"
        return 200, document

    def _user(self, form: dict[str, list[str]]) -> str | None:
        token = form.get("refresh_token", [""])[0]
        granted = form.get("grant_type") == ["refresh_token"] and token in self.refresh
        return token.removeprefix("refresh-") if granted else None

    def _basic(self, authorization: str) -> str | None:
        if not authorization:
            return ""
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return user if self.users.get(user) == password else None

    def _signed(self, user: str, scopes: list[str]) -> str:
        body = "".join(line for line in self.certificate.read_text().splitlines() if "-----" not in line)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [body]}
        now = int(time.time())
        access = [
            {"type": kind, "name": name, "actions": actions.split(",")}
            for kind, name, actions in (scope.split(":", 2) for scope in scopes)
        ]
        claims = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": user,
            "nbf": now - 10,
            "iat": now,
            "exp": now + self.lifetime,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        signed = f"{_packed(json.dumps(header).encode())}.{_packed(json.dumps(claims).encode())}"
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.directory / "token.key")]
        signature = subprocess.run(command, input=signed.encode(), stdout=subprocess.PIPE, check=True).stdout
        return f"{signed}.{_packed(signature)}"


@contextmanager
def serve_tokens(directory: Path, users: dict[str, str]) -> Iterator[TokenServer]:
    """A token server at a free port of the loopback, its key in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    files = ["-keyout", directory / "token.key", "-out", directory / "token.crt"]
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tokens"
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    tokens = TokenServer(directory, users)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(parse_qs(urlsplit(self.path).query))

        def do_POST(self) -> None:
            self._answer(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def _answer(self, query: dict[str, list[str]]) -> None:
            status, document = tokens.answer(self.command, query, self.headers.get("Authorization", ""))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: pytest's output is for failures."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tokens.realm = f"http://127.0.0.1:{server.server_port}/token"
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield tokens
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
