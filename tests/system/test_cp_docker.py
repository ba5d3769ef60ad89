"""``docker cp`` with the real CLI: what arrives, whose it is, and what Docker refuses in which words."""

import io
import os
import stat
import tarfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.system.harness import Answer, Engine
from tests.system.programs import Program


def unpacked(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: info for info in tar}


def packed(*members: tuple[str, dict[str, Any]]) -> bytes:
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


@pytest.fixture
def box(docker: Program) -> str:
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    return "box"


def request(engine: Engine, path: str, container: str = "box", body: bytes | None = None) -> Answer:
    """The API's own words: GET of an archive, or PUT of ``body``."""
    return engine.api("GET" if body is None else "PUT", f"/containers/{container}/archive?path={quote(path)}", body)


def archive(engine: Engine, path: str, container: str = "box") -> bytes:
    answer = request(engine, path, container)
    assert answer.status == 200, answer
    return answer.body


def test_every_kind_comes_out(docker: Program, box: str, engine: Engine) -> None:
    docker(
        *("exec", "box", "sh", "-c"),
        "mkdir -p /d/sub; echo hi >/d/f; chown 12:34 /d/f; chmod 4711 /d/f; ln /d/f /d/hard; ln -s f /d/link; "
        "mkfifo /d/fifo; mknod /d/null c 1 3; touch /d/sub/$(printf 'n%.0s' $(seq 200)); touch -d @1600000000 /d/f",
    )
    found = unpacked(archive(engine, "/d"))
    assert [info.type for info in found.values()] == [b"5", b"0", b"6", b"1", b"2", b"3", b"5", b"0"]
    file = found["d/f"]
    assert (file.mode, file.uid, file.gid, file.mtime) == (0o4711, 12, 34, 1_600_000_000)
    assert found["d/hard"].linkname == "d/f"
    assert (found["d/null"].devmajor, found["d/null"].devminor) == (1, 3)
    assert "d/sub/" + "n" * 200 in found


def test_a_whole_tree_there_and_back(docker: Program, box: str, tmp_path: Path) -> None:
    source = tmp_path / "tree"
    for number in range(300):
        (source / f"d{number % 7}" / "sub").mkdir(parents=True, exist_ok=True)
        (source / f"d{number % 7}" / "sub" / f"f{number}").write_bytes(os.urandom(number * 40))
    os.link(source / "d0" / "sub" / "f0", source / "hard")
    (source / "link").symlink_to("d1/sub")
    (source / "d2").chmod(0o1770)
    docker("cp", str(source), "box:/tmp/tree")
    docker("cp", "box:/tmp/tree", str(tmp_path / "back"))
    for path in source.rglob("*"):
        other = tmp_path / "back" / path.relative_to(source)
        assert stat.S_IMODE(other.lstat().st_mode) == stat.S_IMODE(path.lstat().st_mode), path
        assert int(other.lstat().st_mtime) == int(path.lstat().st_mtime), path
        if path.is_symlink():
            assert os.readlink(other) == os.readlink(path)
        elif path.is_file():
            assert other.read_bytes() == path.read_bytes()
    assert (tmp_path / "back" / "hard").stat().st_ino == (tmp_path / "back" / "d0" / "sub" / "f0").stat().st_ino


def test_a_large_file_there_and_back(docker: Program, box: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(1 << 20) * 48)
    docker("cp", str(tmp_path / "large"), "box:/large")
    docker("cp", "box:/large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


def test_file_capabilities_are_kept(docker: Program, box: str, engine: Engine) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    headers = {"SCHILY.xattr.security.capability": capability.decode()}
    docker("cp", "-", "box:/tmp", stdin=packed(("ping", {"data": b"x", "mode": 0o755, "pax_headers": headers})))
    assert b"SCHILY.xattr.security.capability=" + capability in archive(engine, "/tmp/ping")


def test_owners(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "box", "--user", "app", "busybox", "sleep", "1000")
    stream = packed(
        ("f", {"data": b"x", "uid": 7, "gid": 8}), ("d", {"type": tarfile.DIRTYPE, "uid": 7, "mode": 0o755})
    )
    docker("cp", "-", "box:/tmp", stdin=stream)
    found = unpacked(archive(engine, "/tmp/f"))["f"]
    assert (found.uid, found.gid) == (7, 8), "without -a, the owner in the archive"
    docker("cp", "-a", "-", "box:/tmp", stdin=stream)
    for name in ("f", "d"):
        found = unpacked(archive(engine, f"/tmp/{name}"))[name]
        assert (found.uid, found.gid) == (1000, 1000), "with -a, the container's user"


def test_what_is_not_replaced(docker: Program, box: str, tmp_path: Path) -> None:
    docker("exec", "box", "sh", "-c", "mkdir -p /d/x /d/y; echo old >/d/x/f; ln -s x /d/link")
    (tmp_path / "x").write_text("file")
    (tmp_path / "dir" / "f").mkdir(parents=True)
    (tmp_path / "dir" / "link").mkdir(parents=True)
    done = docker("cp", str(tmp_path / "x"), "box:/d", code=1)
    assert 'cannot overwrite directory "x" with non-directory "/d"' in done.err
    done = docker("cp", f"{tmp_path}/dir/.", "box:/d/x", code=1)
    assert 'cannot overwrite non-directory "f" with directory "/d/x"' in done.err
    assert docker("exec", "box", "cat", "/d/x/f").out == "old\n"
    done = docker("cp", f"{tmp_path}/dir/.", "box:/d/link/f", code=1)
    assert "cannot copy directory" in done.err


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/nope", "Could not find the file /nope in container box"),
        ("/etc/passwd/", "lstat /etc/passwd/: not a directory"),
        ("/loop", "too many links in /loop"),
    ],
)
def test_paths_that_are_not(docker: Program, box: str, tmp_path: Path, path: str, text: str) -> None:
    docker("exec", "box", "ln", "-s", "loop", "/loop")
    assert text in docker("cp", f"box:{path}", str(tmp_path), code=1).err


