"""Contexts kept for the next build: what is shared, what goes, and names that would lead out."""

import io
import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from havre.builder.keptcontexts import KeptContexts, Listed
from havre.errors import InvalidParameter, NotFound

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: files of contexts are root's")

_FILE, _DIRECTORY, _LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o750, stat.S_IFLNK | 0o777


async def archive(**files: bytes) -> AsyncIterator[bytes]:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(content)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(content))
    yield data.getvalue()


@pytest.fixture
async def kept(tmp_path: Path) -> KeptContexts:
    found = KeptContexts(tmp_path / "contexts")
    await found.start()
    return found


async def send(kept: KeptContexts, key: str, files: list[Listed], **content: bytes) -> tuple[str, list[int]]:
    identity, wanted = await kept.offer(key, files)
    if wanted:
        await kept.fill(identity, archive(**content))
    return identity, wanted


async def test_what_is_the_same_is_shared(kept: KeptContexts) -> None:
    files = [
        Listed("a", _FILE, 1, 5_000_000_007),
        Listed("d", _DIRECTORY, 0, 6_000_000_008),
        Listed("d/b", _FILE, 1, 7),
        Listed("l", _LINK, 0, 0, "../../etc"),
    ]
    first, wanted = await send(kept, "k", files, a=b"1", d__b=b"2")
    assert wanted == [0, 2]
    assert await kept.offer("k", files) == (first, [])
    with kept.use(first) as directory:
        inode = (directory.path / "a").stat().st_ino
        assert (directory.path / "d").stat().st_mtime_ns == 6_000_000_000
        assert stat.S_IMODE((directory.path / "d").stat().st_mode) == 0o750
        assert os.readlink(directory.path / "l") == "../../etc"
        changed = [files[0], files[1], Listed("d/b", _FILE, 1, 8)]
        second, wanted = await send(kept, "k", changed, d__b=b"3")
        assert (wanted, second != first) == ([2], True)
        # The first is in use: it is as it was.
        assert (directory.path / "d/b").read_bytes() == b"2"
    with kept.use(second) as directory:
        assert (directory.path / "a").stat().st_ino == inode
        assert (directory.path / "d/b").read_bytes() == b"3"
        assert not (directory.path / "l").is_symlink()


async def test_another_key_and_none_share_nothing(kept: KeptContexts) -> None:
    files = [Listed("a", _FILE, 1, 1)]
    await send(kept, "k", files, a=b"1")
    _, wanted = await kept.offer("other", files)
    assert wanted == [0]
    identity, wanted = await kept.offer("", [])
    await kept.fill(identity, archive(any=b"x"))
    with kept.use(identity) as directory:
        assert (directory.path / "any").exists()
    with pytest.raises(NotFound), kept.use(identity):
        pass


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/..", "absent/a", "f/below", ".", "a\0b", "\u20ac"])
async def test_names_that_lead_out(kept: KeptContexts, path: str, tmp_path: Path) -> None:
    files = [Listed("f", _LINK, 0, 0, str(tmp_path)), Listed(path, _FILE | 0o100000, 0, 0)]
    with pytest.raises(InvalidParameter):
        identity, _ = await kept.offer("k", files)
        await kept.fill(identity, archive())
    assert kept.all() == []


async def test_what_was_not_sent_to_its_end_is_gone(kept: KeptContexts, tmp_path: Path) -> None:
    identity, _ = await kept.offer("k", [Listed("a", _FILE, 1, 1)])
    with pytest.raises(InvalidParameter, match="has not been sent"), kept.use(identity):
        pass
    with pytest.raises(InvalidParameter, match="came without a"):
        await kept.fill(identity, archive(b=b"x"))
    assert list((tmp_path / "contexts").iterdir()) == []


async def test_the_budget_and_the_next_daemon(tmp_path: Path) -> None:
    kept = KeptContexts(tmp_path, budget=150)
    await kept.start()
    for number in range(3):
        await send(kept, f"k{number}", [Listed("a", _FILE, 100, 1)], a=bytes(100))
    (tmp_path / "half").mkdir()
    again = KeptContexts(tmp_path, budget=150)
    await again.start()
    assert not (tmp_path / "half").exists()
    await again.offer("new", [Listed("a", _FILE, 1, 1)])
    assert sum(one.size for one in again.all()) <= 150
    assert again.all()


async def test_one_without_a_key_is_gone_after_a_build_that_failed(kept: KeptContexts, tmp_path: Path) -> None:
    identity, _ = await kept.offer("", [])
    await kept.fill(identity, archive(any=b"x"))
    with pytest.raises(ZeroDivisionError), kept.use(identity):
        raise ZeroDivisionError
    assert list((tmp_path / "contexts").iterdir()) == []
