"""The path rules of ``cp``: Docker's table of what lands where."""

import os
from pathlib import Path

import pytest

from havre.cli import copypaths as paths
from havre.cli.copypaths import Place
from havre.cli.errors import CommandError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("c:/a", ("c", "/a")),
        ("c:a:b", ("c", "a:b")),
        ("c:", ("c", "")),
        ("/a:b", ("", "/a:b")),
        ("./a:b", ("", "./a:b")),
        ("../a:b", ("", "../a:b")),
        (".hidden:b", ("", ".hidden:b")),
        ("a", ("", "a")),
        ("-", ("", "-")),
    ],
)
def test_arguments(text: str, parts: tuple[str, str]) -> None:
    assert paths.split_argument(text) == parts


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/a/b", ("/a", "b")),
        ("/a/b/", ("/a", "b")),
        ("/a/b/.", ("/a/b", ".")),
        ("/", ("/", "/")),
        ("/.", ("/", ".")),
        ("a", (".", "a")),
        (".", (".", ".")),
        ("/a/../b", ("/", "b")),
        ("//a", ("/", "a")),
    ],
)
def test_splitting(path: str, parts: tuple[str, str]) -> None:
    assert paths.split_entry(path) == parts


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("a", "/w/a"), ("a/", "/w/a/"), ("a/.", "/w/a/."), (".", "/w/."), ("/", "/"), ("/x/../y", "/y"), ("./", "/w/.")],
)
def test_absolute_paths_keep_what_they_say(path: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: "/w")
    assert paths.absolute(path).rstrip("/") in (wanted.rstrip("/"), wanted)
    assert paths.asserts_directory(paths.absolute(path)) == paths.asserts_directory(path)


@pytest.mark.parametrize(
    ("entry", "old", "new", "wanted"),
    [
        ("a", "a", "b", "b"),
        ("a/x/a", "a", "b", "b/x/a"),
        ("ab/x", "a", "b", "ab/x"),
        ("./x", ".", "new", "new/x"),
        (".", ".", "new", "new"),
        ("etc/x", "/", "root", "root/etc/x"),
        ("/", "/", "root", "root"),
    ],
)
def test_renaming_the_leading_part(entry: str, old: str, new: str, wanted: str) -> None:
    assert paths.rebase(entry, old, new) == wanted


FILE, DIR = Place("/s/file", True, False), Place("/s/dir", True, True)
CONTENT = Place("/s/dir/.", True, True)
OLD_FILE, OLD_DIR = Place("/d/old", True, False), Place("/d/olddir", True, True)


@pytest.mark.parametrize(
    ("source", "destination", "directory", "entry", "lands"),
    [
        (FILE, OLD_DIR, "/d/olddir", "file", "file"),
        (FILE, OLD_FILE, "/d", "file", "old"),
        (FILE, Place("/d/new"), "/d", "file", "new"),
        (DIR, OLD_DIR, "/d/olddir", "dir/x", "dir/x"),
        (DIR, Place("/d/new"), "/d", "dir/x", "new/x"),
        (DIR, Place("/d/new/"), "/d", "dir/x", "new/x"),
        (CONTENT, OLD_DIR, "/d/olddir", "./x", "./x"),
        (CONTENT, Place("/d/new"), "/d", "./x", "new/x"),
        (Place("/s/target", True, False, "link"), Place("/d/new"), "/d", "link", "new"),
    ],
)
def test_what_lands_where(source: Place, destination: Place, directory: str, entry: str, lands: str) -> None:
    plan = paths.plan(source, destination)
    assert (plan.directory, plan.name(entry)) == (directory, lands)


@pytest.mark.parametrize(
    ("source", "destination", "text"),
    [
        (DIR, OLD_FILE, "cannot copy directory"),
        (FILE, Place("/d/new/"), "no such directory"),
        (FILE, Place("/d/new/."), "no such directory"),
    ],
)
def test_what_makes_no_sense(source: Place, destination: Place, text: str) -> None:
    with pytest.raises(CommandError, match=text):
        paths.plan(source, destination)


def test_local_sources(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "file").write_text("x")
    (tmp_path / "link").symlink_to("dir")
    (tmp_path / "linkfile").symlink_to("dir/file")
    kept = paths.local_source(f"{tmp_path}/linkfile", follow=False)
    assert (kept.path, kept.is_dir, kept.rename) == (f"{tmp_path}/linkfile", False, "")
    followed = paths.local_source(f"{tmp_path}/linkfile", follow=True)
    assert (followed.path, followed.rename) == (f"{tmp_path}/dir/file", "linkfile")
    directory = paths.local_source(f"{tmp_path}/link/.", follow=True)
    assert (directory.path, directory.is_dir, directory.rename) == (f"{tmp_path}/dir/.", True, "")
    through = paths.local_source(f"{tmp_path}/link/file", follow=False)
    assert through.path == f"{tmp_path}/dir/file"


@pytest.mark.parametrize("follow", [False, True])
def test_a_source_that_is_not_there(tmp_path: Path, follow: bool) -> None:
    with pytest.raises(CommandError, match=r"lstat .*nope: no such file or directory"):
        paths.local_source(f"{tmp_path}/nope", follow)
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="not a directory"):
        paths.local_source(f"{tmp_path}/file/.", follow)


def test_local_destinations(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    (tmp_path / "dangling").symlink_to("dir/new")
    (tmp_path / "loop").symlink_to("loop")
    assert paths.local_destination(f"{tmp_path}/link").path == f"{tmp_path}/dir"
    assert paths.local_destination(f"{tmp_path}/link").is_dir
    dangling = paths.local_destination(f"{tmp_path}/dangling")
    assert (dangling.path, dangling.exists) == (f"{tmp_path}/dir/new", False)
    with pytest.raises(CommandError, match="too many symlinks"):
        paths.local_destination(f"{tmp_path}/loop")
    with pytest.raises(CommandError, match="no such file or directory"):
        paths.local_destination(f"{tmp_path}/a/b")


def test_outputs_are_checked_before_anything_is_fetched(tmp_path: Path) -> None:
    paths.check_output("-")
    paths.check_output(str(tmp_path / "new"))
    with pytest.raises(CommandError, match=f'invalid output path: directory "{tmp_path}/a" does not exist'):
        paths.check_output(f"{tmp_path}/a/b")
    with pytest.raises(CommandError, match="must be a directory or a regular file: got a device"):
        paths.check_output("/dev/null")
