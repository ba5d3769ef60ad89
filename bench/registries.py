"""havre-registry beside Debian's docker-registry: their rows, and the two servers as they are measured.

Who comes in: ``bench.run``. Both serve one image on the loopback, without passwords.
"""

import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.harness import BIN, wait_until
from tests.system.images import BuiltImage
from tests.system.registry import OCI_MANIFEST, Pushed, Registry, configuration, free_port

from bench.engines import pss
from bench.rows import Row

_PULLS = 8
_LARGE = 100_000_000
_PIECE = 1 << 20
_REPOSITORY = "bench"


class Server:
    """A running registry, with an image."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root
        self.port = free_port()
        self.registry = Registry(self.port, root / "data", root / "log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str], image: BuiltImage) -> None:
        with self.registry.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._answers, f"{self.name} to answer", lambda: self.registry.log.read_text()[-3000:])
        self.push(image)
        large = max(image.layers, key=lambda layer: layer.blob("none").size)
        assert large.blob("none").size >= _LARGE
        self.blob = f"/v2/{_REPOSITORY}/blobs/{large.diff_id}"

    def push(self, image: BuiltImage) -> Pushed:
        return self.registry.push(image, _REPOSITORY, compression="none")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def clean(self) -> None:
        """Nothing is left of a row."""

    def memory(self) -> int:
        assert self._process is not None
        return pss(Path(f"/proc/{self._process.pid}"))

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def serving(directory: Path, image: BuiltImage) -> Iterator[list[Server]]:
    """Both servers, one beside the other."""
    ours, theirs = Server("havre-registry", directory / "h"), Server("docker-registry", directory / "d")
    for server in (ours, theirs):
        server.root.mkdir(parents=True)
    config = theirs.root / "config.json"
    config.write_text(json.dumps(configuration(theirs.root, f"127.0.0.1:{theirs.port}", password=False)))
    flags = ["--root", str(ours.registry.data), "--addr", f"127.0.0.1:{ours.port}", "--log-level", "warning"]
    try:
        ours.start([str(BIN / "havre-registry"), "serve", *flags], image)
        theirs.start(["docker-registry", "serve", str(config)], image)
        yield [ours, theirs]
    finally:
        ours.stop()
        theirs.stop()
        shutil.rmtree(directory, ignore_errors=True)


def rows(image: BuiltImage, repeat: int) -> list[Row[Server]]:
    """In the order they are measured. Rates are told as their inverse: 0.8 times the rate is 1.25 times the time."""
    return [
        Row("serve-blobs", f"{_PULLS} pulls of a blob of 100 MB at a time", 1.25, pulls, samples=repeat),
        Row("serve-manifests", "a manifest, of many that 16 clients ask for", 1.0, manifests, samples=repeat),
        Row("serve-memory", "most memory of a push, pulls and manifests (PSS)", 100e6,
            lambda server: most_memory(server, image), "MB", 3, absolute=True),
    ]  # fmt: skip


def pulls(server: Server) -> float:
    """Seconds until all clients have the blob."""
    lengths: list[int] = []

    def pull() -> None:
        lengths.append(_fetched(server))

    threads = [threading.Thread(target=pull) for _ in range(_PULLS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    assert len(lengths) == _PULLS and min(lengths) >= _LARGE, lengths
    return seconds


def _fetched(server: Server) -> int:
    """How many bytes the answer with the blob has, which are thrown away."""
    piece = bytearray(_PIECE)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        request = f"GET {server.blob} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        total = 0
        while got := connection.recv_into(piece):
            total += got
    return total


def manifests(server: Server) -> float:
    """Seconds an answer, by ``wrk``."""
    address = f"http://127.0.0.1:{server.port}/v2/{_REPOSITORY}/manifests/latest"
    command = ["wrk", "-t", "1", "-c", "16", "-d", "2s", "-H", f"Accept: {OCI_MANIFEST}", address]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = re.search(r"Requests/sec:\s*([\d.]+)", said)
    assert rate and "Non-2xx" not in said and "Socket errors" not in said, said
    return 1 / float(rate[1])


def most_memory(server: Server, image: BuiltImage) -> float:
    """The largest figure, looked at again and again while it works."""
    work: tuple[Callable[[], object], ...] = (
        lambda: server.push(image),
        lambda: pulls(server),
        lambda: manifests(server),
    )
    most = 0
    for each in work:
        thread = threading.Thread(target=each)
        thread.start()
        while thread.is_alive():
            most = max(most, server.memory())
            thread.join(0.05)
    return float(most)
