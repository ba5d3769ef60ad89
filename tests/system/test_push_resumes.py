"""Pushes to havre-registry that break, and go on where they were: lines cut, the daemon killed."""

import random
import threading

import pytest

from tests.registry.conftest import server
from tests.registry.server import Server
from tests.system import images
from tests.system.conftest import NewDaemon
from tests.system.harness import Havred
from tests.system.relay import relaying

__all__ = ["server"]

pytestmark = pytest.mark.system

NOISE = 24 << 20


def noisy(name: str, seed: int) -> images.BuiltImage:
    """An image of which nothing can be compressed away."""
    return images.busybox().derive(name, files=[images.Entry("noise", random.Random(seed).randbytes(NOISE))])


def push(daemon: Havred, name: str) -> bytes:
    repository, _, tag = name.rpartition(":")
    return daemon.api("POST", f"/images/{repository}/push", tag=tag).body


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
