"""A pull onto a disk that is full: a plain error, nothing half done, and the next one goes on where there is room."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.system import images
from tests.system.conftest import havre_for
from tests.system.harness import Havred
from tests.system.registry import Registry

LAYER = 10_000_000


def mount(directory: Path, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "havre-test", directory], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Havred]:
    """A daemon with 24 MB for all it keeps."""
    daemon = Havred(tmp_path / "own")
    daemon.data_root.mkdir(parents=True, exist_ok=True)
    mount(daemon.data_root, "size=24m")
    try:
        daemon.start()
        yield daemon
        daemon.close()
    finally:
        subprocess.run(["umount", "-l", daemon.data_root], check=True)


@pytest.mark.parametrize("layers", [1, 2], ids=["while unpacking", "while downloading"])
def test_a_full_disk(small: Havred, registry: Registry, tmp_path: Path, layers: int) -> None:
    image, name = images.busybox(), f"full{layers}"
    for number in range(layers):
        noise = Random(number).randbytes(LAYER)
        image = image.derive(f"{name}-{number}", files=[images.Entry(f"noise{number}", noise)])
    reference = registry.push(image, name).reference
    havre = havre_for(small, tmp_path)
    assert "no space left on device" in havre("pull", reference, code=1).err.lower()
    assert small.api("GET", "/images/json?all=1").json() == []
    mount(small.data_root, "remount", "size=100m")
    havre("pull", reference)
    for number in range(layers):
        checked = havre("run", "--rm", reference, "wc", "-c", f"/noise{number}").out
        assert checked.split()[0] == str(LAYER)
    assert "0 problems" in havre("system", "fsck").out
