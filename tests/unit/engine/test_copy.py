"""Copying in and out over real overlay snapshots: what is seen, what is refused, what is left mounted."""

import asyncio
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from havre.engine.container.copy import Copier
from havre.engine.container.hostmounts import HostMounts
from havre.engine.container.record import EXITED, REMOVING, RUNNING, Container, MountRecord
from havre.engine.container.registry import Registry
from havre.engine.container.rootfs import make_init_layer
from havre.engine.container.viewing import Views
from havre.errors import Conflict, Forbidden, InvalidParameter, NotFound, SystemFault
from havre.image.snapshots import Usage
from havre.image.snapshots.overlay import OverlaySnapshotter
from havre.kernel import mounts, pidfd
from havre.lib import ids
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import ALL
from havre.wire.containers import ContainerConfig, HostConfig, MountPoint
from tests.fakes.volume import NothingToMount

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts file systems")


@dataclass
class Told:
    """The events published."""

    events: list[tuple[str, str, str]] = field(default_factory=list)

    def publish(self, type: str, action: str, actor_id: str, attributes: dict[str, str] | None = None) -> None:
        self.events.append((type, action, actor_id))


@dataclass
class World:
    layout: Layout
    database: Database
    snapshotter: OverlaySnapshotter
    registry: Registry
    told: Told
    views: Views
    copier: Copier

    async def add(self, name: str, host: HostConfig | None = None, user: str = "", *mounted: MountRecord) -> Container:
        """A container that has never run, on the image."""
        container = Container(
            id=ids.new_id(),
            name=name,
            created=0,
            image="sha256:0",
            config=ContainerConfig(image="image", user=user, labels={}),
            host=host or HostConfig(),
            path="sh",
            args=(),
            runtime="runc",
            mounts=mounted,
        )
        await self.snapshotter.prepare(container.id, "image")
        self.layout.rootfs(container.id).mkdir(parents=True)
        return await self.registry.save(container)

    def mounted(self) -> list[str]:
        return [one.target for one in mounts.mountinfo() if one.target.startswith(str(self.layout.data_root))]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    layout = Layout(tmp_path / "data", tmp_path / "run")
    layout.prepare()
    make_init_layer(layout.init_layer)
    database = Database.open(layout.database, ALL)
    snapshotter = OverlaySnapshotter(database, layout)
    await snapshotter.start()
    await snapshotter.prepare("new", None)
    _image(snapshotter.upper("new"))
    await snapshotter.commit("new", "image", Usage(1, 1))
    registry, told = Registry(database), Told()
    views = Views(registry, snapshotter, HostMounts(snapshotter, layout, NothingToMount()), layout)
    world = World(layout, database, snapshotter, registry, told, views, Copier(views, told))
    yield world
    await views.close()
    left = world.mounted()
    for target in left:
        mounts.unmount(target, detach=True)
    await snapshotter.close()
    database.close()
    assert not left


def _image(root: Path) -> None:
    for name in ("etc", "tmp", "proc", "dev", "d/sub", "seeded"):
        (root / name).mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root:x:0:0::/:\napp:x:1000:1001::/:\n")
    (root / "etc" / "group").write_text("app:x:1001:\n")
    (root / "d" / "f").write_text("hello")
    (root / "d" / "l").symlink_to("f")
    (root / "dl").symlink_to("/d")
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to("../../../../etc/passwd")
    (root / "seeded" / "from-image").touch()


def volume(source: Path, target: str, rw: bool = True, copy_up: bool = False) -> MountRecord:
    point = MountPoint(type="volume", name="v", source=str(source), destination=target, rw=rw)
    return MountRecord(point, ("rw" if rw else "rro", "rprivate"), copy_up)


async def out(world: World, name: str, path: str) -> dict[str, tarfile.TarInfo]:
    _, stream = await world.copier.get(name, path)
    data = b"".join([chunk async for chunk in stream])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: info for info in tar}


