"""Being told that the kernel killed a process for want of memory."""

import asyncio
from pathlib import Path

from havre.engine.container import ooms
from havre.engine.container.ooms import OomWatch
from havre.engine.container.record import Container
from havre.store.layout import Layout
from havre.wire.containers import HostConfig
from tests.unit.engine.container.test_registry import container


class Scene:
    """Two containers with bundles, one of them with a limit of memory, and who was told of."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root / "data", root / "exec")
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.watch = OomWatch(self.layout)
        self.watch.tell = self.told.put
        self.small = container("a", "small").replace(host=HostConfig(memory=8 << 20))
        self.free = container("b", "free")
        for one in (self.small, self.free):
            self.layout.bundle(one.id).mkdir(parents=True)

    def kill(self, one: Container) -> None:
        """What conmon does: the same file twice."""
        for _ in range(2):
            (self.layout.bundle(one.id) / "oom").touch()

    async def next(self) -> str:
        return await asyncio.wait_for(self.told.get(), 10)


async def test_each_kill_is_told_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.watch.watch(scene.small)
    scene.watch.watch(scene.free)
    for _ in range(2):
        (scene.layout.bundle(scene.small.id) / "exit").touch()
        scene.kill(scene.free)
        scene.kill(scene.small)
        assert await scene.next() == scene.small.id
        assert ooms.settle(scene.layout.bundle(scene.small.id))
    await asyncio.sleep(0.1)
    assert scene.told.empty() and not ooms.settle(scene.layout.bundle(scene.small.id))
    await scene.watch.close()


async def test_a_kill_that_the_last_daemon_missed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.kill(scene.small)
    assert ooms.noted(scene.layout.bundle(scene.small.id))
    scene.watch.watch(scene.small)
    assert await scene.next() == scene.small.id
    await scene.watch.close()


async def test_one_that_has_ended_is_watched_no_more(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.watch.watch(scene.small)
    scene.watch.forget(scene.small.id)
    scene.kill(scene.small)
    await asyncio.sleep(0.1)
    assert scene.told.empty()
    gone = container("c", "gone").replace(host=HostConfig(memory=8 << 20))
    scene.watch.watch(gone)
    await scene.watch.close()
