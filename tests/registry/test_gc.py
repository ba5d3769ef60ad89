"""Garbage collection: what nothing names goes, whatever serves or does not, and nothing else."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from havre.registry.app import Door
from havre.registry.assemble import Assembly
from havre.registry.config import Config
from havre.registry.upkeep.leases import Leases
from tests.registry.server import EMPTY, Client, Server, sha256
from tests.registry.upkeep import PROGRAM, configured, contents, damage, gc

AT_ONCE = {"interval": "0s", "grace": "0s"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A registry that collects only when told to, and then at once."""
    running = configured(tmp_path, gc=AT_ONCE)
    yield running
    running.close()


def test_what_a_deleted_image_had_for_itself_goes(server: Server, client: Client) -> None:
    client.push_image("kept", "v1", b"shared", b"kept")
    digest = client.push_image("going", "v1", b"shared", b"going" * 1000)
    client.ask("DELETE", f"/v2/going/manifests/{digest}")
    would = gc(server, "--dry-run")
    assert sha256(b"going" * 1000) in contents(server)
    report = gc(server)
    assert report == would
    assert (report["contents"], report["bytes"]) == (1, 5000)
    assert contents(server) == {sha256(data) for data in (EMPTY, b"shared", b"kept")}
    assert not damage(client, "kept", "v1")
    assert client.ask("HEAD", f"/v2/going/blobs/{sha256(b'shared')}").status == 404
    assert gc(server)["bytes"] == 0


def test_an_untagged_manifest_stays_without_a_rule(server: Server, client: Client) -> None:
    first = client.push_image("app", "latest", b"first")
    client.push_image("app", "latest", b"second")
    assert gc(server)["contents"] == 0
    assert not damage(client, "app", first)


def test_a_registry_that_is_stopped_is_collected_by_the_command_itself(server: Server, client: Client) -> None:
    client.push_image("kept", "v1", b"kept")
    client.push_blob("app", b"never named")
    server.kill()
    assert gc(server)["bytes"] == 0  # within the default grace
    report = gc(server, "--config", str(server.root.parent / "registry.json"))
    assert (report["contents"], report["bytes"]) == (1, 11)
    server.start()
    assert not damage(server.client(), "kept", "v1")


def test_content_that_no_repository_has_goes(server: Server, client: Client) -> None:
    client.push_image("kept", "v1", b"kept")
    lost = server.root / "blobs" / "sha256" / ("1" * 64)
    lost.write_bytes(b"of a push that was cut short")
    assert gc(server, "--dry-run")["bytes"] == 28
    assert gc(server)["contents"] == 1
    assert not lost.exists()
    assert not damage(client, "kept", "v1")


def test_what_is_young_or_was_asked_for_stays(tmp_path: Path) -> None:
    server = configured(tmp_path, gc={"interval": "0s", "grace": "1h"})
    client = server.client()
    client.push_blob("app", b"pushed a moment ago")
    assert gc(server)["blobs"] == []
    assert client.push_image("app", "v1", b"pushed a moment ago")
    server.close()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"gc": {"grace": "soon"}}, {"gc": {"speed": 1}}, {"retention": {"a//b": {}}}),
        {"retention": {"a": {"keep-tags": ["v*"]}}},
    ],
)
def test_a_configuration_that_is_wrong_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match=r"havre-registry: \[(gc|retention)\]: "):
        configured(tmp_path, **wrong)


async def test_what_was_pushed_stays_for_the_grace_also_when_the_clock_jumps(tmp_path: Path) -> None:
    """The times in the catalog are the wall clock's, which may be set; leases go by the other one."""
    assembly = Assembly(Config(root=tmp_path))
    await assembly.start()
    now = [0.0]
    leases = assembly.registry.leases = Leases(60, lambda: now[0])
    now[0] = 60.0
    server = await asyncio.get_running_loop().create_server(Door(assembly.registry), "127.0.0.1", 0)
    client = Client(server.sockets[0].getsockname()[1])
    try:
        pushed = await asyncio.to_thread(client.push_image, "app", "v1", b"layer")
        mount = f"/v2/other/blobs/uploads/?mount={sha256(b'layer')}&from=app"
        assert (await asyncio.to_thread(client.ask, "POST", mount)).status == 201
    finally:
        client.close()
        server.close()
        await assembly.stop()
    assert all(leases.held("app", digest) for digest in (pushed, sha256(EMPTY), sha256(b"layer")))
    assert leases.held("other", sha256(b"layer")) and not leases.held("other", sha256(EMPTY))


def test_a_root_without_a_registry_is_not_made_one(tmp_path: Path) -> None:
    command = [*PROGRAM, "gc", "--root", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, f"havre-registry: no registry is kept in {tmp_path / 'none'}\n")
    assert not (tmp_path / "none").exists()


def test_the_report_is_for_people_too(server: Server, client: Client) -> None:
    client.push_blob("app", b"never named")
    command = [*PROGRAM, "gc", "--root", str(server.root), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [
        f"blob app@{sha256(b'never named')}: no manifest names it",
        "would go: 0 tags, 0 manifests, 1 blobs of repositories, 0 uploads; 11B in 1 contents",
    ]


def test_uploads_nobody_goes_on_with_are_given_up(tmp_path: Path) -> None:
    server = configured(tmp_path, gc={"interval": "0s", "uploads": "0s"})
    with closing(server.client()) as client:
        location = client.begin("app")
        assert gc(server, "--dry-run")["uploads"] == 1
        assert client.ask("PATCH", location, b"some").status == 202
        assert gc(server)["uploads"] == 1
        assert client.ask("PATCH", location, b"more").code == "BLOB_UPLOAD_UNKNOWN"
    assert not list((server.root / "uploads").iterdir())
    server.close()
