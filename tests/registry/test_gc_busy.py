"""Garbage collection without a pause while clients push, skip what is there, and delete; and while it is killed.

What a registry has acknowledged can be pulled whole, and in the end nothing is left that nothing names.
"""

import http.client
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.registry.server import Client, Server
from tests.registry.upkeep import configured, contents, damage, gc, push_as_docker_does

CONTINUOUS = {"gc": {"interval": "20ms", "grace": "1500ms"}}
LAYERS = [os.urandom(size) for size in (10, 1000, 70_000, 300_000) for _ in range(8)]
"""What images are made of: few, so that many share a layer, and one is deleted while another is pushed with it."""


class Pusher(threading.Thread):
    """Pushes and deletes images of one repository until ``end``; ``there`` are the tags that must be."""

    def __init__(self, port: int, repository: str, end: threading.Event) -> None:
        super().__init__()
        self.there: set[str] = set()
        self.pushed = 0
        self.refused: list[str] = []
        self._client = Client(port)
        self.repository = repository
        self._end = end
        self._random = random.Random(repository)

    def run(self) -> None:
        try:
            while not self._end.is_set():
                self._push(f"v{self.pushed}") if self._random.random() < 0.6 else self._delete()
        except (OSError, http.client.HTTPException):
            return  # the registry was killed
        finally:
            self._client.close()

    def _push(self, tag: str) -> None:
        self.pushed += 1
        layers = self._random.sample(LAYERS, self._random.randint(1, 3))
        begun = time.monotonic()
        answer = push_as_docker_does(self._client, self.repository, tag, layers)
        if answer.status == 201:
            self.there.add(tag)
        # A push that took longer than the grace may find its blobs gone: it is told so.
        elif time.monotonic() - begun < 1.4 or answer.code != "MANIFEST_BLOB_UNKNOWN":
            self.refused.append(f"{answer}")

    def _delete(self) -> None:
        if self.there:
            tag = self._random.choice(sorted(self.there))
            self.there.discard(tag)
            found = self._client.ask("HEAD", f"/v2/{self.repository}/manifests/{tag}")
            self._client.ask("DELETE", f"/v2/{self.repository}/manifests/{found.headers['Docker-Content-Digest']}")


@contextmanager
def busy(server: Server, run: int = 0) -> Iterator[list[Pusher]]:
    """Four clients that push and delete until the end of the block."""
    end = threading.Event()
    pushers = [Pusher(server.port, f"run{run}/client{number}", end) for number in range(4)]
    for pusher in pushers:
        pusher.start()
    try:
        yield pushers
    finally:
        end.set()
        for pusher in pushers:
            pusher.join()


def broken(server: Server, pushers: list[Pusher]) -> list[str]:
    """What is wrong with the images that have to be there."""
    with closing(server.client()) as client:
        return [wrong for each in pushers for tag in each.there for wrong in damage(client, each.repository, tag)]


def named(server: Server, pushers: list[Pusher]) -> set[str]:
    """The digests of what all their images are made of, also those whose pushing or deletion was cut short."""
    found = set()
    with closing(server.client()) as client:
        for repository in {pusher.repository for pusher in pushers}:
            for tag in client.ask("GET", f"/v2/{repository}/tags/list").json.get("tags", ()):
                assert not damage(client, repository, tag)
                document = client.ask("GET", f"/v2/{repository}/manifests/{tag}").json
                found |= {part["digest"] for part in [document["config"], *document["layers"]]}
    return found


def test_every_push_that_was_acknowledged_is_whole(tmp_path: Path) -> None:
    server = configured(tmp_path, **CONTINUOUS)
    with busy(server) as pushers:
        time.sleep(6)
    assert sum(pusher.pushed for pusher in pushers) > 40
    assert not [refused for pusher in pushers for refused in pusher.refused]
    assert not broken(server, pushers)
    server.kill()
    gc(server, "--config", str(at_once(tmp_path)))
    assert contents(server) == server_started(server, pushers)
    server.close()


def test_a_collection_that_is_killed_leaves_nothing_broken_and_in_the_end_nothing_over(tmp_path: Path) -> None:
    server = configured(tmp_path, gc={"interval": "1ms", "grace": "300ms"})
    everybody: list[Pusher] = []
    for run in range(5):
        with busy(server, run) as pushers:
            time.sleep(0.9)
            server.kill()
        everybody += pushers
        server.start()
        assert not broken(server, everybody)
    server.kill()
    gc(server, "--config", str(at_once(tmp_path)))
    assert contents(server) == server_started(server, everybody)
    server.close()


def at_once(directory: Path) -> Path:
    """A configuration without any grace."""
    file = directory / "at-once.json"
    file.write_text(json.dumps({"gc": {"grace": "0s", "uploads": "0s"}}))
    return file


def server_started(server: Server, pushers: list[Pusher]) -> set[str]:
    """Start the server again: what of its content is named."""
    server.start()
    assert not broken(server, pushers)
    return named(server, pushers)
