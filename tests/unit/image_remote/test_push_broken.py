"""Uploads that break: resumed, begun anew, given up; and registries that mean ill."""

import asyncio

import pytest

from havre.errors import SystemFault
from havre.image import digest as digests
from havre.image.remote.auth import Auth
from havre.lib.references import parse
from tests.fakes.registry import FakeRegistry, Seen, serving
from tests.fakes.registry_faults import replace_body, status
from tests.fakes.writable_registry import WritableRegistry
from tests.unit.image_remote.conftest import Remote
from tests.unit.image_remote.pulling import pull
from tests.unit.image_remote.test_push import BIG, call, failing, push, target

__all__ = ["target"]

MEGABYTE = 1 << 20


async def ready(remote: Remote, registry: FakeRegistry, target: WritableRegistry) -> tuple[str, int]:
    """A pulled image of one layer, under a name at ``target``: that, and the layer's bytes."""
    image = registry.add_image("big", "1", BIG)
    await pull(remote, f"{registry.host}/big:1")
    name = f"{target.host}/big:1"
    await call(remote, f"{registry.host}/big:1", name)
    return name, len(registry.blobs[image.layers[0]])


def patches(target: WritableRegistry) -> list[Seen]:
    return [seen for seen in target.requests if seen.method == "PATCH"]


async def test_a_cut_upload_goes_on_where_it_was(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, size = await ready(remote, registry, target)
    target.break_uploads = [3 * MEGABYTE, 2 * MEGABYTE, 0, 1]
    await push(remote, name)
    assert size <= target.received <= size + 1000
    assert "Content-Range" not in patches(target)[0].headers
    assert patches(target)[1].headers["Content-Range"] == f"{3 * MEGABYTE}-{size - 1}"
    assert target.manifests["big", "1"] == registry.manifests["big", "1"]


async def test_a_registry_that_forgets_gets_smaller_pieces(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, size = await ready(remote, registry, target)
    target.forgetful = True
    target.break_uploads = [3 * MEGABYTE]
    await push(remote, name)
    assert patches(target)[1].headers["Content-Range"] == f"0-{8 * MEGABYTE - 1}"
    assert patches(target)[2].headers["Content-Range"] == f"{8 * MEGABYTE}-{size - 1}"
    assert target.manifests["big", "1"] == registry.manifests["big", "1"]


async def test_a_session_that_is_lost_begins_anew(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, _ = await ready(remote, registry, target)
    target.break_uploads = [3 * MEGABYTE]
    target.losing = True
    await push(remote, name)
    assert target.manifests["big", "1"] == registry.manifests["big", "1"]


async def test_a_question_without_an_answer_loses_nothing(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, size = await ready(remote, registry, target)
    target.break_uploads = [3 * MEGABYTE]
    target.speechless = 2
    await push(remote, name)
    assert size <= target.received <= size + 1000
    assert target.manifests["big", "1"] == registry.manifests["big", "1"]


async def test_an_end_whose_answer_was_lost_leaves_no_session(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, size = await ready(remote, registry, target)
    target.mute_ends = 1
    await push(remote, name)
    assert size <= target.received <= size + 1000
    row = await remote.db.read(lambda connection: connection.execute("SELECT * FROM upload_sessions").fetchall())
    assert row == []


@pytest.mark.parametrize("left", [False, True], ids=["the daemon ends", "the client leaves"])
async def test_what_was_broken_off_goes_on_with_the_next_push(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry, left: bool
) -> None:
    name, size = await ready(remote, registry, target)
    target.break_uploads, target.hold = [5 * MEGABYTE], asyncio.Event()
    messages = remote.pusher.push(parse(name))

    async def read() -> None:
        async for _ in messages:
            pass

    reader = asyncio.create_task(read())
    await asyncio.wait_for(target.held.wait(), 20)
    if left:
        reader.cancel()
        await asyncio.wait([reader])
        await messages.aclose()
    else:
        unpacked = remote.layers.unpacked
        remote = await remote.restart()
        remote.layers.unpacked = unpacked
        await remote.images.start()
        await asyncio.wait([reader])
    target.hold.set()
    await push(remote, name)
    assert size <= target.received <= size + 1000
    row = await remote.db.read(lambda connection: connection.execute("SELECT * FROM upload_sessions").fetchall())
    assert row == []


async def test_two_pushes_of_one_blob_bring_it_once(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, size = await ready(remote, registry, target)
    await call(remote, name, f"{target.host}/big:2")
    await asyncio.gather(push(remote, name), push(remote, f"{target.host}/big:2"))
    assert size <= target.received <= size + 2000


async def test_a_line_that_always_breaks_is_given_up(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, _ = await ready(remote, registry, target)
    target.forgetful, target.break_uploads = True, [1000] * 50
    error = await failing(remote, name)
    assert len(patches(target)) == remote.registries.policy.attempts
    assert "Patch" in error.message and "/v2/big/blobs/uploads/session" in error.message


async def test_an_upload_elsewhere_goes_without_credentials(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, _ = await ready(remote, registry, target)
    target.credentials = ("me", "secret")
    async with serving(kind=WritableRegistry) as elsewhere:
        elsewhere.sessions = target.sessions
        elsewhere.blobs, elsewhere.members = target.blobs, target.members
        target.upload_host = elsewhere.upload_host = f"http://{elsewhere.host}"
        await push(remote, name, auth=Auth(username="me", password="secret"))
        assert elsewhere.requests and not any("Authorization" in seen.headers for seen in elsewhere.requests)
        assert all("Authorization" in seen.headers for seen in target.requests if "/v2/big/" in seen.path)


async def test_endless_redirects(remote: Remote, registry: FakeRegistry, target: WritableRegistry) -> None:
    name, _ = await ready(remote, registry, target)
    target.fail("/blobs/sha256", status(307, Location="/v2/big/blobs/sha256:again"), 1000)
    error = await failing(remote, name)
    assert "stopped after 10 redirects" in error.message


async def test_a_redirected_upload_is_refused(remote: Remote, registry: FakeRegistry, target: WritableRegistry) -> None:
    name, _ = await ready(remote, registry, target)
    target.fail("/blobs/uploads/", status(307, Location="http://127.0.0.1:1/"), 1000)
    error = await failing(remote, name)
    assert "received unexpected HTTP status: 307 Temporary Redirect" in error.message


@pytest.mark.parametrize("word", ["/blobs/uploads/session", "/manifests/1"])
async def test_digests_that_do_not_agree(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry, word: str
) -> None:
    name, _ = await ready(remote, registry, target)
    lie = digests.of(b"something else")
    target.fail(word, status(201, Docker_Content_Digest=lie, Location="/v2/big/blobs/uploads/session-0"), 1000)
    error = await failing(remote, name)
    assert isinstance(error, SystemFault) and "digests do not agree" in error.message


@pytest.mark.parametrize("location", ["", "ftp://x/"])
async def test_uploads_to_nowhere(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry, location: str
) -> None:
    name, _ = await ready(remote, registry, target)
    target.fail("/blobs/uploads/", status(202, Location=location), 1000)
    assert "of where to upload to" in (await failing(remote, name)).message


async def test_an_answer_without_end_is_not_kept(
    remote: Remote, registry: FakeRegistry, target: WritableRegistry
) -> None:
    name, _ = await ready(remote, registry, target)
    target.fail("/blobs/uploads/", replace_body(lambda body: b"x" * (64 * MEGABYTE)), 1000)
    await failing(remote, name)
