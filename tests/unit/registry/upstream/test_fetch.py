"""Blobs that arrive: once for all, streamed as they come, never whole unless right."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from havre.errors import HavreError, SystemFault
from havre.image.digest import DigestMismatch
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.repository import Repository
from havre.registry.upstream.arrival import Arrival
from havre.registry.upstream.fetch import Fetches, Keep
from tests.fakes import registry_faults as faults
from tests.fakes.registry import Answer, FakeRegistry, Fault

BLOB = os.urandom(3 << 20)


def held(release: asyncio.Event, after: int) -> Fault:
    """Send ``after`` bytes of those announced, and the rest after ``release``."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(BLOB)
        await response.prepare(request)
        await response.write(BLOB[:after])
        await release.wait()
        await response.write(BLOB[after:])
        return response

    return fault


class Kept:
    """A storage: what it was given."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    async def keep(self, arrival: Arrival) -> None:
        self.blobs[arrival.digest] = arrival.path.read_bytes()
        arrival.path.unlink()


@pytest.fixture
def fetches(tmp_path: Path) -> Fetches:
    made = Fetches(tmp_path / "spool")
    made.prepare()
    return made


async def join(fetches: Fetches, digest: str, source: Repository, keep: Keep) -> Arrival:
    async def opened() -> Repository:
        return source

    arrival = await fetches.join("app", digest, opened, keep)
    assert arrival is not None
    return arrival


async def read(arrival: Arrival, offset: int = 0, limit: int = 100_000) -> bytes:
    got = bytearray()
    while data := await arrival.read(offset + len(got), limit):
        got += data
    return bytes(got)


async def test_many_readers_share_one_request(
    upstream: FakeRegistry, source: Repository, fetches: Fetches, tmp_path: Path
) -> None:
    digest, kept = upstream.add_blob(BLOB), Kept()

    async def pull() -> bytes:
        return await read(await join(fetches, digest, source, kept.keep))

    assert set(await asyncio.gather(*(pull() for _ in range(200)))) == {BLOB}
    assert len(upstream.asked("/blobs/")) == 1
    assert kept.blobs == {digest: BLOB}
    assert not list((tmp_path / "spool").iterdir())


async def test_a_reader_has_what_arrived_while_the_rest_is_on_its_way(
    upstream: FakeRegistry, source: Repository, fetches: Fetches
) -> None:
    go_on = asyncio.Event()
    digest = upstream.add_blob(BLOB)
    upstream.fail("/blobs/", held(go_on, 2 << 20))
    arrival = await join(fetches, digest, source, Kept().keep)
    assert await arrival.read(0, 1 << 20) == BLOB[: 1 << 20]
    late = await join(fetches, digest, source, Kept().keep)
    assert await late.read(1000, 10) == BLOB[1000:1010]
    go_on.set()
    assert await read(late, 5) == BLOB[5:]


async def test_a_cut_line_is_resumed_where_it_broke(
    upstream: FakeRegistry, source: Repository, fetches: Fetches
) -> None:
    digest = upstream.add_blob(BLOB)
    upstream.fail("/blobs/", faults.break_off(2_000_000))
    assert await read(await join(fetches, digest, source, Kept().keep)) == BLOB
    second = upstream.asked("/blobs/")[1].headers["Range"]
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 2_000_000


@pytest.mark.parametrize("fault", [faults.corrupt, lambda: faults.replace_body(lambda body: os.urandom(len(body)))])
async def test_wrong_content_is_neither_kept_nor_served_whole(
    upstream: FakeRegistry, source: Repository, fetches: Fetches, fault: Callable[[], object], tmp_path: Path
) -> None:
    digest, kept = upstream.add_blob(BLOB), Kept()
    upstream.fail("/blobs/", fault())  # type: ignore[arg-type]
    arrival = await join(fetches, digest, source, kept.keep)
    got = bytearray()
    with pytest.raises(DigestMismatch):
        while True:
            got += await arrival.read(len(got), 1 << 20)
    assert len(got) == len(BLOB) - 1
    assert not kept.blobs and not list((tmp_path / "spool").iterdir())
    assert await read(await join(fetches, digest, source, kept.keep)) == BLOB


async def test_a_blob_that_changes_its_size_is_refused(
    upstream: FakeRegistry, source: Repository, fetches: Fetches
) -> None:
    digest = upstream.add_blob(BLOB)
    upstream.fail("/blobs/", faults.break_off(1_500_000))
    upstream.fail("/blobs/", faults.status(206, Content_Range="bytes 0-9/10"))
    arrival = await join(fetches, digest, source, Kept().keep)
    with pytest.raises(RemoteFailure, match="had 3145728 bytes, and has 10 now"):
        await read(arrival)


async def test_a_refusal_is_told_to_all_who_wait_and_forgotten(
    upstream: FakeRegistry, source: Repository, fetches: Fetches
) -> None:
    digest = "sha256:" + "1" * 64
    joined = [join(fetches, digest, source, Kept().keep) for _ in range(5)]
    results = await asyncio.gather(*joined, return_exceptions=True)
    assert [getattr(result, "status", None) for result in results] == [404] * 5
    assert len(upstream.asked("/blobs/")) == 1


async def test_a_blob_of_unannounced_size_is_served_when_it_is_here(
    upstream: FakeRegistry, source: Repository, fetches: Fetches
) -> None:
    digest, go_on = upstream.add_blob(BLOB), asyncio.Event()
    upstream.fail("/blobs/", faults.hold(go_on, 2 << 20))
    joining = asyncio.ensure_future(join(fetches, digest, source, Kept().keep))
    await asyncio.sleep(0.05)
    assert not joining.done()
    go_on.set()
    arrival = await joining
    assert arrival.size == len(BLOB) and await read(arrival) == BLOB


async def test_a_truncated_blob_of_unannounced_size_is_refused(
    upstream: FakeRegistry, source: Repository, fetches: Fetches
) -> None:
    digest = upstream.add_blob(BLOB)
    upstream.fail("/blobs/", faults.end_early(2 << 20))
    with pytest.raises(DigestMismatch):
        await join(fetches, digest, source, Kept().keep)


async def test_what_is_here_by_now_is_not_fetched(upstream: FakeRegistry, fetches: Fetches) -> None:
    async def nowhere() -> None:
        return None

    assert await fetches.join("app", upstream.add_blob(BLOB), nowhere, Kept().keep) is None
    assert not upstream.requests


async def test_an_empty_blob_arrives(upstream: FakeRegistry, source: Repository, fetches: Fetches) -> None:
    digest, kept = upstream.add_blob(b""), Kept()
    assert await read(await join(fetches, digest, source, kept.keep)) == b""
    assert kept.blobs == {digest: b""}


async def test_a_full_storage_ends_the_readers(upstream: FakeRegistry, source: Repository, fetches: Fetches) -> None:
    digest = upstream.add_blob(BLOB)

    async def full(arrival: Arrival) -> None:
        raise OSError(28, "No space left on device")

    arrival = await join(fetches, digest, source, full)
    with pytest.raises(SystemFault, match="No space left on device"):
        await read(arrival)


async def test_closing_breaks_off_what_is_under_way(
    upstream: FakeRegistry, source: Repository, fetches: Fetches
) -> None:
    digest = upstream.add_blob(BLOB)
    upstream.fail("/blobs/", held(asyncio.Event(), 2 << 20))
    arrival = await join(fetches, digest, source, Kept().keep)
    reading = asyncio.ensure_future(read(arrival))
    await asyncio.sleep(0)
    await fetches.close()
    with pytest.raises(HavreError, match="broken off"):
        await reading


async def test_files_are_closed_when_nobody_reads_any_more(
    upstream: FakeRegistry, source: Repository, fetches: Fetches
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        digest = upstream.add_blob(bytes([number]) * 1000)
        await read(await join(fetches, digest, source, Kept().keep))
    assert len(os.listdir("/proc/self/fd")) < before + 10
