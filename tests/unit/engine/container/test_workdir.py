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
