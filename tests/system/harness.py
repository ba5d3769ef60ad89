"""A real havred for the tests: roots, socket, bridge and subnet of its own, so that any number run side by side.

Who comes in: the fixtures in ``tests/system/conftest.py``, and tests that start, kill and restart a daemon themselves.
``tests.system.residue`` looks for what such a daemon left behind.
"""

import fcntl
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

BIN = Path(sys.executable).parent
"""Where ``havre`` and ``havred`` of the environment under test are."""

PATIENCE = 30.0
"""Seconds until a wait that should end at once is given up: long, since CI shares two cores."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Engine:
    """A daemon behind a unix socket: what both havred and a foreign dockerd offer."""

    def __init__(self, socket_path: Path) -> None:
        self.socket = socket_path
        self._spared: set[str] = set()

    @property
    def host(self) -> str:
        """The value for DOCKER_HOST."""
        return f"unix://{self.socket}"

    def api(self, method: str, path: str, body: Any = None, *, timeout: float = 60, **query: Any) -> Answer:
        """One request; ``body`` goes as JSON unless it is bytes, query values that are no strings too."""
        if query:
            words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in query.items()}
            path = f"{path}?{urlencode(words)}"
        raw = isinstance(body, bytes)
        payload = body if raw or body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/x-tar" if raw else "application/json"} if body is not None else {}
        connection = UnixConnection(self.socket, timeout)
        try:
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            return self.api("GET", "/_ping", timeout=5).status == 200
        except OSError:
            return False

    def load(self, archive: Path) -> None:
        """Load an image archive, as ``docker load`` does."""
        answer = self.api("POST", "/images/load?quiet=1", archive.read_bytes())
        assert answer.status == 200 and b"errorDetail" not in answer.body, answer

    def containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api("GET", "/containers/json?all=1").json()
        return found

    def inspect(self, container: str) -> dict[str, Any]:
        answer = self.api("GET", f"/containers/{container}/json")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json()
        return found

    def spare(self) -> None:
        """What is there now is somebody else's: ``clean`` leaves it alone."""
        self._spared = {one["Id"] for one in self.containers()} | {one["Name"] for one in self._volumes()}
        self._spared |= {one["Id"] for one in self._networks()}

    def _networks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api("GET", "/networks", filters={"type": ["custom"]}).json()
        return found

    def _volumes(self) -> list[dict[str, Any]]:
        return self.api("GET", "/volumes").json()["Volumes"] or []

    def _own_containers(self) -> list[dict[str, Any]]:
        return [one for one in self.containers() if one["Id"] not in self._spared]

    def clean(self) -> None:
        """Remove the containers, volumes and networks of the tests; images stay."""
        for container in self._own_containers():
            answer = self.api("DELETE", f"/containers/{container['Id']}?force=1&v=1")
            # 404 and 409: a container started with --rm is just going by itself.
            assert answer.status in (204, 404, 409), answer
        wait_until(lambda: not self._own_containers(), "all containers to be gone")
        for volume in [one for one in self._volumes() if one["Name"] not in self._spared]:
            assert self.api("DELETE", f"/volumes/{volume['Name']}?force=1").status in (204, 404)
        for network in [one for one in self._networks() if one["Id"] not in self._spared]:
            assert self.api("DELETE", f"/networks/{network['Id']}").status in (204, 404)


@dataclass(slots=True)
class Subnet:
    """A /24 and a bridge name that no other test on this machine has, as long as the lock is held."""

    number: int
    _lock: IO[str] = field(repr=False)

    @property
    def bridge(self) -> str:
        return f"htb{self.number}"

    @property
    def bip(self) -> str:
        return f"10.231.{self.number}.1/24"

    @classmethod
    def claim(cls) -> "Subnet":
        numbers = list(range(1, 255))
        random.shuffle(numbers)
        for number in numbers:
            lock = Path(f"/run/havre-test-{number}.lock").open("w")  # noqa: SIM115 (held until release)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            subnet = cls(number, lock)
            if not Path(f"/sys/class/net/{subnet.bridge}").exists():
                return subnet
            lock.close()
        raise RuntimeError("no free subnet: 254 tests run, or bridges named htb… were left behind")

    def release(self) -> None:
        # The file stays: whoever has opened it and waits must lock the same one as those who come later.
        self._lock.close()


