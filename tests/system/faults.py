"""Killing the daemon at every effect of an operation: a daemon with a fuse, and the loop that burns it at each point.

Who comes in: ``tests/system/test_crash.py``.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.system.faulty import ARM
from tests.system.harness import Havred, wait_until

PROGRAM = [sys.executable, str(Path(__file__).with_name("faulty.py"))]


def points() -> int:
    """How many of an operation's effects are tried; HAVRE_TEST_FAULTS=all tries every one."""
    wanted = os.environ.get("HAVRE_TEST_FAULTS", "12")
    return 10_000 if wanted == "all" else int(wanted)


class Fragile:
    """A daemon that can be told to die at its n-th effect from now on."""

    def __init__(self, daemon: Havred) -> None:
        self.daemon = daemon
        self._file = daemon.data_root.parent / "fuse"

    def start(self, at_start: int | None = None) -> None:
        """Start it and wait until it serves; with ``at_start`` it is to die on the way, which is waited for instead."""
        env = {"HAVRE_TEST_FAULT": str(self._file), "PYTHONPATH": str(REPOSITORY)}
        if at_start is None:
            self.daemon.start(program=PROGRAM, env=env)
            return
        self.daemon.launch(program=PROGRAM, env={**env, "HAVRE_TEST_FAULT_AT_START": str(at_start)})
        wait_until(lambda: self.dead or self.daemon.answers(), "the daemon to die or to answer")

    def arm(self, effects: int) -> None:
        """Die at the effect with this number; 0: only count."""
        assert self.daemon.process is not None
        self._file.write_text(str(effects))
        self.daemon.process.send_signal(ARM)
        wait_until(lambda: not self._file.exists(), "the fuse to be set")

    def counted(self) -> int:
        """The effects since ``arm(0)``."""
        self.arm(0)
        return int(self._file.with_suffix(".count").read_text())

    @property
    def dead(self) -> bool:
        assert self.daemon.process is not None
        return self.daemon.process.poll() is not None

    def settle(self) -> None:
        """Wait until it has died; effects after the answer (a removal in the background) may still be to come."""
        wait_until(lambda: self.dead, "the daemon to die", patience=3)
        self.daemon.wait_dead()


def each_point(
    fragile: Fragile, prepare: Callable[[], None], act: Callable[[], object], tidy: Callable[[], None]
) -> Iterator[int]:
    """For effect numbers spread over ``act``: prepare, arm, act, let it die, restart; yields the number for the checks.

    ``tidy`` puts everything back after each, and after a first run that only counts.
    """
    prepare()
    fragile.arm(0)
    act()
    effects = fragile.counted()
    tidy()
    assert effects > 0, "the operation has no effects: nothing would be tested"
    step = max(1, effects // points())
    for number in range(1, effects + 1, step):
        prepare()
        fragile.arm(number)
        with surviving():
            act()
        try:
            fragile.settle()
        except AssertionError:
            # Fewer effects than when they were counted: it has not died, which is a state to check as well.
            fragile.daemon.kill()
        fragile.start()
        yield number
        tidy()


@contextmanager
def surviving() -> Iterator[None]:
    """A connection that is cut in the middle is what these tests are about."""
    try:
        yield
    except (OSError, EOFError):
        pass
    except Exception as error:
        if type(error).__module__ != "http.client":
            raise
