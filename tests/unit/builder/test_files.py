"""Files on their way into an image: which are meant, what they are known by, how they get there, and nowhere else."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.builder.files.checksums import checksum
from havre.builder.files.modes import parse_mode, parse_owner
from havre.builder.files.placing import Dress, Placer
from havre.builder.files.selecting import selected
from havre.builder.steps import stubs
from havre.errors import InvalidParameter, NotFound
from havre.lib.dockerignore import Ignore

NOTHING, PLAIN = Ignore(), Dress()


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("a/one.txt", "a/sub/two.txt", "b/three.log", "top.txt", "we[ird"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "link").symlink_to("a")
    (root / "loop").symlink_to("loop")
    (root / "out").symlink_to("/etc")
    (root / "a" / "up").symlink_to("..")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


def place(
    tree: Path,
    root: Path,
    path: str,
    target: str,
    *,
    dress: Dress = PLAIN,
    without: Ignore = NOTHING,
    kept: str | None = None,
) -> Placer:
    with opened(tree) as source, opened(root) as destination:
        placer = Placer(destination, dress)
        placer.put(source, path, target, without, kept)
        placer.finish()
        return placer


# -- selecting --


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["a", "top.txt"], ["a", "top.txt"]),
        (["./a//sub/."], ["a/sub"]),
        ([""], [""]),
        (["*.txt"], ["top.txt"]),
        (["*/*.txt"], ["a/one.txt", "link/one.txt"]),
        (["**/*.txt"], ["top.txt", "a/one.txt", "a/sub/two.txt"]),
        (["[ab]"], ["a", "b"]),
        (["?op.txt"], ["top.txt"]),
        ([r"we\[ird"], ["we[ird"]),
        (["none*"], []),
        (["link/one.txt"], ["link/one.txt"]),
    ],
)
def test_selected(tree: Path, patterns: list[str], found: list[str]) -> None:
    with opened(tree) as fd:
        assert selected(fd, patterns) == found


@pytest.mark.parametrize("path", ["none", "top.txt/x", "loop", "out/passwd", "../tree/a"])
def test_what_is_not_there(tree: Path, path: str) -> None:
    with opened(tree) as fd, pytest.raises(NotFound):
        selected(fd, [path])


def test_malformed_globs(tree: Path) -> None:
    with opened(tree) as fd, pytest.raises(InvalidParameter, match="invalid pattern"):
        selected(fd, ["[x*"])


# -- checksums --


def known(tree: Path, *paths: str, without: Ignore = NOTHING, owners: bool = True) -> str:
    with opened(tree) as fd:
        return checksum(fd, list(paths) or [""], without, owners)


def test_what_changes_a_checksum(tree: Path) -> None:
    def changed(change: object) -> bool:
        nonlocal before
        before, old = known(tree), before
        return before != old

    before = known(tree)
    assert not changed(os.utime(tree / "top.txt", (1, 1)))
    assert changed((tree / "top.txt").write_text("other"))
    assert changed((tree / "top.txt").chmod(0o600))
    assert changed(os.chown(tree / "top.txt", 5, 5))
    assert changed((tree / "top.txt").rename(tree / "renamed"))
    assert changed((tree / "new").mkdir())
    assert changed((tree / "empty").touch())
    assert changed(os.setxattr(tree / "renamed", "user.x", b"1"))
    (tree / "link").unlink()
    assert changed((tree / "link").symlink_to("b"))
    assert not changed(tree.chmod(0o700)), "the mode of a whole context is nobody's wish"


def test_owners_count_where_they_mean_something(tree: Path) -> None:
    before = known(tree, owners=False)
    os.chown(tree / "a", 5, 5)
    assert known(tree, owners=False) == before
    assert known(tree, "a") != known(tree, "a", owners=False)


def test_only_what_is_taken_counts(tree: Path) -> None:
    before = known(tree, "a"), known(tree, without=Ignore(["b"]))
    (tree / "b" / "three.log").write_text("changed")
    assert (known(tree, "a"), known(tree, without=Ignore(["b"]))) == before


# -- placing --


def test_places(tree: Path, root: Path) -> None:
    place(tree, root, "top.txt", "/x/y")
    place(tree, root, "top.txt", "/d/")
    place(tree, root, "a", "/d")
    place(tree, root, "a/one.txt", "/d", kept="a/one.txt")
    assert (root / "x/y").read_text() == "top.txt"
    assert sorted(str(path.relative_to(root)) for path in (root / "d").rglob("*")) == [
        *("d/a", "d/a/one.txt", "d/one.txt", "d/sub", "d/sub/two.txt", "d/top.txt", "d/up")
    ]
    assert os.readlink(root / "d/up") == ".."


def test_looks(tree: Path, root: Path) -> None:
    os.chown(tree / "a/one.txt", 3, 4)
    (tree / "a/one.txt").chmod(0o4755)
    os.setxattr(tree / "a/one.txt", "user.kept", b"1")
    os.utime(tree / "a/one.txt", ns=(10**18, 10**18 + 5))
    place(tree, root, "a", "/kept")
    found = (root / "kept/one.txt").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns) == (0o4755, 3, 4, 10**18 + 5)
    assert os.getxattr(root / "kept/one.txt", "user.kept") == b"1"
    place(tree, root, "a", "/new/deep/", dress=Dress((7, 8), parse_mode("u=rw,go="), 10**18, 10**17))
    found = (root / "new/deep/one.txt").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns) == (0o600, 7, 8, 10**17)
    implied = (root / "new").stat()
    assert (implied.st_uid, implied.st_mtime_ns, stat.S_IMODE(implied.st_mode)) == (7, 10**18, 0o755)


def test_directories_that_were_there_keep_their_looks(tree: Path, root: Path) -> None:
    (root / "d/sub").mkdir(parents=True)
    (root / "d/sub").chmod(0o711)
    for path in ("d/sub", "d", "."):
        os.utime(root / path, ns=(10**18, 10**18))
    place(tree, root, "a", "/d")
    assert stat.S_IMODE((root / "d/sub").stat().st_mode) == 0o711
    assert [(root / path).stat().st_mtime_ns for path in ("d/sub", "d", ".")] == [10**18] * 3


def test_what_is_left_out(tree: Path, root: Path) -> None:
    place(tree, root, "", "/all/", without=Ignore(["**/*.txt", "!a/sub/two.txt", "link", "loop", "out"]))
    assert sorted(str(path.relative_to(root / "all")) for path in (root / "all").rglob("*")) == [
        *("a", "a/sub", "a/sub/two.txt", "a/up", "b", "b/three.log", "we[ird")
    ]


def test_files_take_the_place_of_files_and_links(tree: Path, root: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("safe")
    (root / "x").symlink_to(victim)
    place(tree, root, "top.txt", "/x")
    assert victim.read_text() == "safe" and (root / "x").read_text() == "top.txt"
    assert not (root / "x").is_symlink()


@pytest.mark.parametrize("link", ["/outside", "../../outside", "/", "loop"])
def test_links_in_the_root_stay_in_it(tree: Path, root: Path, tmp_path: Path, link: str) -> None:
    (tmp_path / "outside").mkdir()
    (root / "target").symlink_to(link)
    (root / "loop").symlink_to("target")
    try:
        place(tree, root, "a", "/target/deep/")
    except InvalidParameter as error:
        assert link == "loop" and "something else is there" in str(error)
    assert not list((tmp_path / "outside").iterdir())
    assert not Path("/outside").exists()


def test_links_below_the_target_are_not_followed(tree: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "d").mkdir()
    (root / "d/sub").symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidParameter, match="cannot copy to non-directory: /d/sub"):
        place(tree, root, "a", "/d")
    assert not list((tmp_path / "outside").iterdir())


def test_a_file_takes_no_directorys_place(tree: Path, root: Path) -> None:
    (root / "d/top.txt").mkdir(parents=True)
    with pytest.raises(InvalidParameter, match=r"cannot overwrite the directory top\.txt with a file"):
        place(tree, root, "top.txt", "/d/")


def test_kinds_that_are_no_files(tree: Path, root: Path) -> None:
    os.mkfifo(tree / "a/fifo")
    os.mknod(tree / "a/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    place(tree, root, "a", "/k")
    assert stat.S_ISFIFO((root / "k/fifo").stat().st_mode)
    assert (root / "k/null").stat().st_rdev == os.makedev(1, 3)


# -- modes and owners --


@pytest.mark.parametrize(
    ("text", "mode", "result"),
    [
        ("755", 0o100600, 0o755),
        ("4711", 0o100600, 0o4711),
        ("u+x", 0o100644, 0o744),
        ("go-r", 0o100644, 0o600),
        ("a=r", 0o100777, 0o444),
        ("+x", 0o100644, 0o755),
        ("u=rwX,go=rX", 0o100600, 0o644),
        ("u=rwX,go=rX", 0o100700, 0o755),
        ("u=rwX,go=rX", 0o40700, 0o755),
        ("g=u", 0o100740, 0o770),
        ("u+s,g+s,+t", 0o100755, 0o7755),
        ("o-x,g-x", 0o100755, 0o744),
    ],
)
def test_modes(text: str, mode: int, result: int) -> None:
    assert parse_mode(text)(mode) == result


@pytest.mark.parametrize("text", ["", "9", "99999", "u", "u+y", "x+r", "755x", "u+x,", "-1"])
def test_modes_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid chmod parameter"):
        parse_mode(text)


@pytest.mark.parametrize(
    ("text", "owner"),
    [("5", (5, 5)), ("5:6", (5, 6)), ("me", (7, 7)), ("me:us", (7, 8)), (":6", (0, 6)), ("5:", (5, 5))],
)
def test_owners(root: Path, text: str, owner: tuple[int, int]) -> None:
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("junk\nme:x:7:1::/:\n")
    (root / "etc/group").write_text("us:x:8:\n")
    with opened(root) as fd:
        assert parse_owner(text, fd) == owner


@pytest.mark.parametrize("text", ["you", "5:them", "4294967295"])
def test_owners_that_are_none(root: Path, text: str) -> None:
    (root / "etc").symlink_to("/etc")
    with opened(root) as fd, pytest.raises(InvalidParameter):
        parse_owner(text, fd)


@given(st.text("ugoarwxXst+-=,07", max_size=8), st.integers(0, 0o7777))
def test_any_mode_is_read_or_refused(text: str, mode: int) -> None:
    try:
        change = parse_mode(text)
    except InvalidParameter:
        return
    assert 0 <= change(stat.S_IFREG | mode) <= 0o7777


# -- mount points --


def test_mount_points_go_with_their_mounts(root: Path) -> None:
    (root / "etc").mkdir()
    os.utime(root / "etc", ns=(10**18, 10**18))
    os.utime(root, ns=(10**18, 10**18))
    with opened(root) as fd:
        noted = stubs.missing(fd, ["/etc/hosts", "/a/b/c", "/kept", "/etc"])
        (root / "etc/hosts").touch()
        (root / "a/b/c").mkdir(parents=True)
        (root / "kept").mkdir()
        (root / "kept/file").write_text("made by the command")
        stubs.clear(fd, noted)
    assert sorted(path.name for path in root.iterdir()) == ["etc", "kept"]
    assert not list((root / "etc").iterdir())
    assert (root / "etc").stat().st_mtime_ns == 10**18


def test_mount_points_behind_links_are_left_alone(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "etc").symlink_to(tmp_path / "outside")
    with opened(root) as fd:
        noted = stubs.missing(fd, ["/etc/hosts"])
        (tmp_path / "outside/hosts").touch()
        stubs.clear(fd, noted)
    assert (tmp_path / "outside/hosts").exists()
