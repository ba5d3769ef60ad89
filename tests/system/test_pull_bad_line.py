"""Pulls over a line that is cut all the time, and of daemons that are killed: what is fetched again is counted."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.cutting import BadLine, bad_line
from tests.system.harness import Havred, wait_until
from tests.system.registry import Registry

CUTS = 200
LAYER = 20_000_000


@pytest.fixture
def line(registry: Registry) -> Iterator[BadLine]:
    with bad_line(registry.port) as line:
        yield line


def own_daemon(new_havred: NewDaemon) -> Havred:
    daemon = new_havred()
    daemon.start()
    return daemon


def push(registry: Registry, name: str, layers: int) -> tuple[images.BuiltImage, list[bytes]]:
    """An image with files that do not compress, one a layer."""
    contents = [random.Random(number).randbytes(LAYER) for number in range(layers)]
    image = images.busybox()
    for number, content in enumerate(contents):
        image = image.derive(f"{name}{number}", files=[images.Entry(f"big{number}", content)])
    registry.push(image, name)
    return image, contents


def test_two_hundred_cuts(new_havred: NewDaemon, registry: Registry, line: BadLine, tmp_path: Path) -> None:
    daemon = own_daemon(new_havred)
    docker = docker_for(daemon, tmp_path)
    image, contents = push(registry, "cut", 4)
    size = sum(layer.blob("gzip", "oci").path.stat().st_size for layer in image.layers)
    line.cuts_left = CUTS
    name, pulls = f"{line.host}/cut:latest", 0
    while docker("pull", name, code=None).code:
        pulls += 1
        assert pulls < CUTS, "each pull has got on a little"
    assert daemon.api("GET", f"/images/{name}/json").json()["Id"] == image.id
    for number, content in enumerate(contents):
        created = daemon.api("POST", "/containers/create", {"Image": name, "Cmd": ["none"]}).json()["Id"]
        assert content in daemon.api("GET", f"/containers/{created}/archive?path=/big{number}").body
    # A cut costs what was on its way: what the proxy has read (16 KiB) and what lies in the buffers of a reset line.
    print(f"{line.cuts} cuts, {pulls + 1} pulls, {line.carried} bytes carried for {size}")
    assert line.cuts >= CUTS * 0.9
    assert line.carried <= size + line.cuts * 50_000


def test_a_pull_killed_at_nine_tenths(new_havred: NewDaemon, registry: Registry, line: BadLine, tmp_path: Path) -> None:
    """The next one fetches what is missing: an eighth of the bytes at most."""
    daemon = own_daemon(new_havred)
    docker = docker_for(daemon, tmp_path)
    image, _ = push(registry, "killed", 4)
    size = sum(layer.blob("gzip", "oci").path.stat().st_size for layer in image.layers)
    line.stop_at = size * 9 // 10
    name = f"{line.host}/killed:latest"
    client = docker.start("pull", name)
    wait_until(lambda: line.carried >= line.stop_at, "nine tenths of the bytes")
    daemon.kill()
    client.wait(30)
    client.communicate()
    line.stop_at, line.carried = 1 << 60, 0
    daemon.start()
    docker("pull", name)
    assert line.carried <= size * 0.12
    assert daemon.api("GET", f"/images/{name}/json").json()["Id"] == image.id


def test_what_broken_off_pulls_leave_is_counted_and_pruned(
    new_havred: NewDaemon, registry: Registry, line: BadLine, tmp_path: Path
) -> None:
    daemon = own_daemon(new_havred)
    docker = docker_for(daemon, tmp_path)
    push(registry, "left", 1)
    before = daemon.api("GET", "/system/df").json()["LayersSize"]
    line.stop_at = LAYER // 2
    client = docker.start("pull", f"{line.host}/left:latest")
    wait_until(lambda: line.carried >= line.stop_at, "half of the bytes")
    # What is still on its way in the kernel is not kept.
    ingest = daemon.data_root / "ingest"
    wait_until(lambda: sum(one.stat().st_size for one in ingest.iterdir()) > LAYER // 4, "a quarter on disk")
    client.terminate()
    client.communicate(timeout=30)

    def left() -> int:
        size: int = daemon.api("GET", "/system/df").json()["LayersSize"] - before
        return size

    wait_until(lambda: left() > LAYER // 4, "the bytes in system df")
    held = left()
    reclaimed = daemon.api("POST", "/images/prune").json()["SpaceReclaimed"]
    assert reclaimed == held and left() == 0
    line.stop_at = 1 << 60
    docker("pull", f"{line.host}/left:latest")
