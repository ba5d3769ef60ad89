"""Copies of clients' directories on disk: only changes are wanted, and what is known of a tree is its content."""

import os
from pathlib import Path

from havre.builder.buildkit.contextcopies import ContextCopies, Copy
from havre.builder.buildkit.messages.session import Stat
from havre.builder.trees import Directory

FILE, DIRECTORY, LINK, DEVICE, FIFO = 0o100644, 0o040755, 0o120777, 0o060600, 0o010600


def sent(place: Path, *files: tuple[str, int, str], mtime: int = 5_500_000_000) -> tuple[Directory, list[str]]:
    """A transfer of (path, mode, content or link): the tree, and whose content was wanted."""
    copy = Copy(place)
    copy.begin()
    wanted = []
    for path, mode, text in files:
        link = text if mode == LINK else ""
        if copy.entry(path, mode, Stat(path, 0, size=len(text), mtime=mtime, linkname=link)):
            wanted.append(path)
            copy.data(path, text.encode())
            copy.end(path)
    copy.complete()
    return copy.commit(), wanted


def shown(directory: Directory) -> dict[str, str]:
    found = {}
    for folder, names, files in os.walk(directory.path):
        for name in names + files:
            path = Path(folder) / name
            key = str(path.relative_to(directory.path))
            if path.is_symlink():
                found[key] = f"-> {os.readlink(path)}"
            else:
                found[key] = "/" if path.is_dir() else path.read_text()
    return found


def test_only_changes_are_wanted(tmp_path: Path) -> None:
    place = tmp_path / "copy"
    all_ = ("d", DIRECTORY, ""), ("d/a", FILE, "one"), ("l", LINK, "/etc/passwd"), ("z", FILE, "zed")
    first, wanted = sent(place, *all_)
    assert wanted == ["d/a", "z"]
    assert shown(first) == {"d": "/", "d/a": "one", "l": "-> /etc/passwd", "z": "zed"}
    assert (first.path / "z").stat().st_mtime_ns == 5_000_000_000
    assert sent(place, *all_) == (first, [])
    second, wanted = sent(place, ("d", FILE, "now a file"), ("l", DIRECTORY, ""), ("l/z", FILE, "new"))
    assert wanted == ["d", "l/z"]
    assert shown(second) == {"d": "now a file", "l": "/", "l/z": "new"}
    assert second.identity != first.identity
    assert Path("/etc/passwd").exists()


def test_a_tree_is_known_by_its_content(tmp_path: Path) -> None:
    one, _ = sent(tmp_path / "one", ("a", FILE, "x"))
    two, _ = sent(tmp_path / "two", ("a", FILE, "x"), mtime=9_000_000_000)
    other, _ = sent(tmp_path / "three", ("a", FILE, "y"))
    executable, _ = sent(tmp_path / "four", ("a", 0o100755, "x"))
    assert one.identity == two.identity
    assert len({one.identity, other.identity, executable.identity}) == 3


def test_a_transfer_that_broke_off_is_done_anew(tmp_path: Path) -> None:
    sent(tmp_path / "copy", ("a", FILE, "x"), ("b", FILE, "y"))
    copy = Copy(tmp_path / "copy")
    copy.begin()
    assert copy.entry("a", FILE, Stat("a", 0, size=3, mtime=7))
    copy.data("a", b"ha")
    copy.close()
    whole, wanted = sent(tmp_path / "copy", ("a", FILE, "x"), ("b", FILE, "y"))
    assert wanted == ["a", "b"]
    assert shown(whole) == {"a": "x", "b": "y"}


def test_hard_links_and_what_is_no_file(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    copy.begin()
    assert copy.entry("a", FILE, Stat("a", 0, size=1, mtime=1))
    copy.data("a", b"x")
    copy.end("a")
    assert not copy.entry("b", FILE, Stat("b", 0, size=1, mtime=1, linkname="a"))
    assert not copy.entry("device", DEVICE, Stat("device", 0))
    assert not copy.entry("fifo", FIFO, Stat("fifo", 0))
    copy.complete()
    tree = copy.commit().path
    assert (tree / "a").samefile(tree / "b")
    assert sorted(path.name for path in tree.iterdir()) == ["a", "b", "fifo"]


async def test_each_build_has_its_own(tmp_path: Path) -> None:
    copies = ContextCopies(tmp_path)
    async with copies.use("key") as one:
        one.begin()
        one.commit()
        async with copies.use("key") as two, copies.use("other") as three:
            places = {copy.commit().path for copy in (one, _begun(two), _begun(three))}
            assert len(places) == 3
        # What is in use is spared.
        for found in copies.all():
            await copies.remove(found.id)
        assert [(found.id, found.in_use) for found in copies.all()] == [(one.commit().path.parent.name, True)]
    async with copies.use("key") as again:
        again.begin()
        assert again.commit().path == one.commit().path


def _begun(copy: Copy) -> Copy:
    copy.begin()
    return copy
