"""``havre volume export|import|clone|snapshot``: what they keep, what they refuse, what a killed daemon leaves."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import images, residue
from tests.system.conftest import NewDaemon, docker_for, havre_for
from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

SLEEPER = ("busybox", "sleep", "100000")
FILL = """
cd /v && chown 7:8 . && chmod 1770 . && mkdir -p a/b && echo text > a/b/file
chown 5:6 a/b/file && chmod 4711 a/b/file
ln a/b/file hard && ln -s a/b/file soft && ln -s /etc/passwd out && mkfifo pipe && touch -d @1000000000 old
dd if=/dev/zero of=sparse bs=1 count=1 seek=50000000 2>/dev/null
"""
LOOK = (
    "cd /v && find . | sort | xargs stat -c '%n %F %a %u %g %h' && cat a/b/file && stat -c %Y old && readlink soft "
    "&& readlink out && stat -c %s sparse"
)


def look(docker: Program, volume: str) -> str:
    return docker("run", "--rm", "-v", f"{volume}:/v", "busybox", "sh", "-c", LOOK).out


def fill(docker: Program, volume: str, script: str = FILL) -> None:
    docker("run", "--rm", "-v", f"{volume}:/v", "busybox", "sh", "-c", script)


def used(daemon: Havred, volume: str) -> int:
    """Bytes on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in (daemon.data_root / "volumes" / volume).rglob("*"))


def left_aside(daemon: Havred) -> list[str]:
    return [path.name for path in (daemon.data_root / "volumes").iterdir() if path.name.startswith(".")]


