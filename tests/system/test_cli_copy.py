"""``cp`` both ways through both clients."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.system.harness import Engine
from tests.system.programs import Program


@pytest.fixture
def box(cli: Program) -> str:
    cli("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    return "box"


def test_file_in_and_out(cli: Program, box: str, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    (tmp_path / "in").write_bytes(data)
    (tmp_path / "in").chmod(0o750)
    cli("cp", str(tmp_path / "in"), "box:/tmp/copied")
    assert cli("exec", "box", "stat", "-c", "%a %s", "/tmp/copied").out == "750 300000\n"
    cli("cp", "box:/tmp/copied", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == data


def test_directory_in_and_out(cli: Program, box: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_text("deep")
    (tree / "link").symlink_to("sub/file")
    cli("cp", str(tree), "box:/tmp")
    assert cli("exec", "box", "cat", "/tmp/tree/link").out == "deep"
    cli("cp", f"{tree}/.", "box:/tmp/new", code=0)
    assert cli("exec", "box", "ls", "/tmp/new").out == "link\nsub\n"
    cli("cp", "box:/tmp/tree", str(tmp_path / "back"))
    assert (tmp_path / "back" / "sub" / "file").read_text() == "deep"
    assert os.readlink(tmp_path / "back" / "link") == "sub/file"


def test_stopped_container(cli: Program, tmp_path: Path) -> None:
    cli("run", "--name", "done", "busybox", "sh", "-c", "echo result > /result")
    cli("cp", "done:/result", str(tmp_path / "result"))
    assert (tmp_path / "result").read_text() == "result\n"
    (tmp_path / "more").write_text("more\n")
    cli("cp", str(tmp_path / "more"), "done:/more")
    assert cli("cp", "done:/more", "-").out.find("more\n") > 0


def test_tar_through_the_pipe(cli: Program, box: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo("piped")
        entry.size, entry.uid = 5, 1000
        tar.addfile(entry, io.BytesIO(b"piped"))
    cli("cp", "-a", "-", "box:/tmp", stdin=stream.getvalue())
    assert cli("exec", "box", "stat", "-c", "%u %s", "/tmp/piped").out == "1000 5\n"


def test_into_a_volume(cli: Program, tmp_path: Path) -> None:
    cli("run", "-d", "--name", "holder", "-v", "vol:/data", "busybox", "sleep", "1000")
    (tmp_path / "file").write_text("for the volume")
    cli("cp", str(tmp_path / "file"), "holder:/data/file")
    assert cli("run", "--rm", "-v", "vol:/d", "busybox", "cat", "/d/file").out == "for the volume"


def test_links_lead_inside_the_container(cli: Program, box: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "file").write_text("x")
    cli("exec", "box", "sh", "-c", f"ln -s {outside} /tmp/escape; mkdir -p {outside}; ln -s /etc/passwd /tmp/names")
    cli("cp", str(tmp_path / "file"), "box:/tmp/escape/file")
    assert list(outside.iterdir()) == []
    assert cli("exec", "box", "cat", f"{outside}/file").out == "x"
    cli("cp", "-L", "box:/tmp/names", str(tmp_path / "names"))
    assert "app:x:1000" in (tmp_path / "names").read_text()


def test_errors(cli: Program, box: str, engine: Engine, tmp_path: Path) -> None:
    done = cli("cp", "box:/nowhere", str(tmp_path), code=1)
    assert "Could not find the file /nowhere in container box" in done.err
    done = cli("cp", "nobody:/etc", str(tmp_path), code=1)
    assert "No such container: nobody" in done.err
    assert cli("cp", str(tmp_path / "missing"), "box:/tmp", code=1).err != ""
    done = cli("cp", "a", "b", code=1)
    assert "must specify at least one container source" in done.err
