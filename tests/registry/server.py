"""``havre-registry`` as a process, and a blocking client that speaks to it in plain HTTP."""

import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import REPOSITORY
from tests.system.faulty import ARM

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = b"{}"
PROGRAM = (sys.executable, "-c", "import sys; from havre.registry.main import main; sys.exit(main())")
FUSED = (sys.executable, str(Path(__file__).with_name("fused.py")))


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Answer:
    """What came back. ``code`` is that of the first error in the body, "" when there is none."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        try:
            return str(self.json["errors"][0]["code"])
        except (ValueError, KeyError, TypeError):
            return ""


class Client:
    """One connection to the registry on ``port``, made again when it was closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request. ``content_range`` as a header's name means ``Content-Range``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, named)
        response = self._connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if response.will_close:
            self._connection.close()
        return answer

    def begin(self, repository: str) -> str:
        """A new upload: its path."""
        answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert answer.status == 202, answer
        return path_of(answer)

    def push_blob(self, repository: str, data: bytes, digest: str | None = None) -> dict[str, Any]:
        """Push a blob in one piece: its descriptor, but for the media type."""
        digest = digest or sha256(data)
        answer = self.ask("PUT", f"{self.begin(repository)}?digest={digest}", data)
        assert answer.status == 201, answer
        return {"digest": digest, "size": len(data)}

    def push_manifest(self, repository: str, reference: str, document: dict[str, Any]) -> Answer:
        """Push ``document``, whose ``mediaType`` becomes the Content-Type."""
        return self.ask(
            "PUT", f"/v2/{repository}/manifests/{reference}", json.dumps(document), Content_Type=document["mediaType"]
        )

    def push_image(self, repository: str, reference: str, *layers: bytes, **more: Any) -> str:
        """Push an image of ``layers``: its manifest's digest. ``more`` is put into the manifest."""
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, **self.push_blob(repository, EMPTY)},
            "layers": [{"mediaType": OCI_LAYER, **self.push_blob(repository, layer)} for layer in layers],
            **more,
        }
        answer = self.push_manifest(repository, reference, document)
        assert answer.status == 201, answer
        digest = answer.headers["Docker-Content-Digest"]
        assert digest is not None
        return digest

    def use(self, connection: http.client.HTTPConnection) -> None:
        """Speak through another connection from now on."""
        self._connection.close()
        self._connection = connection

    def close(self) -> None:
        self._connection.close()


def path_of(answer: Answer) -> str:
    """The path, and query, of the Location."""
    parts = urlsplit(answer.headers["Location"] or "")
    return parts.path + (f"?{parts.query}" if parts.query else "")


class Server:
    """The program, on ``root``; started again on the same root after a ``kill``."""

    def __init__(self, root: Path, *arguments: str, program: Sequence[str] = PROGRAM) -> None:
        self.root = root
        self._arguments = arguments
        self._program = program
        self._fuse = root.parent / f"{root.name}.fuse"
        self._log = (root.parent / f"{root.name}.log").open("a+")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it serves: ``port`` is where."""
        begun = self._log.seek(0, os.SEEK_END)
        self._process = subprocess.Popen(
            [*self._program, "serve", "--root", str(self.root), "--addr", "127.0.0.1:0", *self._arguments],
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HAVRE_TEST_FAULT": str(self._fuse)},
        )
        self.port = self._wait_for_port(begun)

    @property
    def pid(self) -> int:
        return self._process.pid

    def client(self) -> Client:
        return Client(self.port)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it, and wait for that."""
        self._process.send_signal(number)
        self._process.wait(30)

    def arm(self, effects: int) -> None:
        """Let a ``FUSED`` server die at the effect with this number; 0: only count."""
        self._fuse.write_text(str(effects))
        self._process.send_signal(ARM)
        self.wait_until(lambda: not self._fuse.exists())

    def counted(self) -> int:
        """The effects since ``arm(0)``."""
        self.arm(0)
        return int(self._fuse.with_suffix(".count").read_text())

    def wait_dead(self) -> None:
        """Wait for it to have ended by itself."""
        self._process.wait(30)

    @staticmethod
    def wait_until(done: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def descriptors(self) -> int:
        """How many files and connections it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def peak_memory(self) -> int:
        """The most memory it has held (bytes)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def log(self, begun: int = 0) -> str:
        """What it has written to its log, from ``begun`` on."""
        self._log.seek(begun)
        return self._log.read()

    def _wait_for_port(self, begun: int) -> int:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = re.search(r"serving .* port (\d+)\n", self.log(begun))
            if found:
                return int(found[1])
            assert self._process.poll() is None, self.log(begun)
            time.sleep(0.02)
        raise AssertionError(self.log(begun))

    def close(self) -> None:
        """End it in order."""
        if self._process.poll() is None:
            self.kill(signal.SIGTERM)
            assert self._process.returncode == 0, self.log()
        self._log.close()