def hostile(*entries: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        good = tarfile.TarInfo("good")
        good.size = 4
        tar.addfile(good, io.BytesIO(b"good"))
        for entry in entries:
            tar.addfile(entry)
    return made.getvalue()


def entry(name: str, type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = type, link
    made.devmajor, made.devminor = 1, 3
    return made


@pytest.mark.parametrize("flag", ["", "--zstd"])
def test_out_and_in_again(docker: Program, havre: Program, havred: Havred, tmp_path: Path, flag: str) -> None:
    fill(docker, "data")
    archive = tmp_path / "archive"
    havre("volume", "export", "-o", str(archive), *([flag] if flag else []), "data")
    assert archive.read_bytes().startswith(b"\x28\xb5\x2f\xfd" if flag else b"./\0")
    assert havre("volume", "import", "--label", "a=b", "again", str(archive)).out == "again\n"
    assert look(docker, "again") == look(docker, "data")
    assert docker("volume", "inspect", "-f", "{{.Labels.a}} {{.Driver}}", "again").out == "b local\n"
    assert not left_aside(havred)
    with tarfile.open(fileobj=io.BytesIO(subprocess.run(
        [havre.path, "volume", "export", "data"], env=havre.env, capture_output=True, check=True
    ).stdout)) as tar:  # fmt: skip
        assert tar.getmember("./a/b/file").mode == 0o4711 and tar.getmember(".").uid == 7


def test_what_an_import_refuses(docker: Program, havre: Program, havred: Havred, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    cases = {
        "dots": hostile(entry("../escaped")),
        "hard": hostile(entry("l", tarfile.LNKTYPE, "../../../../etc/passwd")),
        "device": hostile(entry("null", tarfile.CHRTYPE)),
        # Within the file: what fills its last block may be missing.
        "cut": hostile()[:514],
        "junk": b"\x28\xb5\x2f\xfdjunk",
    }
    for name, archive in cases.items():
        assert "Error response from daemon" in havre("volume", "import", name, "-", stdin=archive, code=1).err
        assert name not in docker("volume", "ls", "-q").lines
    through = hostile(entry("l", tarfile.SYMTYPE, str(outside)), entry("l/x"))
    havre("volume", "import", "linked", stdin=through, code=None)
    assert not list(outside.iterdir()) and not Path(havred.data_root / "volumes" / "escaped").exists()
    havre("volume", "import", "--devices", "device", stdin=cases["device"])
    assert not left_aside(havred)
    assert "invalid characters" in havre("volume", "import", "a b", stdin=hostile(), code=1).err


def test_an_export_that_fails_holds_no_mount(docker: Program, havre: Program, havred: Havred, tmp_path: Path) -> None:
    there = tmp_path / "there"
    docker("volume", "create", "data", "--opt", "type=none", "--opt", f"device={there}", "--opt", "o=bind")
    for words in (("export", "data", "-o", str(tmp_path / "tar")), ("clone", "data", "copy")):
        assert "no such file or directory" in havre("volume", *words, code=1).err
    there.mkdir()
    docker("run", "--rm", "-v", "data:/v", "busybox", "touch", "/v/file")
    place = str(havred.data_root / "volumes" / "data" / "_data")
    wait_until(lambda: place not in residue.mounts(havred), "the volume to be unmounted", patience=5)
    assert (there / "file").exists() and not list((havred.exec_root / "volumes").iterdir())


def test_into_a_volume_that_is_there(docker: Program, havre: Program, engine: Engine, tmp_path: Path) -> None:
    docker("volume", "create", "empty")
    havre("volume", "import", "empty", stdin=hostile())
    assert "is not empty" in havre("volume", "import", "empty", stdin=hostile(), code=1).err
    docker("run", "-d", "--name", "user", "-v", "empty:/v", *SLEEPER)
    error = havre("volume", "import", "--replace", "empty", stdin=hostile(), code=1).err
    assert "import empty: volume is in use - [" in error
    docker("stop", "-t", "0", "user")
    docker("run", "--rm", "-v", "empty:/v", "busybox", "touch", "/v/mine")
    assert "EOF" in havre("volume", "import", "--replace", "empty", stdin=hostile()[:514], code=1).err
    assert docker("run", "--rm", "-v", "empty:/v", "busybox", "ls", "/v").lines == ["good", "mine"]
    havre("volume", "import", "--replace", "empty", stdin=hostile())
    docker("start", "user")
    assert docker("exec", "user", "ls", "/v").lines == ["good"]
    docker("volume", "create", "tmp", "--opt", "type=tmpfs", "--opt", "device=tmpfs")
    assert "mounted from elsewhere" in havre("volume", "import", "tmp", stdin=hostile(), code=1).err
    assert "no such volume" in havre("volume", "export", "none", "-o", str(tmp_path / "none.tar"), code=1).err


def test_clone(docker: Program, havre: Program, havred: Havred) -> None:
    fill(docker, "data")
    docker("volume", "create", "--label", "x=y", "labelled")
    assert havre("volume", "clone", "data", "twin").out == "twin\n"
    assert look(docker, "twin") == look(docker, "data")
    assert used(havred, "twin") < 1 << 20, "holes were filled"
    docker("run", "--rm", "-v", "twin:/v", "busybox", "sh", "-c", "echo changed > /v/a/b/file")
    assert "changed" not in look(docker, "data")
    assert "there is a volume of that name" in havre("volume", "clone", "data", "twin", code=1).err
    assert "no such volume" in havre("volume", "clone", "none", "x1", code=1).err
    havre("volume", "clone", "labelled", "labelled2")
    assert docker("volume", "inspect", "-f", "{{.Labels.x}}", "labelled2").out == "y\n"
    docker("volume", "create", "tmp", "--opt", "type=tmpfs", "--opt", "device=tmpfs")
    docker("run", "-d", "--name", "user", "-v", "tmp:/v", "busybox", "sh", "-c", "echo x > /v/x; sleep 100000")
    wait_until(lambda: docker("exec", "user", "ls", "/v").out, "the file")
    havre("volume", "clone", "tmp", "kept")
    assert docker("inspect", "-f", "{{.State.Status}}", "user").out == "running\n"
    assert docker("run", "--rm", "-v", "kept:/v", "busybox", "cat", "/v/x").out == "x\n"
    assert not left_aside(havred)


def test_snapshots(docker: Program, havre: Program, havred: Havred) -> None:
    fill(docker, "data")
    before = look(docker, "data")
    docker("run", "-d", "--name", "user", "-v", "data:/v", *SLEEPER)
    assert havre("volume", "snapshot", "data", "first").out == "first\n"
    assert docker("inspect", "-f", "{{.State.Status}}", "user").out == "running\n"
    docker("exec", "user", "sh", "-c", "rm -r /v/a; touch /v/new")
    named = havre("volume", "snapshot", "data").out.strip()
    assert [row["SNAPSHOT"] for row in havre("volume", "snapshot", "--list", "data").table()] == ["first", named]
    assert "already has a snapshot" in havre("volume", "snapshot", "data", "first", code=1).err
    assert "volume is in use" in havre("volume", "snapshot", "--restore", "data", "first", code=1).err
    docker("stop", "-t", "0", "user")
    havre("volume", "snapshot", "--restore", "data", "first")
    assert look(docker, "data") == before
    docker("start", "user")
    assert docker("exec", "user", "cat", "/v/a/b/file").out == "text\n"
    havre("volume", "snapshot", "--rm", "data", "first")
    assert "no snapshot named first" in havre("volume", "snapshot", "--restore", "data", "first", code=1).err
    assert "cannot name a snapshot" in havre("volume", "snapshot", "data", "../x", code=1).err
    docker("rm", "-f", "user")
    docker("volume", "rm", "data")
    assert list((havred.data_root / "volumes").iterdir()) == []


def test_what_is_written_at_one_instant(docker: Program, havre: Program, engine: Engine) -> None:
    """Two files always change one after the other: a snapshot never has the second ahead of the first."""
    step = "echo $i > /v/t1; mv /v/t1 /v/first; echo $i > /v/t2; mv /v/t2 /v/second"
    script = f"i=0; while true; do i=$((i+1)); {step}; done"
    docker("run", "-d", "--name", "writer", "-v", "data:/v", "busybox", "sh", "-c", script)
    wait_until(lambda: "second" in docker("exec", "writer", "ls", "/v").lines, "the writer")
    for number in range(3):
        havre("volume", "clone", "data", f"copy{number}")
        first, second = docker(
            "run", "--rm", "-v", f"copy{number}:/v", "busybox", "cat", "/v/first", "/v/second"
        ).lines  # fmt: skip
        assert int(second) <= int(first) <= int(second) + 1


def test_the_daemon_is_killed(fresh_havred: Havred, tmp_path: Path) -> None:
    """In the middle of an import: the next one knows nothing of it."""
    docker, havre = docker_for(fresh_havred, tmp_path), havre_for(fresh_havred, tmp_path)
    docker("volume", "create", "there")
    for name in ("there", "new"):
        with subprocess.Popen([havre.path, "volume", "import", name], env=havre.env, stdin=subprocess.PIPE) as client:
            assert client.stdin is not None
            client.stdin.write(hostile()[:1536])
            client.stdin.flush()
            place = fresh_havred.data_root / "volumes" / f".making-{name}" / "_data"
            wait_until(place.is_dir, "the import to begin")
            fresh_havred.kill()
            client.stdin.close()
            client.wait()
        fresh_havred.start()
        assert not left_aside(fresh_havred)
    assert docker("volume", "ls", "-q").lines == ["there"]
    assert docker("run", "--rm", "-v", "there:/v", "busybox", "ls", "/v").out == ""


@pytest.fixture
def xfs(tmp_path: Path) -> Iterator[Path]:
    """The data root of the test's first daemon, on an xfs of its own."""
    program = shutil.which("mkfs.xfs", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program is not None, "scripts/setup --dev installs it"
    image, place = tmp_path / "xfs.img", tmp_path / "havred0" / "data"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run([program, "-q", str(image)], check=True)
    place.mkdir(parents=True)
    done = subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this kernel mounts no xfs: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_clones_share_blocks(xfs: Path, new_havred: NewDaemon, tmp_path: Path) -> None:
    daemon = new_havred()
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    docker, havre = docker_for(daemon, tmp_path), havre_for(daemon, tmp_path)
    fill(docker, "data", "dd if=/dev/urandom of=/v/x bs=1M count=100 2>/dev/null")
    before = os.statvfs(xfs)
    for number in range(3):
        havre("volume", "clone", "data", f"copy{number}")
    taken = daemon.api("POST", "/havre/volumes/data/snapshots?name=s").json()["Copied"]
    assert taken == {"Entries": 1, "Size": 100 << 20, "Shared": 100 << 20}
    used = (before.f_bfree - os.statvfs(xfs).f_bfree) * before.f_frsize
    assert used < 10 << 20
    docker("run", "--rm", "-v", "copy0:/v", "busybox", "sh", "-c", "echo changed > /v/x")
    assert docker("run", "--rm", "-v", "data:/v", "busybox", "stat", "-c", "%s", "/v/x").out == f"{100 << 20}\n"


@pytest.fixture
def memory(havred: Havred) -> Iterator[int]:
    assert havred.process is not None
    yield havred.process.pid


def test_a_large_volume_takes_no_memory(docker: Program, havre: Program, memory: int, tmp_path: Path) -> None:
    fill(docker, "data", "for i in 1 2 3 4; do dd if=/dev/urandom of=/v/$i bs=1M count=32 2>/dev/null; done")
    fill(docker, "warm", "dd if=/dev/urandom of=/v/x bs=1M count=8 2>/dev/null")
    # The highest it ever was, from here on.
    Path(f"/proc/{memory}/clear_refs").write_text("5")
    for volume in ("warm", "data"):
        havre("volume", "export", "-o", str(tmp_path / volume), volume)
        havre("volume", "import", f"{volume}2", str(tmp_path / volume))
        peak = int(next(
            line.split()[1] for line in Path(f"/proc/{memory}/status").read_text().splitlines() if "VmHWM" in line
        ))  # fmt: skip
        if volume == "warm":
            before = peak
    assert peak - before < 40_000