def test_read_only_places(docker: Program, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    mounts = ["-v", "vol:/rw", "-v", "vol:/ro:ro", "--tmpfs", "/scratch"]
    docker("run", "-d", "--name", "box", "--read-only", *mounts, "busybox", "sleep", "1000")
    docker("create", "--name", "still", "--read-only", *mounts, "busybox", "sleep", "1000")
    for name in ("box", "still"):
        done = docker("cp", str(tmp_path / "f"), f"{name}:/tmp", code=1)
        assert "container rootfs is marked read-only" in done.err
        done = docker("cp", str(tmp_path / "f"), f"{name}:/ro", code=1)
        assert "mounted volume is marked read-only" in done.err
        docker("cp", str(tmp_path / "f"), f"{name}:/rw/{name}")
    assert docker("exec", "box", "ls", "/ro").out == "box\nstill\n"


def test_a_bound_file_is_not_replaced(docker: Program, box: str, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("6.6.6.6 other\n")
    done = docker("cp", str(tmp_path / "hosts"), "box:/etc/hosts", code=1)
    assert "RemoveAll hosts: device or resource busy" in done.err
    assert "6.6.6.6" not in docker("exec", "box", "cat", "/etc/hosts").out


def test_a_container_made_ready_before_its_start(docker: Program, tmp_path: Path) -> None:
    """How test suites and orchestrators hand over configuration: create, cp, start."""
    (tmp_path / "conf").write_text("configured")
    command = ["sh", "-c", "cat /conf /vol/conf /etc/extra/conf; sleep 1000"]
    docker("create", "--name", "box", "-v", "vol:/vol", "-v", "other:/etc/extra", "busybox", *command)
    for place in ("/conf", "/vol/conf", "/etc/extra/"):
        docker("cp", str(tmp_path / "conf"), f"box:{place}")
    docker("start", "box")
    docker("cp", "box:/vol/conf", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "configured"
    docker("stop", "-t", "0", "box")
    assert docker("logs", "box").out == "configured" * 3


def test_the_working_directory_is_there_before_the_start(docker: Program, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("data")
    docker("create", "--name", "ready", "-w", "/work/dir", "busybox", "cat", "input")
    docker("cp", f"{tmp_path}/input", "ready:/work/dir/")
    assert docker("diff", "ready").out.split() == ["A", "/work", "A", "/work/dir", "A", "/work/dir/input"]
    assert docker("start", "-a", "ready").out == "data"
    answer = engine.api("POST", "/containers/create", {"Image": "busybox", "WorkingDir": "/etc/passwd"})
    assert (answer.status >= 400, answer.json()["message"]) == (True, "Cannot mkdir: /etc/passwd is not a directory")


def test_events(docker: Program, box: str, engine: Engine, tmp_path: Path) -> None:
    container = engine.inspect("box")["Id"]
    docker("cp", "box:/etc/passwd", str(tmp_path / "f"))
    docker("cp", str(tmp_path / "f"), "box:/tmp")
    events = ("events", "--since", "1", "--until", str(int(time.time()) + 1), "--filter", "container=box")
    shown = docker(*events, "--format", "{{.Action}} {{.Actor.ID}}")
    for action in ("archive-path", "extract-to-dir"):
        assert f"{action} {container}" in shown.lines


def test_sender_and_receiver_that_go(docker: Program, box: str, engine: Engine) -> None:
    docker("exec", "box", "sh", "-c", "head -c 30000000 /dev/urandom >/big")
    for container in ("box", "other"):
        reading = docker.start("cp", f"{container}:/big", "-")
        if container == "box":
            assert reading.stdout is not None and reading.stdout.read(1000)
        reading.kill()
        reading.communicate()
    writing = docker.start("cp", "-", "box:/tmp")
    assert writing.stdin is not None
    writing.stdin.write(packed(("half", {"data": bytes(3_000_000)}))[:1_000_000])
    writing.stdin.flush()
    writing.kill()
    writing.communicate()
    assert engine.answers()


def test_many_at_once(docker: Program, box: str, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def copy(number: int) -> None:
        try:
            (tmp_path / f"in{number}").write_bytes(bytes([number]) * 100_000)
            docker("cp", str(tmp_path / f"in{number}"), "box:/tmp")
            docker("cp", f"box:/tmp/in{number}", str(tmp_path / f"out{number}"))
            assert (tmp_path / f"out{number}").read_bytes() == bytes([number]) * 100_000
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=copy, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