def packed(**files: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.gid = len(content), 5, 6
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


async def body(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 4096):
        yield data[at : at + 4096]


async def into(world: World, name: str, path: str, data: bytes | None = None, **how: bool) -> None:
    await world.copier.put(name, path, body(data or packed(new=b"content")), **how)


async def test_stat_says_what_docker_says(world: World) -> None:
    await world.add("box")
    found = await world.copier.stat("box", "/d/f")
    assert {**found, "mtime": ""} == {"name": "f", "size": 5, "mode": 0o644, "mtime": "", "linkTarget": ""}
    assert (await world.copier.stat("box", "/d/l"))["linkTarget"] == "/d/f"
    assert (await world.copier.stat("box", "/up"))["linkTarget"] == "/etc/passwd"
    directory, link = 1 << 31, 1 << 27
    for path, name, kind in (("/dl", "dl", link), ("/dl/", "dl", directory), ("/dl/.", ".", directory)):
        found = await world.copier.stat("box", path)
        assert (found["name"], found["mode"] & ~0o777) == (name, kind)


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        ("/nope", NotFound, "Could not find the file /nope in container box"),
        ("d/nope", NotFound, "Could not find the file d/nope in container box"),
        ("/d/f/", InvalidParameter, "lstat /d/f/: not a directory"),
        ("/d/f/x", InvalidParameter, "lstat /d/f/x: not a directory"),
        ("/loop", InvalidParameter, "evalSymlinksInScope: too many links in /loop"),
        ("/" + "n" * 300, InvalidParameter, f"lstat /{'n' * 300}: file name too long"),
        ("/d\0/f", InvalidParameter, "NUL"),
    ],
)
async def test_paths_that_lead_nowhere(world: World, path: str, error: type[Exception], text: str) -> None:
    await world.add("box")
    for verb in (world.copier.stat, world.copier.get):
        with pytest.raises(error) as caught:
            await verb("box", path)
        assert text in str(caught.value)


async def test_a_container_that_is_not_there_or_going(world: World) -> None:
    with pytest.raises(NotFound, match="No such container: nobody"):
        await world.copier.stat("nobody", "/")
    container = await world.add("box")
    await world.registry.save(container.with_state(status=REMOVING))
    with pytest.raises(Conflict, match=f"container {container.id} is being removed"):
        await world.copier.get("box", "/")


async def test_entries_are_named_by_the_path_as_given(world: World) -> None:
    await world.add("box")
    assert list(await out(world, "box", "/d")) == ["d", "d/f", "d/l", "d/sub"]
    assert list(await out(world, "box", "/dl/")) == ["dl", "dl/f", "dl/l", "dl/sub"]
    assert list(await out(world, "box", "/dl/.")) == [".", "./f", "./l", "./sub"]
    assert (await out(world, "box", "/dl"))["dl"].linkname == "/d"
    assert "/d/f" in await out(world, "box", "/")
    assert "/d/f" in await out(world, "box", "..")
    assert world.told.events == [("container", "archive-path", world.registry.find("box").id)] * 6


async def test_unpacking_and_its_owners(world: World) -> None:
    await world.add("box")
    await world.add("app", None, "app")
    await world.add("ids", None, "7:8")
    await into(world, "box", "/dl", no_overwrite_dir_non_dir=True)
    assert (await out(world, "box", "/d/new"))["new"].uid == 5
    for name, uid, gid in (("box", 5, 6), ("app", 1000, 1001), ("ids", 7, 8)):
        await into(world, name, "/tmp", copy_uid_gid=True)
        made = (await out(world, name, "/tmp/new"))["new"]
        assert (made.uid, made.gid) == (uid, gid)
    await into(world, "app", "/tmp", copy_uid_gid=False)
    assert (await out(world, "app", "/tmp/new"))["new"].uid == 5
    assert ("container", "extract-to-dir", world.registry.find("ids").id) in world.told.events


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        ("/nope", NotFound, "Could not find the file /nope in container box"),
        ("/d/f", InvalidParameter, "extraction point is not a directory"),
        ("/d/f/", InvalidParameter, "lstat /d/f/: not a directory"),
    ],
)
async def test_places_where_nothing_can_be_unpacked(world: World, path: str, error: type[Exception], text: str) -> None:
    await world.add("box")
    with pytest.raises(error, match=f"^{text}$"):
        await into(world, "box", path)


