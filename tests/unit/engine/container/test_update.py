"""What an update makes of a container's limits, what it refuses, and that it is made whole or not at all."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from havre.engine.container.record import REMOVING, RUNNING, Container
from havre.engine.container.registry import Registry
from havre.engine.container.update import Updater, merged
from havre.errors import Conflict, SystemFault, Unsupported
from havre.kernel import pidfd
from havre.kernel.cgroups import Cgroups
from havre.runtime import resources
from havre.store.db import Database
from havre.store.schema import ALL as SCHEMAS
from havre.wire.containers import HostConfig, RestartPolicy, ThrottleDevice, WeightDevice
from tests.unit.engine.container.test_limits import ALL
from tests.unit.engine.container.test_registry import container

M = 1 << 20


@pytest.mark.parametrize(
    ("has", "asked", "changes"),
    [
        ({"memory": 64 * M, "memory_swap": 128 * M}, {"memory": 100 * M}, {"memory": 100 * M}),
        ({}, {"memory": 64 * M, "memory_swap": -1}, {"memory": 64 * M, "memory_swap": -1}),
        ({"memory_swap": -1, "memory": 9 * M}, {"memory": 64 * M}, {"memory": 64 * M}),
        ({"cpu_shares": 5}, {"cpu_shares": 7, "cpuset_cpus": "0"}, {"cpu_shares": 7, "cpuset_cpus": "0"}),
        ({"nano_cpus": 10**9}, {"nano_cpus": 5}, {"nano_cpus": 5}),
        ({"cpu_quota": -1}, {"nano_cpus": 5}, {"nano_cpus": 5, "cpu_quota": 0}),
        ({"pids_limit": 5}, {"pids_limit": -1}, {"pids_limit": 0}),
        ({"pids_limit": 5}, {}, {}),
        ({}, {"restart_policy": RestartPolicy(name="always")}, {"restart_policy": RestartPolicy(name="always")}),
        (
            {"auto_remove": True},
            {"restart_policy": RestartPolicy(name="no")},
            {"restart_policy": RestartPolicy(name="no")},
        ),
        ({}, {"privileged": True, "shm_size": 5, "oom_score_adj": 9}, {}),
    ],
)
def test_what_changes(has: dict[str, Any], asked: dict[str, Any], changes: dict[str, Any]) -> None:
    assert merged(HostConfig(**has), HostConfig(**asked)) == HostConfig(**{**has, **changes})


@pytest.mark.parametrize(
    ("has", "asked", "text"),
    [
        (
            {"memory": 64 * M, "memory_swap": 128 * M},
            {"memory": 200 * M},
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        (
            {},
            {"memory": 64 * M},
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        (
            {"memory": 64 * M, "memory_swap": 128 * M},
            {"memory_swap": 32 * M},
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            {},
            {"memory_swap": 32 * M},
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            {"nano_cpus": 1},
            {"cpu_quota": 5000},
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            {"nano_cpus": 1},
            {"cpu_period": 5000},
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            {"cpu_quota": 5000},
            {"nano_cpus": 1},
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            {"cpu_period": 5000},
            {"nano_cpus": 1},
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            {"auto_remove": True},
            {"restart_policy": RestartPolicy(name="always")},
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ),
    ],
)
def test_what_cannot_go_together(has: dict[str, Any], asked: dict[str, Any], text: str) -> None:
    with pytest.raises(Conflict) as caught:
        merged(HostConfig(**has), HostConfig(**asked))
    assert caught.value.message == text


def test_the_runtime_is_told_only_what_is_touched() -> None:
    host = HostConfig(memory=64 * M, memory_swap=-1, cpu_shares=7, pids_limit=5)
    assert resources.changed(host, HostConfig(cpu_shares=7)) == {"cpu": {"shares": 7}}
    assert resources.changed(host, HostConfig(memory=64 * M)) == {"memory": {"limit": 64 * M, "swap": -1}}
    assert resources.changed(host, HostConfig(pids_limit=0)) == {"pids": {"limit": -1}}
    assert resources.changed(host, HostConfig()) == {}


class Runtime:
    """A runtime that changes a file and then does as it is told."""

    def __init__(self, file: Path, error: Exception | None) -> None:
        self.file = file
        self.error = error

    async def update(self, container_id: str, limits: dict[str, Any]) -> None:
        self.file.write_text("changed")
        if self.error is not None:
            raise self.error


class Runtimes:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def choose(self, name: str) -> Runtime:
        return self.runtime


class Nobody:
    def publish(self, *words: Any) -> None:
        """Told of nothing."""


@dataclass
class Place:
    """A running container, this process being its first, in a group of plain files."""

    registry: Registry
    shares: Path
    blkio: Path
    runtime: Runtime
    updater: Updater

    def host(self) -> HostConfig:
        return self.registry.find("web").host


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    database = Database.open(tmp_path / "db", SCHEMAS)
    registry = Registry(database)
    one = container("a", "web").replace(group="/havre/x")
    pid = os.getpid()
    await registry.save(one.with_state(status=RUNNING, pid=pid, pid_start=pidfd.start_time(pid) or 0))
    shares = tmp_path / "cpu/havre/x/cpu.shares"
    shares.parent.mkdir(parents=True)
    shares.write_text("1024")
    runtime = Runtime(shares, None)
    blkio = tmp_path / "blkio/havre/x"
    blkio.mkdir(parents=True)
    cgroups = Cgroups(1, {"cpu": tmp_path / "cpu", "blkio": tmp_path / "blkio"})
    updater = Updater(registry, cast(Any, Runtimes(runtime)), cgroups, ALL, cast(Any, Nobody()))
    yield Place(registry, shares, blkio, runtime, updater)
    database.close()


async def test_a_change_is_made_and_kept(place: Place) -> None:
    assert await place.updater.update("web", HostConfig(cpu_shares=5)) == {"Warnings": None}
    assert (place.shares.read_text(), place.host().cpu_shares) == ("changed", 5)


async def test_a_change_the_runtime_refuses_is_taken_back(place: Place) -> None:
    place.runtime.error = SystemFault("no")
    with pytest.raises(SystemFault, match=r"^Cannot update container a.*: no$"):
        await place.updater.update("web", HostConfig(cpu_shares=5))
    assert (place.shares.read_text(), place.host().cpu_shares) == ("1024", 0)


async def test_a_change_that_cannot_be_recorded_is_taken_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(container: Container) -> Container:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place.registry, "save", full)
    with pytest.raises(SystemFault, match="No space left on device"):
        await place.updater.update("web", HostConfig(cpu_shares=5))
    assert (place.shares.read_text(), place.host().cpu_shares) == ("1024", 0)


async def test_rates_of_devices_that_cannot_be_recorded_are_taken_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = place.blkio / "blkio.throttle.read_bps_device"
    await place.updater.update("web", HostConfig(blkio_device_read_bps=[ThrottleDevice(path="/dev/zero", rate=100)]))
    assert rates.read_text() == "1:5 100"

    async def full(container: Container) -> Container:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place.registry, "save", full)
    for asked in ([ThrottleDevice(path="/dev/zero", rate=200)], []):
        with pytest.raises(SystemFault, match="No space left on device"):
            await place.updater.update("web", HostConfig(blkio_device_read_bps=asked))
        assert rates.read_text() == "1:5 100"


async def test_weights_of_devices_are_not_changed_in_silence(place: Place) -> None:
    with pytest.raises(Unsupported, match="BlkioWeightDevice"):
        await place.updater.update("web", HostConfig(blkio_weight_device=[WeightDevice(path="/dev/zero", weight=100)]))


async def test_a_container_that_ends_meanwhile_has_the_limits_next_time(place: Place) -> None:
    await place.registry.save(place.registry.find("web").with_state(pid_start=1))
    place.runtime.error = SystemFault("container not running")
    await place.updater.update("web", HostConfig(cpu_shares=5))
    assert place.host().cpu_shares == 5


async def test_a_container_on_its_way_out_is_left_alone(place: Place) -> None:
    await place.registry.save(place.registry.find("web").with_state(status=REMOVING))
    with pytest.raises(Conflict, match="marked for removal"):
        await place.updater.update("web", HostConfig(cpu_shares=5))


def test_rules_for_devices_are_replaced() -> None:
    """What an update does not name stays, what it names is all there is then."""
    null, zero = ThrottleDevice(path="/dev/null", rate=5), ThrottleDevice(path="/dev/zero", rate=6)
    host = HostConfig(blkio_device_read_bps=[null, zero], blkio_device_write_bps=[null])
    asked = HostConfig(blkio_device_read_bps=[zero], blkio_device_read_iops=[])
    changed = merged(host, asked)
    assert changed.blkio_device_read_bps == [zero] and changed.blkio_device_write_bps == [null]
    assert changed.blkio_device_read_iops == []
    gone = {"major": 1, "minor": 3, "rate": 0}
    kept = {"major": 1, "minor": 5, "rate": 6}
    assert resources.throttles_changed(host, asked) == {"read_bps": [gone, kept], "read_iops": []}
    assert resources.throttles_changed(host, HostConfig()) == {}
