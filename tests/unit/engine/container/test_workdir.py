"""Where processes may start."""

from pathlib import Path

import pytest

from havre.engine.container import workdir
from havre.errors import InvalidParameter


@pytest.mark.parametrize(
    ("given", "wanted"), [("", ""), ("app", "/app"), ("/a/../b", "/b"), ("//a//", "/a"), ("../x", "/x"), ("/", "/")]
)
def test_absolute(given: str, wanted: str) -> None:
    assert workdir.absolute(given) == wanted


@pytest.mark.parametrize(
    "path",
    ["/proc/self/fd/7", "/proc/1/fd", "/proc/./self/../self/fd/8", "/x/../proc/thread-self/cwd", "/proc/1/root/x"],
)
def test_magic_links(path: str) -> None:
    with pytest.raises(InvalidParameter, match="is invalid"):
        workdir.check(path)


@pytest.mark.parametrize("path", ["/", "", "/proc", "/fd/7", "/proc/fd", "/home/proc/self/fd"])
def test_ordinary_places(path: str) -> None:
    assert workdir.check(path) == path


def test_links_of_the_image(tmp_path: Path) -> None:
    (tmp_path / "abs").symlink_to("/proc/self/fd")
    (tmp_path / "rel").symlink_to("deep/../abs")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "up").symlink_to("../../../proc/self")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "fine").symlink_to("/deep")
    for path in ("/abs/7", "/rel/7", "/deep/up/fd/7"):
        with pytest.raises(InvalidParameter):
            workdir.check(path, tmp_path)
    for path in ("/fine", "/loop/x", "/missing/abs"):
        assert workdir.check(path, tmp_path) == path


def test_what_is_missing_is_made_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "there").mkdir(mode=0o700)
    (root / "link").symlink_to("/later/on")
    (root / "out").symlink_to("../../../away")
    (root / "file").touch()
    (root / "loop").symlink_to("loop")
    for path in ("/there", "/there/a/b", "/link/c", "/out", "/"):
        workdir.make(root, path)
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir() and not path.is_symlink()} == {
        *("there", "there/a", "there/a/b", "later", "later/on", "later/on/c", "away")
    }
    assert [oct(path.stat().st_mode & 0o777) for path in (root / "there", root / "there/a")] == ["0o700", "0o755"]
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    for path in ("/file", "/file/x", "/loop"):
        with pytest.raises(InvalidParameter, match=f"Cannot mkdir: {path} is not a directory"):
            workdir.make(root, path)
    with pytest.raises(InvalidParameter, match="file name too long"):
        workdir.make(root, "/there/" + 300 * "x")
