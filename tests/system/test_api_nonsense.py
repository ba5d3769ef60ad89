"""What no client sends on purpose, sent to a real daemon: it answers with a mistake of the client's, and lives on.

``HAVRE_TEST_NONSENSE`` is how many requests are made up (1000, always the same ones; with a number given, others each
time).
"""

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from tests.system import images
from tests.system.api_nonsense import EXEC, VICTIM, Nonsense, requests
from tests.system.conftest import NewDaemon
from tests.system.harness import Havred, UnixConnection

GIVEN = os.environ.get("HAVRE_TEST_NONSENSE", "")

# Outside of a swarm this is what such an engine answers; pulls and searches end so where there is no network.
UNAVAILABLE = ("swarm", "services", "nodes", "tasks", "secrets", "configs", "volumes", "search")
# These wait for something by nature.
WAITING = ("/wait", "/attach", "/stop", "/restart", "/start", "/events", "/stats", "/logs")
PATIENCE = 5.0
MADE = {"/containers/create": "containers", "/networks/create": "networks", "/exec": "exec"}
"""The ends of the paths that make something, and where that is found."""


class Target:
    """A daemon with a container that runs: what requests hit, and what is made again when it was hit hard."""

    def __init__(self, daemon: Havred) -> None:
        self.daemon = daemon
        self.victim = self.exec = ""

    def prepare(self) -> None:
        """See to it that the container runs and has an exec that was not started."""
        state = self.daemon.api("GET", f"/containers/{self.victim or 'x'}/json", timeout=PATIENCE)
        if state.status == 200 and state.json()["State"]["Status"] == "running":
            return
        if self.victim:
            self.daemon.api("DELETE", f"/containers/{self.victim}?force=1")
        made = self.daemon.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000"]})
        self.victim = made.json()["Id"]
        assert self.daemon.api("POST", f"/containers/{self.victim}/start").status == 204
        made = self.daemon.api("POST", f"/containers/{self.victim}/exec", {"Cmd": ["true"]})
        self.exec = made.json()["Id"]

    def send(self, request: Nonsense) -> None:
        """Send it, and demand what is demanded of an answer."""
        path = request.path.replace(VICTIM, self.victim).replace(EXEC, self.exec)
        waits = path.partition("?")[0].endswith(WAITING)
        connection = UnixConnection(self.daemon.socket, PATIENCE if waits else 30)
        try:
            connection.request(request.method, path, request.body, dict(request.headers))
            answer = connection.getresponse()
            kind = next((kind for end, kind in MADE.items() if path.partition("?")[0].endswith(end)), "")
            made = kind if answer.status == 201 else ""
            body = answer.read() if answer.status >= 400 or made else b""
            self.judge(request, answer.status, body)
            if made:
                self.try_out(made, json.loads(body)["Id"])
        except TimeoutError:
            assert waits, f"no answer to {request}"
        except http.client.HTTPException as error:
            # aiohttp's words for what is no HTTP have no head that http.client could read.
            raise AssertionError(f"{request}: {error!r}") from error
        finally:
            connection.close()

    def try_out(self, kind: str, made: str) -> None:
        """Start what could be made: that may fail, but not by accident, and nothing may stay of it."""
        if kind != "networks":
            answer = self.daemon.api("POST", f"/{kind}/{made}/start", {"Detach": True} if kind == "exec" else None)
            assert b"internal error" not in answer.body, answer
        if kind != "exec":
            self.daemon.api("DELETE", f"/{kind}/{made}?force=1&v=1")

    def judge(self, request: Nonsense, status: int, body: bytes) -> None:
        kind = request.path.partition("?")[0].removeprefix("/").split("/")
        unavailable = set(UNAVAILABLE) & set(kind)
        assert status < 500 or status == 501 or (status == 503 and unavailable), (request, status, body[:500])
        if status >= 400 and request.method != "HEAD" and not body.startswith(b"client version"):
            assert list(json.loads(body)) == ["message"], (request, status, body[:500])

    def ping(self) -> None:
        """It is there, and at once."""
        assert self.daemon.api("GET", "/_ping", timeout=PATIENCE).status == 200


@pytest.fixture(scope="module")
def document(spec: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return json.loads(json.dumps(yaml.load((spec / "docker-api" / "v1.55.yaml").read_text(), loader), default=str))


@pytest.fixture
def target(new_havred: NewDaemon) -> Iterator[Target]:
    daemon = new_havred("--registry-mirror", "http://127.0.0.1:1", "--shutdown-timeout", "2")
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    yield Target(daemon)
    log = daemon.log.read_text(errors="replace")
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]


@pytest.mark.timeout(0 if GIVEN else 600)
def test_nonsense(target: Target, document: dict[str, Any]) -> None:
    @settings(
        max_examples=int(GIVEN or 1000),
        derandomize=not GIVEN,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(document))
    def one(request: Nonsense) -> None:
        target.prepare()
        target.send(request)
        target.ping()

    one()