async def test_archives_that_do_not_fit_the_tree(world: World) -> None:
    await world.add("box")
    with pytest.raises(InvalidParameter, match='cannot overwrite directory "sub" with non-directory "/d"'):
        await into(world, "box", "/dl", packed(sub=b""), no_overwrite_dir_non_dir=True)
    with pytest.raises(InvalidParameter, match="f/below: not a directory"):
        await into(world, "box", "/d", packed(**{"f/below": b""}))
    with pytest.raises(InvalidParameter, match="header"):
        await into(world, "box", "/d", b"x" * 2000)


async def test_read_only_places(world: World, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    await world.add("free", None, "", volume(tmp_path / "v", "/ro", rw=False))
    await world.add(
        "box",
        HostConfig(readonly_rootfs=True),
        "",
        volume(tmp_path / "v", "/rw"),
        volume(tmp_path / "v", "/ro", rw=False),
        MountRecord(MountPoint(type="tmpfs", destination="/scratch", rw=True)),
    )
    with pytest.raises(Forbidden, match="container rootfs is marked read-only"):
        await into(world, "box", "/tmp")
    with pytest.raises(Forbidden, match="mounted volume is marked read-only"):
        await into(world, "box", "/ro")
    with pytest.raises(Conflict, match="tmpfs at /scratch exists only while the container runs"):
        await into(world, "box", "/scratch")
    await into(world, "box", "/rw")
    assert (tmp_path / "v" / "new").read_bytes() == b"content"
    with pytest.raises(Forbidden, match="ro/new: read-only file system"):
        await into(world, "free", "/", packed(**{"ro/new": b""}))


async def test_volumes_are_seen_and_filled_as_by_a_start(world: World, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    await world.add("box", None, "", volume(tmp_path / "v", "/seeded", copy_up=True), volume(tmp_path / "v", "/a/b"))
    await into(world, "box", "/seeded")
    assert sorted(os.listdir(tmp_path / "v")) == ["from-image", "new"]
    assert list(await out(world, "box", "/a/b")) == ["b", "b/from-image", "b/new"]


async def test_files_of_the_network_are_seen(world: World) -> None:
    container = await world.add("box")
    (world.layout.container(container.id) / "hosts").write_text("1.2.3.4 box\n")
    assert (await out(world, "box", "/etc/hosts"))["hosts"].size == 12


async def test_a_source_that_is_gone(world: World, tmp_path: Path) -> None:
    await world.add("box", None, "", volume(tmp_path / "gone", "/v"))
    with pytest.raises(Conflict, match="bind source path does not exist"):
        await world.copier.stat("box", "/")
    assert world.mounted() == []


async def test_mounts_that_cannot_be_made(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    await world.add("box", None, "", volume(tmp_path / "file", "/etc"))
    with pytest.raises(SystemFault, match="cannot show the files of container"):
        await world.copier.stat("box", "/")
    assert world.mounted() == []


async def test_nothing_stays_mounted_or_open(world: World) -> None:
    await world.add("box")
    before = len(os.listdir("/proc/self/fd"))
    await world.copier.stat("box", "/d")
    await into(world, "box", "/d")
    await out(world, "box", "/d")
    with pytest.raises(NotFound):
        await world.copier.get("box", "/nope")
    await world.views.close()
    assert world.mounted() == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("verb", ["stat", "get", "put"])
async def test_a_copy_cancelled_at_any_moment_leaves_nothing(world: World, verb: str) -> None:
    await world.add("box")
    before = len(os.listdir("/proc/self/fd"))
    calls: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "stat": lambda: world.copier.stat("box", "/d"),
        "get": lambda: world.copier.get("box", "/d"),
        "put": lambda: into(world, "box", "/d"),
    }
    for turns in range(60):
        task = asyncio.ensure_future(calls[verb]())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        task.cancel()
        (made,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(made, tuple):
            await made[1].aclose()
    async with asyncio.timeout(20):
        while world.mounted() or len(os.listdir("/proc/self/fd")) > before:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_copies_at_once_share_one_mount(world: World) -> None:
    container = await world.add("box")
    (world.snapshotter.upper(container.id) / "big").write_bytes(bytes(20_000_000))
    _, slow = await world.copier.get("box", "/big")
    await into(world, "box", "/d")
    assert "d/new" in await out(world, "box", "/d")
    assert len(world.mounted()) == 1
    assert sum([len(chunk) async for chunk in slow]) > 20_000_000
    await world.views.close()
    assert world.mounted() == []


async def test_a_reader_that_goes_leaves_nothing(world: World) -> None:
    container = await world.add("box")
    (world.snapshotter.upper(container.id) / "big").write_bytes(bytes(50_000_000))
    before = len(os.listdir("/proc/self/fd"))
    _, stream = await world.copier.get("box", "/big")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        while world.mounted() or len(os.listdir("/proc/self/fd")) != before:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_a_sender_that_goes_leaves_nothing(world: World) -> None:
    await world.add("box")
    before = len(os.listdir("/proc/self/fd"))

    async def broken() -> AsyncIterator[bytes]:
        yield packed(big=bytes(1_000_000))[:100_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await world.copier.put("box", "/d", broken())
    await world.views.close()
    assert world.mounted() == []
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_container_may_start_and_go_during_a_copy(world: World) -> None:
    container = await world.add("box")
    (world.snapshotter.upper(container.id) / "big").write_bytes(bytes(20_000_000))
    _, stream = await world.copier.get("box", "/big")
    async with asyncio.timeout(10), world.registry.lock(container.id):
        await world.registry.erase(container)
        world.registry.drop(container.id)
    await world.snapshotter.unmount(world.layout.rootfs(container.id))
    await world.snapshotter.remove(container.id)
    assert sum([len(chunk) async for chunk in stream]) > 20_000_000
    await world.views.close()


# A process on the tree in its first argument, in a mount namespace of its own.
_PROCESS = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.unshare(0x20000)
libc.mount(b"none", b"/", None, 1 << 18 | 16384, None)
os.chdir(sys.argv[1])
libc.mount(b"proc", b"proc", b"proc", 0, None)
libc.mount(b"tmpfs", b"tmp", b"tmpfs", 0, None)
open("tmp/live", "w").close()
libc.pivot_root(b".", b".")
libc.umount2(b".", 2)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def running(world: World) -> AsyncIterator[Container]:
    """A container whose process is a shell in a mount namespace on the snapshot."""
    container = await world.add("box")
    rootfs = world.layout.rootfs(container.id)
    await world.snapshotter.mount(container.id, rootfs)
    command = [sys.executable, "-c", _PROCESS, str(rootfs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        started = pidfd.start_time(process.pid)
        assert started is not None
        yield await world.registry.save(container.with_state(status=RUNNING, pid=process.pid, pid_start=started))
        process.kill()
    await world.snapshotter.unmount(rootfs)


async def test_a_running_container_shows_what_its_process_sees(world: World, running: Container) -> None:
    assert list(await out(world, "box", "/tmp")) == ["tmp", "tmp/live"]
    await into(world, "box", "/tmp")
    assert Path(f"/proc/{running.state.pid}/root/tmp/new").read_bytes() == b"content"
    assert not (world.snapshotter.upper(running.id) / "tmp" / "new").exists()
    await into(world, "box", "/d")
    assert Path(f"/proc/{running.state.pid}/root/d/new").read_bytes() == b"content"


async def test_pseudo_file_systems_are_no_files_of_the_container(world: World, running: Container) -> None:
    assert list(await out(world, "box", "/proc")) == ["proc"]
    with pytest.raises(NotFound, match="Could not find the file /proc/version in container box"):
        await world.copier.get("box", "/proc/version")
    assert "/proc/version" not in await out(world, "box", "/")
    with pytest.raises(InvalidParameter, match="symbolic links"):
        await world.copier.get("box", f"/proc/{running.state.pid}/root/etc/passwd")


async def test_a_process_that_has_ended_unnoticed(world: World, running: Container) -> None:
    stale = await world.registry.save(running.with_state(pid_start=running.state.pid_start + 1))
    assert list(await out(world, "box", "/d")) == ["d", "d/f", "d/l", "d/sub"]
    await world.views.close()
    assert world.mounted() == [str(world.layout.rootfs(stale.id))], "whose end has yet to be seen"
    await world.registry.save(stale.with_state(status=EXITED))
