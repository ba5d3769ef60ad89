"""Stats: the document as dockerd makes it, looks that all who listen share, and their end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from havre.engine.container import statsdocument
from havre.engine.container.record import EXITED, RESTARTING, RUNNING, Container
from havre.engine.container.stats import Stats
from havre.engine.container.statsdocument import Sample
from havre.errors import NotFound, SystemFault
from havre.kernel import cgroupstats
from havre.kernel.cgroups import Cgroups
from havre.kernel.cgroupstats import Cpu, Usage
from havre.kernel.hostinfo import ProcessorTime
from havre.kernel.netcounters import Counters
from havre.lib import times
from havre.wire.containers import ContainerConfig, HostConfig
from tests.api.schema import load
from tests.unit.kernel.test_cgroupstats import reader, recorded

GOLDEN = Path(__file__).parents[2] / "golden" / "cgroups"
CGROUPS = Cgroups(2, {"": Path("/nowhere")})
NEVER = "0001-01-01T00:00:00Z"
ETH0 = Counters(516, 6, 0, 0, 126, 3, 0, 0)
HOST = 4 << 30


def container(name: str = "web", network: str = "bridge", status: str = RUNNING) -> Container:
    one = Container(
        id=name.ljust(64, "0"),
        name=name,
        created=0,
        image="",
        config=ContainerConfig(image="i"),
        host=HostConfig(network_mode=network),
        path="",
        args=(),
        runtime="",
    )
    return one.with_state(status=status)


@dataclass
class Registry:
    """Some containers, by name."""

    known: dict[str, Container] = field(default_factory=dict)

    def add(self, *containers: Container) -> "Registry":
        self.known |= {one.name: one for one in containers}
        return self

    def find(self, reference: str) -> Container:
        if reference not in self.known:
            raise NotFound(f"No such container: {reference}")
        return self.known[reference]

    def current(self, container_id: str) -> Container:
        return self.find(container_id.rstrip("0"))


class Eyes:
    """Looks that count themselves: the n-th sees n milliseconds of processor time, at second n."""

    def __init__(self) -> None:
        self.looks: list[tuple[str, bool]] = []
        self.blind = False
        self.error: Exception | None = None

    def __call__(self, one: Container, networked: bool) -> Sample | None:
        self.looks.append((one.name, networked))
        if self.error is not None:
            raise self.error
        if self.blind:
            return None
        number = len(self.looks)
        usage = Usage(2, Cpu(number * 1_000_000, 0, 0, 0, 0, 0), None, None, {})
        return Sample(number * times.SECOND, usage, ProcessorTime(number, 2), {})


def stats(registry: Registry, eyes: Eyes, interval: float = 0.01) -> Stats:
    return Stats(registry, CGROUPS, HOST, eyes, interval)  # type: ignore[arg-type]


def sample(name: str, version: int) -> Sample:
    parse = cgroupstats.parse_v1 if version == 1 else cgroupstats.parse_v2
    usage = parse(reader(recorded(name)))
    lo = Counters(1, 1, 0, 0, 1, 1, 0, 0)
    tunnel = Counters(9, 9, 0, 0, 9, 9, 0, 0)
    processors = ProcessorTime(23881450000000, 2)
    return Sample(times.parse_rfc3339("2026-11-25T16:31:56.341968614Z"), usage, processors, {
        "lo": lo,
        "eth0": ETH0,
        "tun0": tunnel,
    })  # fmt: skip


def test_v1_is_what_dockerd_made_of_the_same_group() -> None:
    expected = json.loads((GOLDEN / "v1.json").read_text())
    found = statsdocument.make(container(), sample("v1.txt", 1), HOST)
    assert {key: found.pop(key) for key in ("name", "id")} == {"name": "/web", "id": "web".ljust(64, "0")}
    assert found == expected


def test_v2() -> None:
    found = statsdocument.make(container(), sample("v2.txt", 2), HOST)
    assert found["pids_stats"] == {"current": 4, "limit": 2**64 - 1}
    block = found["blkio_stats"]
    assert block["io_service_bytes_recursive"][0] == {"major": 254, "minor": 0, "op": "read", "value": 39706624}
    assert {name for name, value in block.items() if value is not None} == {"io_service_bytes_recursive"}
    assert "percpu_usage" not in found["cpu_stats"]["cpu_usage"]
    memory = found["memory_stats"]
    assert {key: memory[key] for key in memory if key != "stats"} == {"usage": 52428800, "failcnt": 3, "limit": HOST}
    assert memory["stats"]["inactive_file"] == 21749760
    quiet = Sample(1, cgroupstats.parse_v2(reader({})), ProcessorTime(1, 1), {})
    assert not any(statsdocument.make(container(), quiet, HOST)["blkio_stats"].values())


@pytest.mark.parametrize("sampled", [None, sample("v1.txt", 1), sample("v2.txt", 2)])
def test_documents_are_as_defined(sampled: Sample | None, spec: Path) -> None:
    document = statsdocument.make(container(), sampled, HOST)
    assert load(spec).definition_errors("ContainerStatsResponse", document) == []


async def test_one_shot_looks_once(spec: Path) -> None:
    eyes = Eyes()
    found = await stats(Registry().add(container()), eyes).now("web")
    assert (len(eyes.looks), found["preread"], found["read"]) == (1, NEVER, "1970-01-01T00:00:01Z")


async def test_two_looks_are_compared() -> None:
    verb = stats(Registry().add(container()), Eyes())
    found = await verb.compared("web")
    assert (found["preread"], found["read"]) == ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z")
    assert found["precpu_stats"]["cpu_usage"]["total_usage"] == 1_000_000
    assert found["cpu_stats"]["cpu_usage"]["total_usage"] == 2_000_000
    assert verb.watched == 0


@pytest.mark.parametrize("status", [EXITED, RESTARTING])
async def test_what_does_not_run_is_told_at_once(status: str) -> None:
    eyes = Eyes()
    verb = stats(Registry().add(container(status=status)), eyes, interval=1000)
    found = await verb.compared("web")
    assert (found["read"], found["memory_stats"], found["pids_stats"], eyes.looks) == (NEVER, {}, {}, [])
    assert found == await verb.now("web")


async def test_unknown_containers() -> None:
    verb = stats(Registry(), Eyes())
    for ask in (verb.now, verb.compared):
        with pytest.raises(NotFound, match="No such container: nope"):
            await ask("nope")
    with pytest.raises(NotFound, match="No such container: nope"):
        verb.stream("nope")


async def test_all_who_listen_share_the_looks() -> None:
    eyes = Eyes()
    verb = stats(Registry().add(container()), eyes, interval=0.05)
    async with aclosing(verb.stream("web")) as one, aclosing(verb.stream("web")) as two:
        for number in range(1, 4):
            first, second = await asyncio.gather(anext(one), anext(two))
            assert first == second and len(eyes.looks) == number
        assert verb.watched == 1
        assert (await verb.compared("web"))["preread"] != NEVER, "who comes later compares with what was seen before"
    assert verb.watched == 0
    seen = len(eyes.looks)
    await asyncio.sleep(0.15)
    assert len(eyes.looks) == seen, "nobody listens: nobody looks"


async def test_a_stream_outlives_its_containers_end() -> None:
    registry, eyes = Registry().add(container()), Eyes()
    async with aclosing(stats(registry, eyes).stream("web")) as stream:
        first, second = await anext(stream), await anext(stream)
        assert first["preread"] == NEVER and second["preread"] == first["read"]
        registry.add(container(status=EXITED))
        ended, after = [document async for document in _until_blind(stream)][-1], await anext(stream)
        assert ended["preread"] != NEVER and ended["memory_stats"] == {}
        assert after["preread"] == NEVER
        registry.add(container())
        while (again := await anext(stream))["read"] == NEVER:
            pass
        assert again["preread"] == NEVER
        assert (await anext(stream))["preread"] == again["read"]
        registry.known.clear()
        assert [document async for document in stream][:-1] == [], "it ends with the removal"


async def _until_blind(stream: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async for document in stream:
        yield document
        if document["read"] == NEVER:
            return


async def test_a_process_that_has_just_gone() -> None:
    eyes = Eyes()
    eyes.blind = True
    found = await stats(Registry().add(container()), eyes).compared("web")
    assert found["read"] == NEVER


async def test_an_error_ends_the_stream_and_nothing_hangs() -> None:
    eyes = Eyes()
    verb = stats(Registry().add(container()), eyes)
    async with aclosing(verb.stream("web")) as stream:
        await anext(stream)
        eyes.error = SystemFault("the kernel is gone")
        with pytest.raises(SystemFault):
            while True:
                await anext(stream)
    assert verb.watched == 0
    eyes.error = None
    assert (await verb.compared("web"))["preread"] != NEVER


async def test_networks_are_only_looked_at_where_they_are_the_containers() -> None:
    eyes = Eyes()
    registry = Registry().add(
        container("own"),
        container("user", network="mine"),
        container("host", network="host"),
        container("none", network="none"),
        container("joins", network="container:own"),
        container("again", network="container:joins"),
        container("hosted", network="container:host"),
        container("orphan", network="container:gone"),
        container("round", network="container:round"),
    )
    for name in registry.known:
        await stats(registry, eyes).now(name)
    assert [name for name, networked in eyes.looks if networked] == ["own", "user", "joins", "again"]


async def test_close_ends_all_looks() -> None:
    verb = stats(Registry().add(container()), Eyes(), interval=1000)
    stream = verb.stream("web")
    await anext(stream)
    await verb.close()
    await stream.aclose()
    assert verb.watched == 0
