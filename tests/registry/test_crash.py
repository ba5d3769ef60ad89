"""Killed with -9 at every effect of a push: what was acknowledged is there, what was not can be gone on with."""

import contextlib
import http.client
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.server import FUSED, OCI_MANIFEST, PROGRAM, Answer, Client, Server, path_of, sha256

SEED = int(os.environ.get("HAVRE_TEST_SEED", "0")) or random.randrange(1 << 30)
POINTS = 10_000 if os.environ.get("HAVRE_TEST_FAULTS") == "all" else 12
BROKEN = (ConnectionError, http.client.HTTPException)


@pytest.fixture
def fused(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "root", program=FUSED)
    yield running
    running.close()


class Push:
    """A push of one image, written down as far as it was acknowledged."""

    def __init__(self, server: Server, number: int) -> None:
        self.client = server.client()
        self.repository = f"crash/n{number}"
        self.layer = b"layer %d " % number + os.urandom(300_000)
        self.config = b'{"number": %d}' % number
        self.uploads: list[tuple[str, int]] = []
        self.blobs: list[bytes] = []
        self.manifest = ""

    def run(self) -> None:
        with contextlib.suppress(*BROKEN):
            for data in (self.layer, self.config):
                self.push(data)
            layer = {"mediaType": "application/x", "digest": sha256(self.layer), "size": len(self.layer)}
            document = {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {**layer, "digest": sha256(self.config), "size": len(self.config)},
                "layers": [layer],
            }
            answer = self.client.push_manifest(self.repository, "latest", document)
            assert answer.status == 201
            self.manifest = answer.headers["Docker-Content-Digest"] or ""
        self.client.close()

    def push(self, data: bytes) -> None:
        path = self.client.begin(self.repository)
        self.uploads.append((path, 0))
        half = len(data) // 2
        assert self.client.ask("PATCH", path, data[:half]).status == 202
        self.uploads[-1] = (path, half)
        assert self.client.ask("PUT", f"{path}?digest={sha256(data)}", data[half:]).status == 201
        self.uploads.pop()
        self.blobs.append(data)

    def check(self, server: Server) -> None:
        """What was acknowledged is there; a tag that is there is whole; the upload that was cut off can go on."""
        client = server.client()
        for data in self.blobs:
            assert client.ask("GET", f"/v2/{self.repository}/blobs/{sha256(data)}").body == data
        found = client.ask("GET", f"/v2/{self.repository}/manifests/latest")
        if self.manifest:
            assert sha256(found.body) == self.manifest
        if found.status == 200:
            for part in [found.json["config"], *found.json["layers"]]:
                blob = client.ask("GET", f"/v2/{self.repository}/blobs/{part['digest']}")
                assert (blob.status, sha256(blob.body)) == (200, part["digest"])
        for path, acknowledged in self.uploads:
            self.resume(client, path, acknowledged)
        client.close()

    def resume(self, client: Client, path: str, acknowledged: int) -> None:
        data = (self.layer, self.config)[len(self.blobs)]
        where = client.ask("GET", path)
        if where.status == 404:
            # It had become the blob; only the answer did not come.
            assert client.ask("GET", f"/v2/{self.repository}/blobs/{sha256(data)}").body == data
            return
        offset = int((where.headers["Range"] or "0--1").partition("-")[2]) + 1
        assert acknowledged <= offset <= len(data)
        done = client.ask("PUT", f"{path_of(where)}?digest={sha256(data)}", data[offset:])
        assert done.status == 201, done


def test_killed_at_every_effect_of_a_push(fused: Server) -> None:
    fused.arm(0)
    Push(fused, 0).run()
    effects = fused.counted()
    assert effects > 15
    for number in range(1, effects + 1, max(1, effects // POINTS)):
        fused.arm(number)
        push = Push(fused, number)
        push.run()
        fused.wait_dead()
        fused.start()
        push.check(fused)


def test_killed_at_every_effect_of_a_deletion(fused: Server) -> None:
    def push(number: int) -> tuple[Client, str, str]:
        client, repository = fused.client(), f"crash/d{number}"
        return client, repository, client.push_image(repository, "latest", b"layer")

    def delete(client: Client, repository: str, digest: str) -> list[Answer]:
        answers: list[Answer] = []
        with contextlib.suppress(*BROKEN):
            for path in (f"manifests/{digest}", f"blobs/{sha256(b'layer')}"):
                answers.append(client.ask("DELETE", f"/v2/{repository}/{path}"))
        client.close()
        return answers

    pushed = push(0)
    fused.arm(0)
    assert [answer.status for answer in delete(*pushed)] == [202, 202]
    effects = fused.counted()
    for number in range(1, effects + 1):
        client, repository, digest = push(number)
        fused.arm(number)
        answers = delete(client, repository, digest)
        fused.wait_dead()
        fused.start()
        client = fused.client()
        statuses = [
            client.ask("HEAD", f"/v2/{repository}/{path}").status
            for path in ("manifests/latest", f"manifests/{digest}")
        ]
        assert statuses in ([200, 200], [404, 404])
        if answers:
            assert statuses == [404, 404]
        client.close()


def test_killed_while_many_push(own_server: Server) -> None:
    """At no particular point, and with others in the middle of theirs."""
    chance = random.Random(SEED)
    broken_off = 0
    for number in range(3):
        pushes = [Push(own_server, 1000 * (number + 1) + each) for each in range(8)]
        threads = [threading.Thread(target=push.run) for push in pushes]
        for thread in threads:
            thread.start()
        wanted = chance.randrange(16)
        own_server.wait_until(lambda pushes=pushes, wanted=wanted: sum(len(push.blobs) for push in pushes) >= wanted)
        own_server.kill()
        for thread in threads:
            thread.join()
        own_server.start()
        for push in pushes:
            push.check(own_server)
            broken_off += not push.manifest
    assert broken_off > 0, SEED


def test_a_catalog_that_is_lost_does_not_make_everything_garbage(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    with contextlib.closing(server.client()) as client:
        client.push_image("app", "v1", b"layer")
    server.close()
    lost = [path.rename(tmp_path / path.name) for path in server.root.glob("registry.db*")]
    command = [*PROGRAM, "gc", "--root", str(server.root)]
    serve = [*PROGRAM, "serve", "--root", str(server.root), "--addr", "127.0.0.1:0"]
    for refused in (serve, serve, command):
        done = subprocess.run(refused, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "bring back its registry.db" in done.stderr, done
    for path in lost:
        path.rename(server.root / path.name)
    again = Server(tmp_path / "root")
    with contextlib.closing(again.client()) as client:
        assert client.ask("GET", "/v2/app/manifests/v1").status == 200
    again.close()
