"""Lock files: what is recorded, what is demanded, and what is said when it is not so."""

from pathlib import Path

import msgspec
import pytest

from havre.builder.lock import Lock, LockMismatch, locked, read
from havre.builder.plan.vertices import Fetch, Git
from havre.builder.trees import Directory
from havre.errors import InvalidParameter
from havre.image.manifest import Platform

AMD = Platform(os="linux", architecture="amd64")


class Elsewhere:
    """A ``Remote`` whose files have this version."""

    def __init__(self, version: str) -> None:
        self.version = version

    async def fetch(self, operation: Fetch, place: Path) -> tuple[Directory, bool]:
        return Directory(place, version=self.version), False

    async def clone(self, operation: Git, place: Path) -> tuple[Directory, bool]:
        return Directory(place, version=self.version), False


async def recorded(tmp_path: Path) -> bytes:
    lock = Lock()
    lock.image("busybox", AMD, "sha256:aa")
    remote = locked(Elsewhere("v1"), lock)
    await remote.fetch(Fetch("https://x/f", "f", ""), tmp_path)
    await remote.clone(Git("https://x/r", "", "", False), tmp_path)
    return msgspec.json.encode(lock.document)


async def test_what_is_recorded(tmp_path: Path) -> None:
    assert msgspec.json.decode(await recorded(tmp_path)) == {
        "version": 1,
        "images": {"docker.io/library/busybox:latest": {"linux/amd64": "sha256:aa"}},
        "urls": {"https://x/f": "v1"},
        "git": {"https://x/r#HEAD": "v1"},
    }


async def test_what_is_demanded(tmp_path: Path) -> None:
    demanded = read(await recorded(tmp_path))
    lock = Lock(demanded)
    lock.image("docker.io/library/busybox:latest", AMD, "sha256:aa")
    same, other = locked(Elsewhere("v1"), lock), locked(Elsewhere("v2"), lock)
    fetch, clone = Fetch("https://x/f", "f", ""), Git("https://x/r", "", "", False)
    await same.fetch(fetch, tmp_path)
    await same.clone(clone, tmp_path)
    assert lock.document == demanded
    with pytest.raises(LockMismatch, match=r"busybox:latest for linux/amd64 is sha256:bb, but .* demands sha256:aa"):
        lock.image("busybox", AMD, "sha256:bb")
    with pytest.raises(LockMismatch, match=r"no entry for the image docker.io/library/busybox:1 for linux/amd64"):
        lock.image("busybox:1", AMD, "sha256:aa")
    with pytest.raises(LockMismatch, match="https://x/f is v2, but the lock file demands v1"):
        await other.fetch(fetch, tmp_path)
    with pytest.raises(LockMismatch, match="https://x/r#HEAD is v2"):
        await other.clone(clone, tmp_path)
    with pytest.raises(LockMismatch, match="no entry for https://x/r#dev"):
        await same.clone(Git("https://x/r", "dev", "", False), tmp_path)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"nothing", "cannot be read"), (b'{"images": 1}', "cannot be read"), (b'{"version": 2}', "has version 2")],
)
def test_what_is_no_lock_file(data: bytes, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        read(data)
