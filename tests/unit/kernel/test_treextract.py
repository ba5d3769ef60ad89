"""Archives into trees: what they make, what they may not, and that nothing in them or around them leads out."""

import bz2
import ctypes
import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from havre.errors import InvalidParameter
from havre.kernel.treextract import Rules, extract

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes devices and owners")

_KEEP, _REPLACE = Rules(None, True, "/d"), Rules(None, False, "/d")


def _tar(*members: tuple[str, dict[str, Any]]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, fields in members:
            info = tarfile.TarInfo(name)
            content = fields.get("data", b"")
            info.size = len(content)
            for key, value in fields.items():
                if key != "data":
                    setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def _dir(**fields: Any) -> dict[str, Any]:
    return {"type": tarfile.DIRTYPE, "mode": 0o755, **fields}


def _link(target: str, hard: bool = False) -> dict[str, Any]:
    return {"type": tarfile.LNKTYPE if hard else tarfile.SYMTYPE, "linkname": target}


def _put(target: Path, archive: bytes, rules: Rules = _KEEP, piece: int = 700) -> None:
    # What dresses the target itself needs more than a place.
    fd = os.open(target, os.O_DIRECTORY | (os.O_RDONLY if rules.volume else os.O_PATH))
    try:
        chunks = (archive[at : at + piece] for at in range(0, len(archive), piece))
        with ThreadPoolExecutor(1) as own:
            own.submit(extract, chunks, fd, rules).result()
    finally:
        os.close(fd)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.mkdir()
    return path


def test_every_kind(target: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000").decode()
    attributes = {"SCHILY.xattr.security.capability": capability, "SCHILY.xattr.user.note": "n"}
    file = {"data": b"hello", "mode": 0o4751, "uid": 7, "gid": 8, "mtime": 2000.5}
    _put(target, _tar(
        ("dir", _dir(mode=0o2750, uid=5, gid=6, mtime=1000)),
        ("dir/file", {**file, "pax_headers": attributes}),
        ("dir/hard", _link("dir/file", hard=True)),
        ("link", {**_link("/nowhere"), "uid": 9, "mtime": 3000}),
        ("fifo", {"type": tarfile.FIFOTYPE, "mode": 0o606}),
        ("char", {"type": tarfile.CHRTYPE, "mode": 0o666, "devmajor": 1, "devminor": 3, "uid": 4}),
        ("block", {"type": tarfile.BLKTYPE, "mode": 0o660, "devmajor": 42, "devminor": 9}),
    ))  # fmt: skip
    made = (target / "dir").stat()
    assert (stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid, made.st_mtime) == (0o2750, 5, 6, 1000)
    made = (target / "dir" / "file").stat()
    assert (stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid, made.st_mtime) == (0o4751, 7, 8, 2000.5)
    assert made.st_nlink == 2 and made.st_ino == (target / "dir" / "hard").stat().st_ino
    assert os.getxattr(target / "dir" / "file", "security.capability") == capability.encode()
    assert os.getxattr(target / "dir" / "file", "user.note") == b"n"
    made = (target / "link").lstat()
    assert (os.readlink(target / "link"), made.st_uid, made.st_mtime) == ("/nowhere", 9, 3000)
    assert stat.filemode((target / "fifo").stat().st_mode) == "prw----rw-"
    made = (target / "char").stat()
    assert (stat.filemode(made.st_mode), made.st_rdev, made.st_uid) == ("crw-rw-rw-", os.makedev(1, 3), 4)
    assert stat.S_ISBLK((target / "block").stat().st_mode)


def test_what_is_there_is_replaced_or_merged(target: Path) -> None:
    (target / "dir").mkdir()
    (target / "dir" / "kept").touch()
    (target / "file").write_bytes(b"old")
    os.link(target / "file", target / "other")
    (target / "link").symlink_to("file")
    _put(target, _tar(("dir", _dir(mode=0o700, uid=3)), ("file", {"data": b"new"}), ("link", {"data": b"own"})))
    assert (target / "dir" / "kept").exists()
    assert (stat.S_IMODE((target / "dir").stat().st_mode), (target / "dir").stat().st_uid) == (0o700, 3)
    assert ((target / "file").read_bytes(), (target / "other").read_bytes()) == (b"new", b"old")
    assert not (target / "link").is_symlink() and (target / "link").read_bytes() == b"own"


def test_directories_left_out_are_made_and_the_target_itself_stays(target: Path) -> None:
    before = target.stat()
    _put(target, _tar(("./", _dir(mode=0o700, uid=9)), ("a/b/c", {"data": b"x", "uid": 5})))
    assert (target.stat().st_mode, target.stat().st_uid) == (before.st_mode, before.st_uid)
    made = (target / "a" / "b").stat()
    assert (stat.S_IMODE(made.st_mode), made.st_uid) == (0o755, 0)


def test_an_owner_given_owns_all(target: Path) -> None:
    archive = _tar(("d", _dir(uid=5)), ("d/f", {"data": b"x", "gid": 7}), ("l", _link("d")))
    _put(target, archive, Rules((11, 12), True, "/d"))
    for name in ("d", "d/f", "l"):
        made = (target / name).lstat()
        assert (made.st_uid, made.st_gid) == (11, 12)


def test_kinds_are_kept_when_asked(target: Path) -> None:
    (target / "dir").mkdir()
    (target / "dir" / "deep").touch()
    (target / "file").touch()
    (target / "link").symlink_to("dir")
    with pytest.raises(InvalidParameter, match=r'^cannot overwrite directory "dir" with non-directory "/d"$'):
        _put(target, _tar(("dir", {"data": b"x"})))
    with pytest.raises(InvalidParameter, match=r'^cannot overwrite directory "dir" with non-directory "/d"$'):
        _put(target, _tar(("dir", _link("x"))))
    for name in ("file", "link"):
        with pytest.raises(InvalidParameter, match=f'^cannot overwrite non-directory "{name}" with directory "/d"$'):
            _put(target, _tar((name, _dir())))
    assert (target / "dir" / "deep").exists()
    _put(target, _tar(("dir", {"data": b"x"}), ("file", _dir()), ("link", _dir()), ("file/in", {})), _REPLACE)
    assert (target / "dir").read_bytes() == b"x"
    assert (target / "file" / "in").is_file()
    assert (target / "link").is_dir() and not (target / "link").is_symlink()


def test_names_count_from_the_target(target: Path) -> None:
    _put(target, _tar(("/abs", {"data": b"x"}), ("a/../b", {"data": b"y"}), ("//etc/./passwd", {"data": b"z"})))
    assert (target / "abs").exists() and (target / "b").exists() and (target / "etc" / "passwd").exists()
    for name in ("../out", "a/../../out", "/../out", ".."):
        with pytest.raises(InvalidParameter, match=f'^invalid entry name "{name}"$'):
            _put(target, _tar((name, {"data": b"x"})))
    assert not (target.parent / "out").exists()


def test_links_on_the_way_are_followed_inside_the_target(target: Path) -> None:
    outside = target.parent / "outside"
    outside.mkdir()
    (target / "real").mkdir()
    (target / "inner").symlink_to("real")
    (target / "up").symlink_to("../../../real")
    (target / str(outside).lstrip("/")).mkdir(parents=True)
    archive = _tar(
        ("inner/one", {"data": b"1"}),
        ("up/two", {"data": b"2"}),
        ("out", _link(str(outside))),
        ("out/three", {"data": b"3"}),
        ("out/d", _dir()),
    )
    _put(target, archive)
    assert sorted(os.listdir(target / "real")) == ["one", "two"]
    assert os.listdir(outside) == []
    assert sorted(os.listdir(target / str(outside).lstrip("/"))) == ["d", "three"]


def test_a_link_to_nothing_is_no_way(target: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _put(target, _tar(("gone", _link("/not/there")), ("gone/x", {"data": b"x"})))
    assert not (target / "not").exists()


def test_hard_links_stay_inside(target: Path) -> None:
    secret = target.parent / "secret"
    secret.write_bytes(b"s")
    (target / "out").symlink_to(target.parent)
    with pytest.raises(InvalidParameter, match=r'^invalid hardlink target "\.\./secret"$'):
        _put(target, _tar(("h", _link("../secret", hard=True))))
    for name in ("out/secret", "missing", "no/way"):
        with pytest.raises(InvalidParameter, match=f'^invalid hardlink target "{name}": no such file$'):
            _put(target, _tar(("h", _link(name, hard=True))))
    # A link to a link is a second name of the link, not of what that means.
    (target / "sym").symlink_to(secret)
    _put(target, _tar(("h", _link("/sym", hard=True))))
    assert (target / "h").is_symlink() and secret.stat().st_nlink == 1


def test_attributes_of_the_overlay_are_not_taken(target: Path) -> None:
    headers = {"SCHILY.xattr.trusted.overlay.opaque": "y"}
    _put(target, _tar(("d", _dir(pax_headers=headers)), ("f", {"data": b"x", "pax_headers": headers})))
    assert os.listxattr(target / "d") == os.listxattr(target / "f") == []


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda data: data], ids=["gzip", "bzip2", "plain"])
@pytest.mark.parametrize("piece", [1, 511, 65536])
def test_compressed_or_not_in_pieces_of_any_size(target: Path, pack: Callable[[bytes], bytes], piece: int) -> None:
    content = os.urandom(3000)
    _put(target, pack(_tar(("f", {"data": content}))), piece=piece)
    assert (target / "f").read_bytes() == content


def test_deep_names(target: Path) -> None:
    try:
        _put(target, _tar(("d/" * 1500 + "f", {"data": b"x"})))
        found = subprocess.run(["find", target, "-name", "f", "-printf", "%d"], check=True, capture_output=True)
        assert found.stdout == b"1501"
        with pytest.raises(OSError, match="too long"):
            _put(target, _tar(("d/" * 3000 + "f", {"data": b"x"})))
    finally:
        subprocess.run(["rm", "-rf", target], check=True)  # too deep for Python's own


def test_sparse_files(target: Path) -> None:
    holes = target.parent / "holes"
    with holes.open("wb") as file:
        file.truncate(50_000_000)
        file.seek(20_000_000)
        file.write(b"island")
    packed = subprocess.run(["tar", "-C", target.parent, "-cS", "holes"], check=True, capture_output=True).stdout
    assert len(packed) < 100_000
    _put(target, packed)
    assert (target / "holes").read_bytes() == holes.read_bytes()
    assert (target / "holes").stat().st_blocks < 1000


def test_an_archive_may_end_with_the_content_of_its_last_file(target: Path) -> None:
    # What docker's CLI sends for a Dockerfile from outside of the context.
    archive = _tar(("a", {"data": b"one"}), ("b", {"data": b"two"}))
    _put(target, archive[: 3 * 512 + 3])
    assert (target / "b").read_bytes() == b"two"
    with pytest.raises(InvalidParameter, match="unexpected EOF"):
        _put(target, archive[: 3 * 512 + 2])


def test_damaged_archives(target: Path) -> None:
    _put(target, b"")
    whole = _tar(("f", {"data": b"x" * 5000}))
    with pytest.raises(InvalidParameter, match="unexpected EOF"):
        _put(target, whole[:2000])
    with pytest.raises(InvalidParameter, match="header"):
        _put(target, b"no archive at all" * 100)
    with pytest.raises(InvalidParameter, match="ends too early"):
        _put(target, gzip.compress(whole)[:40])


def test_an_owner_that_no_system_knows(target: Path) -> None:
    with pytest.raises(InvalidParameter, match="owner"):
        _put(target, _tar(("f", {"uid": (1 << 32) - 1})))


def test_refusals_of_the_file_system_name_the_entry(target: Path) -> None:
    (target / "other").touch()
    with pytest.raises(NotADirectoryError) as caught:
        _put(target, _tar(("other/below", {"data": b"x"})))
    assert caught.value.filename == "other/below"


_ELSEWHERE = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.unshare(0x20000)
libc.mount(b"none", b"/", None, 1 << 18 | 16384, None)
os.chdir(sys.argv[1])
libc.mount(b"tmpfs", b"dir/volume", b"tmpfs", 0, None)
open("dir/volume/precious", "w").close()
libc.mount(b"kept", b"file", None, 4096, None)
print("ready", flush=True)
sys.stdin.read()
print(os.path.ismount("dir/volume"), os.listdir("dir/volume"), open("file").read())
"""


def test_mount_points_of_other_namespaces_stay(target: Path) -> None:
    """From outside, the kernel would let a container's mount point be removed, and unmount what is on it."""
    (target / "dir" / "volume").mkdir(parents=True)
    (target / "file").touch()
    (target / "kept").write_text("bound")
    command = [sys.executable, "-c", _ELSEWHERE, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdout is not None and container.stdout.readline() == b"ready\n"
        inside = Path(f"/proc/{container.pid}/root/{target}")
        for archive in (
            _tar(("file", {"data": b"x"})),
            _tar(("file", _dir())),
            _tar(("dir", {"data": b"x"})),
            _tar(("dir/volume", _link("x"))),
        ):
            with pytest.raises(OSError, match="busy"):
                _put(inside, archive, _REPLACE)
        said = container.communicate(b"")[0]
    assert said == b"True ['precious'] bound\n"


def test_descriptors_are_closed(target: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    _put(target, _tar(("a/b/c", {"data": b"x"}), ("a/d/e", {"data": b"y"})))
    with pytest.raises(InvalidParameter):
        _put(target, _tar(("a/b", {"data": b"x"}), ("../x", {})))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def swapping(target: Path) -> Iterator[tuple[Path, Path]]:
    """A target in which another thread keeps exchanging a directory for links that lead out of it."""
    outside = target.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    (target / "dir" / "sub").mkdir(parents=True)
    (target / "absolute").symlink_to(outside)
    (target / "relative").symlink_to("../outside")
    ending = threading.Event()

    def swap() -> None:
        while not ending.is_set():
            for link in ("absolute", "relative"):
                _exchange(target / "dir", target / link)
                _exchange(target / "dir", target / link)

    thread = threading.Thread(target=swap)
    thread.start()
    yield target, outside
    ending.set()
    thread.join()


def _exchange(one: Path, other: Path) -> None:
    at_fdcwd, rename_exchange = -100, 2
    assert ctypes.CDLL(None).renameat2(at_fdcwd, os.fsencode(one), at_fdcwd, os.fsencode(other), rename_exchange) == 0


def test_a_race_does_not_lead_out(swapping: tuple[Path, Path]) -> None:
    target, outside = swapping
    archive = _tar(
        ("dir/sub/x", {"data": b"x"}),
        ("dir/y", {"data": b"y"}),
        ("dir/l", _link("y")),
        ("dir/h", _link("dir/y", hard=True)),
        ("dir/new", _dir()),
        ("dir/sub", _dir(mtime=5)),
    )
    before = [(path, path.lstat().st_mtime_ns, path.lstat().st_mode) for path in sorted(outside.rglob("*"))]
    outcomes: set[str] = set()
    for _ in range(300):
        try:
            _put(target, archive)
            outcomes.add("done")
        except (InvalidParameter, OSError) as error:
            outcomes.add(type(error).__name__)
    after = [(path, path.lstat().st_mtime_ns, path.lstat().st_mode) for path in sorted(outside.rglob("*"))]
    assert after == before
    assert len(outcomes) > 1, f"the race was not run: {outcomes}"


@pytest.mark.parametrize("uid", [1 << 40, 0xFFFFFFFF])
@pytest.mark.parametrize("name", [".", "d"])
def test_owners_no_system_knows_are_refused_of_a_volume_too(target: Path, uid: int, name: str) -> None:
    with pytest.raises(InvalidParameter, match="has an owner no system knows"):
        _put(target, _tar((name, _dir(uid=uid))), Rules(None, False, "/d", volume=True))


def test_the_entry_of_a_volume_itself_dresses_it(target: Path) -> None:
    _put(target, _tar((".", _dir(mode=0o751, uid=5, gid=6))), Rules(None, False, "/d", volume=True))
    found = target.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o751, 5, 6)
