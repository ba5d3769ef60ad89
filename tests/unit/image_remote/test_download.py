"""Bringing one blob onto the disk over lines that break and from servers that err."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from havre.errors import Unavailable
from havre.image.manifest import OCI_LAYER, Descriptor
from havre.image.remote.download import Downloads
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.progress import Channel, Row
from havre.image.remote.repository import Repository
from tests.fakes import registry as fake
from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeRegistry
from tests.unit.image_remote.conftest import QUICK, Remote

DATA = random.Random(7).randbytes(3_000_000)


class Fetch:
    """One download of ``DATA``, as a pull would ask for it."""

    def __init__(self, remote: Remote, *registries: FakeRegistry, data: bytes = DATA, slots: int = 3) -> None:
        self.remote = remote
        self.downloads = remote.puller._downloads
        self.registries = registries
        self.blob = Descriptor(media_type=OCI_LAYER, digest=fake.digest(data), size=len(data))
        self.slots = asyncio.Semaphore(slots)
        self.channel = Channel()

    async def sources(self) -> AsyncIterator[Repository]:
        for registry in self.registries:
            (place,) = await self.remote.config.places(registry.host)
            yield await self.remote.registries.open(place, "a/b", None)

    async def run(self) -> None:
        await self.downloads.fetch(self.blob, self.sources, self.slots, Row(self.channel, "layer"))

    async def said(self) -> list[str]:
        """Everything shown so far, without repetitions in a row."""
        self.channel.end()
        said: list[str] = []
        async for message in self.channel.messages():
            if said[-1:] != [message["status"]]:
                said.append(message["status"])
        return said


@pytest.fixture
def fetch(remote: Remote, registry: FakeRegistry) -> Fetch:
    registry.add_blob(DATA)
    return Fetch(remote, registry)


def ranges(registry: FakeRegistry) -> list[str | None]:
    return [seen.headers.get("Range") for seen in registry.asked("/blobs/")]


def stored(fetch: Fetch) -> bytes:
    return fetch.remote.blobs.path(fetch.blob.digest).read_bytes()


async def test_a_blob_arrives(fetch: Fetch) -> None:
    await fetch.run()
    assert stored(fetch) == DATA
    assert await fetch.said() == ["Downloading", "Verifying Checksum", "Download complete"]


async def test_what_is_here_is_not_fetched(fetch: Fetch, registry: FakeRegistry) -> None:
    await fetch.run()
    registry.requests.clear()
    await fetch.run()
    assert registry.requests == []


async def test_an_empty_blob_needs_no_request(remote: Remote, registry: FakeRegistry) -> None:
    fetch = Fetch(remote, registry, data=b"")
    await fetch.run()
    assert stored(fetch) == b"" and ranges(registry) == []


async def test_no_place_to_fetch_from(remote: Remote) -> None:
    with pytest.raises(RemoteFailure, match="no place to fetch sha256:"):
        await Fetch(remote).run()


async def test_a_cut_line_is_resumed(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.cut(1_000_000))
    registry.fail("/blobs/", faults.cut(500_000))
    await fetch.run()
    assert stored(fetch) == DATA
    first, second, third = ranges(registry)
    assert first is None and second is not None and third is not None
    start = [int(text.removeprefix("bytes=").removesuffix("-")) for text in (second, third)]
    assert 0 < start[0] <= 1_000_000 and start[0] < start[1] <= 1_500_000


async def test_many_cuts_are_survived_as_long_as_bytes_come(fetch: Fetch, registry: FakeRegistry) -> None:
    big = DATA * 4
    fetch = Fetch(fetch.remote, registry, data=big)
    registry.add_blob(big)
    registry.fail("/blobs/", faults.cut(1_500_000), times=7)
    await fetch.run()
    assert stored(fetch) == big
    assert len(ranges(registry)) == 8 > QUICK.attempts


async def test_a_body_that_ends_early_is_resumed(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.end_early(1_000_000))
    await fetch.run()
    assert stored(fetch) == DATA
    assert ranges(registry) == [None, "bytes=1000000-"]


async def test_a_server_without_ranges_starts_over(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.end_early(1_000_000))
    registry.fail("/blobs/", faults.ignore_range())
    await fetch.run()
    assert stored(fetch) == DATA
    assert ranges(registry) == [None, "bytes=1000000-"]


async def test_a_server_with_other_ranges_starts_over(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.end_early(1_000_000))
    registry.fail("/blobs/", faults.wrong_range(7))
    await fetch.run()
    assert stored(fetch) == DATA
    assert ranges(registry) == [None, "bytes=1000000-", None]


async def test_a_range_beyond_the_blob_starts_over(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.end_early(1_000_000))
    registry.fail("/blobs/", faults.status(416))
    await fetch.run()
    assert stored(fetch) == DATA
    assert ranges(registry) == [None, "bytes=1000000-", None]


async def test_a_daemon_that_starts_again_resumes(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.end_early(1_000_000), times=1)
    registry.fail("/blobs/", faults.status(404))
    with pytest.raises(RemoteFailure):
        await fetch.run()
    again = Fetch(await fetch.remote.restart(), registry)
    await again.run()
    assert stored(again) == DATA
    assert ranges(registry)[-1] == "bytes=1000000-"


async def test_what_is_whole_but_unnamed_needs_no_request(fetch: Fetch, registry: FakeRegistry) -> None:
    async with fetch.remote.blobs.partial(fetch.blob.digest) as partial:
        assert partial is not None
        partial.write(DATA)
    await fetch.run()
    assert stored(fetch) == DATA and ranges(registry) == []


async def test_damaged_bytes_from_before_are_fetched_anew(fetch: Fetch, registry: FakeRegistry) -> None:
    async with fetch.remote.blobs.partial(fetch.blob.digest) as partial:
        assert partial is not None
        partial.write(b"\0" * 1_000_000)
    await fetch.run()
    assert stored(fetch) == DATA
    assert ranges(registry) == ["bytes=1000000-", None]


async def test_more_bytes_than_the_blob_has_from_before(fetch: Fetch, registry: FakeRegistry) -> None:
    async with fetch.remote.blobs.partial(fetch.blob.digest) as partial:
        assert partial is not None
        partial.write(DATA + b"more")
    await fetch.run()
    assert stored(fetch) == DATA and ranges(registry) == [None]


async def test_a_wrong_digest_is_refused_and_nothing_stays(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.corrupt())
    with pytest.raises(RemoteFailure, match=f"filesystem layer verification failed for digest {fetch.blob.digest}"):
        await fetch.run()
    assert not fetch.remote.blobs.exists(fetch.blob.digest)
    assert len(ranges(registry)) == 1
    await fetch.run()
    assert ranges(registry) == [None, None]


@pytest.mark.parametrize("announced", [None, len(DATA) + 10, len(DATA) - 10])
async def test_another_size_is_refused(fetch: Fetch, registry: FakeRegistry, announced: int | None) -> None:
    registry.fail("/blobs/", faults.replace_body(lambda body: body + b"0123456789", announced=announced), times=9)
    with pytest.raises(RemoteFailure, match=r"bytes at 127\.0\.0\.1"):
        await fetch.run()
    assert not fetch.remote.blobs.exists(fetch.blob.digest)


async def test_a_body_without_end_is_left(fetch: Fetch, registry: FakeRegistry) -> None:
    async def fault(request: fake.web.Request, answer: fake.Answer) -> fake.web.StreamResponse:
        response = fake.web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"\0" * 65536)
        except ConnectionError:
            return response

    registry.fail("/blobs/", fault)
    with pytest.raises(RemoteFailure, match="sends more than the 3000000 bytes"):
        await asyncio.wait_for(fetch.run(), 20)


async def test_a_server_that_fails_is_asked_again_then_left(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.status(503), times=QUICK.attempts)
    with pytest.raises(RemoteFailure, match="503"):
        await fetch.run()
    assert len(ranges(registry)) == QUICK.attempts
    said = await fetch.said()
    assert "Retrying in 1 second" in said


async def test_a_refusal_is_final(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.refuse(403, "DENIED", "not you"), times=9)
    with pytest.raises(RemoteFailure, match="denied: not you"):
        await fetch.run()
    assert len(ranges(registry)) == 1


async def test_the_next_place_goes_on_where_the_first_broke_off(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    registry.add_blob(DATA)
    other.add_blob(DATA)
    registry.fail("/blobs/", faults.end_early(1_000_000))
    registry.fail("/blobs/", faults.status(404))
    fetch = Fetch(remote, registry, other)
    await fetch.run()
    assert stored(fetch) == DATA
    assert ranges(other) == ["bytes=1000000-"]


# -- together ---------------------------------------------------------------------------------------------------------


async def test_two_share_one_download(fetch: Fetch, registry: FakeRegistry) -> None:
    release = asyncio.Event()
    registry.fail("/blobs/", faults.hold(release, 1_000_000))
    second = Fetch(fetch.remote, registry)
    async with asyncio.TaskGroup() as group:
        group.create_task(fetch.run())
        await until(lambda: bool(registry.asked("/blobs/")))
        group.create_task(second.run())
        await asyncio.sleep(0.05)
        release.set()
    assert len(ranges(registry)) == 1
    assert await second.said() == ["Downloading", "Verifying Checksum", "Download complete"]


async def test_one_who_leaves_does_not_take_the_download_along(fetch: Fetch, registry: FakeRegistry) -> None:
    release = asyncio.Event()
    registry.fail("/blobs/", faults.hold(release, 1_000_000))
    first = asyncio.ensure_future(fetch.run())
    await until(lambda: bool(registry.asked("/blobs/")))
    second = asyncio.ensure_future(Fetch(fetch.remote, registry).run())
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    release.set()
    await second
    assert stored(fetch) == DATA and len(ranges(registry)) == 1


async def test_the_last_who_leaves_stops_it_and_the_bytes_stay(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.hold(asyncio.Event(), 1_500_000))
    task = asyncio.ensure_future(fetch.run())
    partial = fetch.remote.layout.ingest / fetch.blob.digest.replace(":", "-")
    await until(lambda: partial.exists() and partial.stat().st_size >= 1 << 20)
    task.cancel()
    await asyncio.wait([task])
    kept = partial.stat().st_size
    assert 1 << 20 <= kept <= 1_500_000
    await fetch.run()
    assert stored(fetch) == DATA and ranges(registry)[-1] == f"bytes={kept}-"


async def test_a_newcomer_while_it_is_being_stopped_starts_anew(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.hold(asyncio.Event(), 1_500_000))
    task = asyncio.ensure_future(fetch.run())
    await until(lambda: bool(registry.asked("/blobs/")))
    task.cancel()
    await asyncio.sleep(0)
    await Fetch(fetch.remote, registry).run()
    assert stored(fetch) == DATA and task.cancelled()


async def test_one_whose_own_place_is_better_goes_on_alone(
    remote: Remote, registry: FakeRegistry, other: FakeRegistry
) -> None:
    other.add_blob(DATA)
    release = asyncio.Event()
    registry.fail("/blobs/", faults.hold(release))
    poor, rich = Fetch(remote, registry), Fetch(remote, other)
    first = asyncio.ensure_future(poor.run())
    await until(lambda: bool(registry.asked("/blobs/")))
    second = asyncio.ensure_future(rich.run())
    await asyncio.sleep(0.05)
    release.set()
    await second
    assert stored(rich) == DATA
    with pytest.raises(RemoteFailure):
        await first


async def test_only_so_many_at_a_time(remote: Remote, registry: FakeRegistry) -> None:
    blobs = [bytes([number]) * 100_000 for number in range(5)]
    release = asyncio.Event()
    registry.fail("/blobs/", faults.hold(release), times=5)
    slots, channel = asyncio.Semaphore(2), Channel()
    async with asyncio.TaskGroup() as group:
        for number, data in enumerate(blobs):
            registry.add_blob(data)
            fetch = Fetch(remote, registry, data=data)
            row = Row(channel, str(number))
            group.create_task(fetch.downloads.fetch(fetch.blob, fetch.sources, slots, row))
        await until(lambda: len(registry.asked("/blobs/")) == 2)
        await asyncio.sleep(0.05)
        assert len(registry.asked("/blobs/")) == 2
        release.set()
    channel.end()
    waited = {m["id"] async for m in channel.messages() if m["status"] == "Waiting"}
    assert waited == {"2", "3", "4"}


async def test_a_daemon_that_ends_says_so_to_those_who_wait(fetch: Fetch, registry: FakeRegistry) -> None:
    registry.fail("/blobs/", faults.hold(asyncio.Event(), 1000))
    downloads = Downloads(fetch.remote.blobs)
    fetch.downloads = downloads
    task = asyncio.ensure_future(fetch.run())
    await until(lambda: bool(registry.asked("/blobs/")))
    await downloads.close()
    with pytest.raises(Unavailable):
        await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (what is waited for lies in a server or on disk)
            await asyncio.sleep(0.005)