class Havred(Engine):
    """One daemon and its two roots. It is started and ended as often as a test likes; ``close`` removes all of it."""

    def __init__(self, root: Path, *flags: str) -> None:
        self.subnet = Subnet.claim()
        # Short: the attach sockets below it have to fit into the 108 bytes of a unix socket's address.
        self.exec_root = Path(f"/run/havre-test-{self.subnet.number}")
        shutil.rmtree(self.exec_root, ignore_errors=True)
        self.exec_root.mkdir()
        super().__init__(self.exec_root / "s")
        self.data_root = root / "data"
        self.log = root / "havred.log"
        root.mkdir(parents=True, exist_ok=True)
        self.flags = flags
        self.process: subprocess.Popen[bytes] | None = None
        self.ids_seen: set[str] = set()
        """Every container this daemon ever made, as far as it could be asked: what residue is looked for by."""

    @property
    def bridge(self) -> str:
        return self.subnet.bridge

    @property
    def gateway(self) -> str:
        return self.subnet.bip.partition("/")[0]

    def command(self, *flags: str) -> list[str]:
        return [
            *("--host", self.host),
            *("--data-root", str(self.data_root), "--exec-root", str(self.exec_root)),
            *("--pidfile", str(self.exec_root / "pid")),
            *("--bridge", self.bridge, "--bip", self.subnet.bip),
            *self.flags,
            *flags,
        ]

    def start(self, *flags: str, program: Sequence[str] = (), env: dict[str, str] | None = None) -> None:
        """Start it and wait until it answers; ``program`` stands in for ``havred``."""
        self.launch(*flags, program=program, env=env)
        self.wait_ready()

    def launch(self, *flags: str, program: Sequence[str] = (), env: dict[str, str] | None = None) -> None:
        """Start it without waiting."""
        assert self.process is None, "it runs already"
        command = [*(program or [str(BIN / "havred")]), *self.command(*flags)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(env or {})}
            )

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"havred ended with {self.process.returncode}:\n{self.tail()}"
            return self.answers()

        wait_until(ready, f"havred to answer on {self.socket}", lambda: self.tail())

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        assert self.process is not None
        self.note_containers()
        self.process.kill()
        self.process.wait()
        self.process = None

    def wait_dead(self) -> int:
        """Wait for a daemon that is about to end by itself; returns its exit status as subprocess gives it."""
        assert self.process is not None
        status = self.process.wait(PATIENCE)
        self.process = None
        return status

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended."""
        assert self.process is not None
        self.note_containers()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"havred did not end on SIGTERM:\n{self.tail()}") from None
        finally:
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def note_containers(self) -> None:
        """Remember the ids of all containers there are or were of late."""
        try:
            self.ids_seen |= {container["Id"] for container in self.containers()}
            wanted = {"type": ["container"], "event": ["create"]}
            lines = self.api("GET", "/events", since="1", until=str(int(time.time()) + 1), filters=wanted).body
            self.ids_seen |= {json.loads(line)["Actor"]["ID"] for line in lines.splitlines()}
        except (OSError, http.client.HTTPException):
            pass  # a daemon that is dead already cannot be asked, one that dies does not answer to the end

    def close(self) -> None:
        """End it and its containers, and remove every file."""
        try:
            if self.process is not None and self.process.poll() is not None:
                self.process = None
            if self.process is None:
                self.start()
            self.clean()
            self.stop()
        finally:
            if self.process is not None:
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self.data_root, ignore_errors=True)
            shutil.rmtree(self.exec_root, ignore_errors=True)
            self.subnet.release()


def wait_until(
    condition: Callable[[], object], what: str, explain: Callable[[], str] = lambda: "", patience: float = PATIENCE
) -> None:
    """Poll ``condition``; fails naming ``what`` was waited for."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}\n{explain()}"
        time.sleep(0.02)
