"""A tour through every operation on containers, execs, images, networks, volumes and the system, for real, in one
version of the API.

Each step is a request to a running engine whose answer is held against that version's definitions: status, content
type, body. Who comes in: ``test_api_contract.py``. A fake is nowhere: containers run, images are committed and loaded.
"""

import io
import json
import socket
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.api.schema import Schemas
from tests.system import images
from tests.system.harness import Answer, Engine

GROUPS = ("Container", "Exec", "Image", "System", "Distribution", "Network", "Volume")
RAW, MULTIPLEXED = "application/vnd.docker.raw-stream", "application/vnd.docker.multiplexed-stream"
TAR = "application/x-tar"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


@dataclass
class Tour:
    """``version`` is what the engine is asked in, ``schemas`` the definitions of that version."""

    engine: Engine
    version: str
    schemas: Schemas
    registry: str
    seen: set[tuple[str, str]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    """The last document of each operation, by method and template."""

    @property
    def number(self) -> tuple[int, int]:
        major, _, minor = self.version.partition(".")
        return int(major), int(minor)

    def ask(
        self,
        method: str,
        template: str,
        body: Any = None,
        *,
        status: int = 200,
        query: Iterable[tuple[str, str]] = (),
        type: str = JSON,
        **names: str,
    ) -> Any:
        """One request; what is wrong with the answer goes to ``wrong``, its document comes back."""
        path = f"/v{self.version}{template.format(**names)}"
        words = urlencode(list(query))
        answer = self.engine.api(method, f"{path}?{words}" if words else path, body)
        self.seen.add((method, template))
        return self._judge(method, template, answer, status, type)

    def upgrade(self, method: str, template: str, headers: str, **names: str) -> bytes:
        """A request that leaves HTTP; what came behind the head."""
        self.seen.add((method, template))
        path, _, query = template.format(**names), "", names.get("query", "")
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(30)
            wire.connect(str(self.engine.socket))
            request = f"{method} /v{self.version}{path}?{query} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
            wire.sendall(request.encode())
            received = b""
            while b"\r\n\r\n" not in received:
                received += wire.recv(65536) or b"\r\n\r\n"
            head, _, rest = received.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101"):
                self.wrong.append(f"{method} {template}: {head[:60]!r} instead of 101")
            while not rest and (more := wire.recv(65536)):
                rest += more
            return rest

    def go(self) -> None:
        """All of it."""
        self._system()
        container = self._containers()
        self._execs(container)
        self._images(container)
        self._networks(container)
        self._volumes()
        self._end(container)
        self._events()

    def missing(self) -> set[tuple[str, str]]:
        """Operations of the groups that were not asked for."""
        return self.schemas.operations(GROUPS) - self.seen

    def _judge(self, method: str, template: str, answer: Answer, status: int, type: str) -> Any:
        what = f"{method} {template}"
        if answer.status != status:
            self.wrong.append(f"{what}: {answer.status} {answer.body[:200]!r} instead of {status}")
            return None
        given = answer.headers.get("Content-Type", "")
        expected = JSON if status >= 400 else type if answer.body else given
        if given != expected:
            self.wrong.append(f"{what}: Content-Type {given!r} instead of {expected!r}")
        # Whatever else comes is a string of bytes to the definitions.
        document: Any = "" if given and given != JSON else None
        if given == JSON and answer.body and _is_one(answer.body):
            document = json.loads(answer.body)
        if status >= 400:
            # Which errors there are, the definitions of old versions do not tell; their shape has always been this.
            if method != "HEAD" and not (isinstance(document, dict) and list(document) == ["message"]):
                self.wrong.append(f"{what}: {document}")
            return document
        self.wrong += [f"{what}: {error}" for error in self.schemas.errors(method, template, status, document)]
        if document:
            self.answers[f"{method} {template}"] = document
        return document

    def _system(self) -> None:
        self.ask("GET", "/_ping", type=TEXT)
        if self.number >= (1, 40):
            self.ask("HEAD", "/_ping", type=TEXT)
        else:
            self.engine.api("HEAD", f"/v{self.version}/_ping")
        self.ask("GET", "/version")
        self.ask("GET", "/info")
        self.ask("POST", "/auth", {"username": "u", "password": "p", "serveraddress": self.registry})

    def _containers(self) -> str:
        made = self.ask("POST", "/containers/create", _BODY, status=201, query=[("name", "tour")])["Id"]
        self.ask("POST", "/containers/create", _BODY, status=409, query=[("name", "tour")])
        self.ask("POST", "/containers/create", {**_BODY, "Image": "nothing"}, status=404)
        self.ask("GET", "/containers/{id}/json", id=made)
        self.ask("POST", "/containers/{id}/start", status=204, id=made)
        self.ask("POST", "/containers/{id}/start", status=304, id=made)
        self.ask("GET", "/containers/{id}/json", query=[("size", "1")], id=made)
        self.ask("GET", "/containers/json", query=[("all", "1"), ("size", "1")])
        self.ask("GET", "/containers/{id}/top", id=made)
        self.ask("GET", "/containers/{id}/stats", query=[("stream", "0"), ("one-shot", "1")], id=made)
        self.ask("POST", "/containers/{id}/update", {"RestartPolicy": {"Name": "no"}}, id=made)
        self.ask("POST", "/containers/{id}/pause", status=204, id=made)
        self.ask("POST", "/containers/{id}/unpause", status=204, id=made)
        self.ask("POST", "/containers/{id}/rename", status=204, query=[("name", "toured")], id=made)
        self.ask("POST", "/containers/{id}/resize", query=[("h", "20"), ("w", "70")], id=made)
        self._files(made)
        self._streams(made)
        self.ask("GET", "/system/df")
        if self.number >= (1, 52):
            self.ask("GET", "/system/df", query=[("verbose", "1")])
        for method, template in (("GET", "/containers/{id}/json"), ("POST", "/containers/{id}/kill")):
            self.ask(method, template, status=404, id="nothing")
        return str(made)

    def _files(self, container: str) -> None:
        path = [("path", "/tmp")]
        self.ask("PUT", "/containers/{id}/archive", _tar("hello"), query=path, id=container)
        self.ask("HEAD", "/containers/{id}/archive", query=path, id=container)
        self.ask("GET", "/containers/{id}/archive", query=path, type=TAR, id=container)
        self.ask("GET", "/containers/{id}/archive", query=[("path", "/nothing")], status=404, id=container)
        self.ask("GET", "/containers/{id}/changes", id=container)
        self.ask("GET", "/containers/{id}/export", type="application/octet-stream", id=container)

    def _streams(self, container: str) -> None:
        both = [("stdout", "1"), ("stderr", "1")]
        self.ask("GET", "/containers/{id}/logs", query=both, type=RAW, id=container)
        self.ask("POST", "/containers/{id}/attach", query=[*both, ("logs", "1")], type=RAW, id=container)
        upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n"
        query = "stdout=1&logs=1"
        said = self.upgrade("POST", "/containers/{id}/attach", upgrade, id=container, query=query)
        upgrade = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://x\r\n"
        )
        said += self.upgrade("GET", "/containers/{id}/attach/ws", upgrade, id=container, query=query)
        if said.count(b"ready") != 2:
            self.wrong.append(f"attach: {said!r}")

    def _execs(self, container: str) -> None:
        body = {"Cmd": ["true"], "AttachStdout": True}
        made = self.ask("POST", "/containers/{id}/exec", body, status=201, id=container)["Id"]
        self.ask("POST", "/containers/{id}/exec", body, status=404, id="nothing")
        self.ask("GET", "/exec/{id}/json", id=made)
        self.ask("POST", "/exec/{id}/start", {"Detach": True}, id=made)
        self.ask("POST", "/exec/{id}/start", {"Detach": True}, status=409, id=made)
        self.ask("GET", "/exec/{id}/json", id=made)
        self.ask("GET", "/exec/{id}/json", status=404, id="nothing")
        long = self.ask("POST", "/containers/{id}/exec", {"Cmd": ["sleep", "9"], "Tty": True}, status=201, id=container)
        self.ask("POST", "/exec/{id}/start", {"Detach": True, "Tty": True}, id=long["Id"])
        self.ask("POST", "/exec/{id}/resize", query=[("h", "20"), ("w", "70")], id=long["Id"])

    def _images(self, container: str) -> None:
        commit = [("container", container), ("repo", "tour/committed"), ("tag", "1")]
        self.ask("POST", "/commit", {}, status=201, query=commit)
        self.ask("POST", "/images/create", _tar("imported"), query=[("fromSrc", "-"), ("repo", "tour/imported")])
        self.ask("POST", "/images/{name}/tag", status=201, query=[("repo", "tour/tagged")], name="busybox")
        self.ask("GET", "/images/json", query=[("all", "1")])
        for name in ("busybox", "tour/committed:1", "tour/imported"):
            self.ask("GET", "/images/{name}/json", name=name)
            self.ask("GET", "/images/{name}/history", name=name)
        self.ask("GET", "/images/get", query=[("names", "tour/tagged")], type=TAR)
        self.ask("GET", "/images/{name}/get", type=TAR, name="tour/imported")
        archive = images.busybox().archive("busybox:latest").read_bytes()
        self.ask("POST", "/images/load", archive)
        pushed = f"{self.registry}/tour/pushed"
        self.ask("POST", "/images/{name}/tag", status=201, query=[("repo", pushed)], name="busybox")
        self.ask("POST", "/images/{name}/push", name=pushed)
        if self.number >= (1, 30):
            self.ask("GET", "/distribution/{name}/json", name=pushed)
        self.ask("POST", "/build", _tar("Dockerfile", b"FROM busybox\n"), query=[("t", "tour/built")])
        self.ask("POST", "/build", _tar("other"), status=400)
        if self.number >= (1, 55):
            self.ask("GET", "/images/{name}/attestations", status=501, name="busybox")
        for name in ("tour/tagged", "tour/imported", "tour/committed:1", "tour/built", pushed):
            self.ask("DELETE", "/images/{name}", name=name)
        self.ask("DELETE", "/images/{name}", status=404, name="nothing")
        self.ask("GET", "/images/{name}/json", status=404, name="nothing")

    def _networks(self, container: str) -> None:
        body = {"Name": "tour", "CheckDuplicate": True, "Labels": {"a": "b"}}
        made = self.ask("POST", "/networks/create", body, status=201)["Id"]
        self.ask("POST", "/networks/create", body, status=409)
        self.ask("POST", "/networks/{id}/connect", {"Container": container}, id="tour")
        self.ask("GET", "/containers/{id}/json", id=container)
        self.ask("GET", "/networks/{id}", id=made)
        self.ask("POST", "/networks/{id}/disconnect", {"Container": container}, id="tour")
        self.ask("DELETE", "/networks/{id}", status=204, id=made)
        self.ask("GET", "/networks")
        self.ask("GET", "/networks/{id}", id="bridge")
        self.ask("GET", "/networks/{id}", status=404, id="nothing")
        self.ask("DELETE", "/networks/{id}", status=403, id="bridge")
        if self.number >= (1, 25):
            self.ask("POST", "/networks/prune")

    def _volumes(self) -> None:
        body = {"Name": "tour", "Driver": "local", "Labels": {"a": "b"}}
        self.ask("POST", "/volumes/create", body, status=201)
        self.ask("GET", "/volumes")
        self.ask("GET", "/volumes/{name}", name="tour")
        if self.number >= (1, 42):
            self.ask("PUT", "/volumes/{name}", {}, status=503, query=[("version", "1")], name="tour")
        self.ask("DELETE", "/volumes/{name}", status=204, name="tour")
        self.ask("DELETE", "/volumes/{name}", status=404, name="tour")
        if self.number >= (1, 25):
            self.ask("POST", "/volumes/prune")

    def _end(self, container: str) -> None:
        self.ask("POST", "/containers/{id}/restart", status=204, query=[("t", "0")], id=container)
        self.ask("POST", "/containers/{id}/kill", status=204, query=[("signal", "KILL")], id=container)
        self.ask("POST", "/containers/{id}/wait", id=container)
        self.ask("POST", "/containers/{id}/kill", status=409, id=container)
        self.ask("POST", "/containers/{id}/stop", status=304, query=[("t", "0")], id=container)
        self.ask("DELETE", "/containers/{id}", status=204, query=[("v", "1")], id=container)
        self.ask("DELETE", "/containers/{id}", status=404, id=container)
        if self.number >= (1, 25):
            self.ask("POST", "/containers/prune")
            self.ask("POST", "/images/prune")
        if self.number >= (1, 31):
            self.ask("POST", "/build/prune")
        # Its answer depends on what a foreign registry says: here it is enough that it is read.
        self.ask("GET", "/images/search", status=400, query=[("term", "busybox"), ("limit", "101")])

    def _events(self) -> None:
        self.seen.add(("GET", "/events"))
        until = str(int(time.time()) + 1)
        answer = self.engine.api("GET", f"/v{self.version}/events", since="1", until=until)
        events = [json.loads(line) for line in answer.body.splitlines()]
        if not {"create", "start", "die", "destroy"} <= {event["Action"] for event in events}:
            self.wrong.append(f"GET /events: {sorted({event['Action'] for event in events})}")
        for event in events:
            self.wrong += [f"GET /events: {error}" for error in self.schemas.errors("GET", "/events", 200, event)]
        self.answers["GET /events"] = events


_BODY = {
    "Image": "busybox",
    "Cmd": ["sh", "-c", "echo ready; exec sleep 1000"],
    "Tty": True,
    "Labels": {"a": "b"},
    "Env": ["A=b"],
    "Volumes": {"/data": {}},
    "ExposedPorts": {"80/tcp": {}, "81/udp": {}},
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000},
    "HostConfig": {
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1"}]},
        "Binds": ["/tmp:/host:ro"],
        "Tmpfs": {"/run": ""},
        "Memory": 64 << 20,
    },
}


def _is_one(body: bytes) -> bool:
    """Whether a body is one document, and not a line a message."""
    return b"\n" not in body.strip()


def _tar(name: str, content: bytes = b"12345") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
