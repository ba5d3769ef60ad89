"""Pushes to havre-registry that break, and go on where they were: lines cut, the daemon killed."""

import json
import random
import threading
from contextlib import closing

import pytest

from tests.registry.conftest import server
from tests.registry.server import Server, sha256
from tests.system import images
from tests.system.conftest import NewDaemon
from tests.system.cutting import bad_line
from tests.system.harness import Havred
from tests.system.relay import relaying

__all__ = ["server"]

pytestmark = pytest.mark.system

NOISE = 24 << 20
CUTS = 200


def noisy(name: str, seed: int, layers: int = 1) -> images.BuiltImage:
    """An image of which nothing can be compressed away."""
    image = images.busybox()
    for number in range(layers):
        noise = random.Random(seed + number).randbytes(NOISE)
        image = image.derive(f"{name}{number}", files=[images.Entry(f"noise{number}", noise)])
    return image


def push(daemon: Havred, name: str) -> bytes:
    repository, _, tag = name.rpartition(":")
    return daemon.api("POST", f"/images/{repository}/push", tag=tag).body


def test_two_hundred_cuts(new_havred: NewDaemon, server: Server) -> None:
    daemon = new_havred()
    daemon.start()
    image, size = noisy("torn", 3, layers=3), 3 * NOISE
    with bad_line(server.port, upwards=True) as line:
        line.cuts_left = CUTS
        name = f"{line.host}/torn:1"
        daemon.load(image.archive(name))
        said = push(daemon, name)
        assert b"digest: sha256:" in said and b"errorDetail" not in said
        assert line.cuts == CUTS
        # A cut costs what was on its way.
        assert size < line.carried <= size + CUTS * 50_000
    with closing(server.client()) as client:
        manifest = json.loads(client.ask("GET", "/v2/torn/manifests/1").body)
        for blob in (manifest["config"], *manifest["layers"]):
            assert sha256(client.ask("GET", f"/v2/torn/blobs/{blob['digest']}").body) == blob["digest"]
        assert manifest["config"]["digest"] == image.id


def test_lines_that_are_cut(new_havred: NewDaemon, server: Server) -> None:
    daemon = new_havred()
    daemon.start()
    image = noisy("resumed", 1)
    with relaying(server.port, [9 << 20, 7 << 20, 5 << 20]) as relay:
        name = f"127.0.0.1:{relay.port}/resumed:1"
        daemon.load(image.archive(name))
        said = push(daemon, name)
        assert b"digest: sha256:" in said and b"errorDetail" not in said
        # All of it once, and what was on the line when that was cut.
        assert NOISE < relay.passed < NOISE * 1.25


def test_a_daemon_that_is_killed(new_havred: NewDaemon, server: Server) -> None:
    daemon = new_havred()
    daemon.start()
    image = noisy("killed", 2)
    with relaying(server.port, hold_at=16 << 20) as relay:
        name = f"127.0.0.1:{relay.port}/killed:1"
        daemon.load(image.archive(name))

        def first() -> None:
            try:
                push(daemon, name)
            except OSError:
                pass

        pushing = threading.Thread(target=first)
        pushing.start()
        assert relay.held.wait(60)
        daemon.kill()
        relay.go.set()
        pushing.join()
        daemon.start()
        said = push(daemon, name)
        assert b"digest: sha256:" in said and b"errorDetail" not in said
        assert NOISE < relay.passed < NOISE * 1.25
