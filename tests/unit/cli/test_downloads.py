"""Archives from the daemon: into a file that is whole or not there, or to standard output."""

from collections.abc import Iterator
from pathlib import Path

from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Havre


def test_to_standard_output(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/images/get", chunks=[b"a" * 100_000, b"b"])
    assert havre("save", "x").out == "a" * 100_000 + "b"


def test_into_a_file(havre: Havre, daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.on("GET", "/containers/c/export", chunks=[b"one", b"two"])
    target = tmp_path / "out.tar"
    target.write_bytes(b"old")
    assert havre("export", "-o", str(target), "c").code == 0
    assert target.read_bytes() == b"onetwo"
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_relative_path(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/images/get", body=b"data")
    assert havre("save", "-o", "out.tar", "x").code == 0
    assert [path.name for path in havre.cwd.iterdir()] == ["out.tar"]


def test_a_broken_answer_leaves_the_old_file(havre: Havre, daemon: FakeDaemon, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    daemon.on("GET", "/images/get", chunks=broken)
    folder = tmp_path / "target"
    folder.mkdir()
    (folder / "out.tar").write_bytes(b"old")
    assert havre("save", "-o", str(folder / "out.tar"), "x").code == 1
    assert [path.name for path in folder.iterdir()] == ["out.tar"]
    assert (folder / "out.tar").read_bytes() == b"old"


def test_a_refusal_makes_no_file(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/images/get", status=404, json={"message": "No such image: x"})
    done = havre("save", "-o", "out.tar", "x")
    assert (done.code, done.err) == (1, "Error response from daemon: No such image: x\n")
    assert list(havre.cwd.iterdir()) == []


def test_not_onto_a_terminal(havre: Havre) -> None:
    for argv in (["save", "x"], ["export", "c"]):
        with havre.on_terminal(*argv) as terminal:
            terminal.expect("cowardly refusing to save to a terminal. Use the -o flag or redirect")
            assert terminal.wait() == 1
