"""When a restart policy starts a container again, and what waits are told."""

import asyncio
import errno
import os
import subprocess
from unittest.mock import MagicMock, Mock

import pytest

from havre.engine.container import supervise
from havre.engine.container.record import RUNNING
from havre.engine.container.supervise import Supervisor, wants_restart
from havre.engine.container.wait import NEXT_EXIT, NOT_RUNNING, REMOVED, ExitStatus, Waits
from havre.errors import InvalidParameter, NotFound
from havre.kernel import pidfd
from havre.wire.containers import HostConfig, RestartPolicy
from tests.unit.engine.container.test_registry import container


@pytest.mark.parametrize(
    ("policy", "retries", "code", "restarted", "stopped", "wanted"),
    [
        ("no", 0, 1, 0, False, False),
        ("always", 0, 0, 9, False, True),
        ("always", 0, 0, 0, True, False),
        ("unless-stopped", 0, 0, 0, False, True),
        ("on-failure", 0, 0, 0, False, False),
        ("on-failure", 0, 1, 99, False, True),
        ("on-failure", 2, 1, 1, False, True),
        ("on-failure", 2, 1, 2, False, False),
    ],
)
def test_policies(policy: str, retries: int, code: int, restarted: int, stopped: bool, wanted: bool) -> None:
    host = HostConfig(restart_policy=RestartPolicy(name=policy, maximum_retry_count=retries))
    one = container("a", "web").replace(host=host, restart_count=restarted, stopped_by_user=stopped)
    assert wants_restart(one, code) is wanted


async def test_waits_are_answered_by_their_condition() -> None:
    waits = Waits()
    running = container("a", "web").with_state(status=RUNNING)
    ends, leaves, stops = (waits.register(running, what) for what in (NEXT_EXIT, REMOVED, NOT_RUNNING))
    waits.exited(running.id, ExitStatus(3))
    assert (ends.done, leaves.done, stops.done) == (True, False, True)
    waits.removed(running.id, ExitStatus(4))
    assert [await one.result() for one in (ends, stops, leaves)] == [ExitStatus(3), ExitStatus(3), ExitStatus(4)]


async def test_a_stopped_container_is_not_running_at_once() -> None:
    waits = Waits()
    assert (await waits.register(container("a", "x").with_state(status="exited", exit_code=5), "").result()).code == 5
    with pytest.raises(InvalidParameter, match="invalid condition"):
        waits.register(container("a", "x"), "never")


async def test_an_end_is_seen_when_there_was_no_descriptor_to_watch_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = subprocess.Popen(["sleep", "0.1"])
    started = pidfd.start_time(monitor.pid)
    failures = [OSError(errno.EMFILE, os.strerror(errno.EMFILE))]

    def open_checked(pid: int, start: int) -> int:
        if failures:
            raise failures.pop()
        return opened(pid, start)

    opened = pidfd.open_checked
    monkeypatch.setattr(pidfd, "open_checked", open_checked)
    monkeypatch.setattr(supervise, "_RETRY_DELAY", 0)
    seen = asyncio.Event()

    def current(_: str) -> None:
        seen.set()
        raise NotFound("removed")

    registry = MagicMock(current=current)
    supervisor = Supervisor(registry, *(Mock() for _ in range(9)))
    supervisor.watch(container("a", "x").with_state(status=RUNNING, conmon_pid=monitor.pid, conmon_start=started))
    await seen.wait()
    assert not failures and monitor.wait() == 0
    await supervisor.close()


async def test_no_restart_while_the_rests_of_the_last_daemon_are_cleared_away() -> None:
    supervisor, restarted = Supervisor(*(MagicMock() for _ in range(10))), asyncio.Event()

    async def restart(_: str) -> None:
        restarted.set()

    supervisor.restart = restart
    with supervisor.restarts_held():
        waiting = asyncio.ensure_future(supervisor._restart("a", 0))
        await asyncio.sleep(0.05)
        assert not restarted.is_set()
    await waiting
    assert restarted.is_set()


async def test_restarts_come_at_docker_s_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 ms, doubled up to a minute; a run of ten seconds starts at the beginning again."""
    supervisor = Supervisor(*[MagicMock() for _ in range(10)])
    waited: list[float] = []

    async def restart(container_id: str, delay: float) -> None:
        waited.append(delay)

    monkeypatch.setattr(supervisor, "_restart", restart)
    one = container("a", "web")
    for ran in [1.0] * 12 + [10.0, 1.0]:
        supervisor._schedule(one, ran)
        await supervisor._restarts[one.id]
    assert waited == pytest.approx([0.1 * 2**step for step in range(10)] + [60.0, 60.0, 0.1, 0.2])
    await supervisor.close()
