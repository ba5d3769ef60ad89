"""Local volumes with ``type``, ``device`` and ``o``: mounted by their first container, gone with the last."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import residue
from tests.system.conftest import docker_for
from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

SLEEPER = ("busybox", "sleep", "100000")
TMPFS = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,uid=7")


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    """A block device with an empty ext4."""
    image = tmp_path / "ext4.img"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    found = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"no loop device: {found.stderr.strip()}")
    device = found.stdout.strip()
    yield device
    subprocess.run(["losetup", "-d", device], check=True)


def mounted(daemon: Havred, name: str) -> int:
    place = str(daemon.data_root / "volumes" / name / "_data")
    return residue.mounts(daemon).count(place)


def test_refusals(docker: Program) -> None:
    """Dockerd's words, at create and at the first use."""
    cases = {
        ("foo=bar",): 'invalid option: "foo"',
        ("type=ext4",): 'missing required option: "device"',
        ("device=/x",): 'missing required option: "type"',
        ("o=ro",): 'missing required option: "device"',
        ("size=10m",): "quota size requested but no quota support",
        ("size=abc",): "invalid size: 'abc'",
    }
    for options, text in cases.items():
        flags = [word for option in options for word in ("--opt", option)]
        assert docker("volume", "create", "bad", *flags, code=1).err.strip() == (
            f"Error response from daemon: create bad: {text}"
        )
    assert "bad" not in docker("volume", "ls", "-q").lines
    asked = "type=volume,dst=/v,volume-opt=foo=bar"
    assert 'invalid option: "foo"' in docker("run", "--rm", "--mount", asked, "busybox", code=125).err


def test_mounts_that_fail(docker: Program, engine: Engine) -> None:
    cases = {
        ("none", "/nowhere", "bind"): (", flags: 0x1000", "no such file or directory", 127),
        ("nosuchfs", "/dev/null", ""): ("", "no such device", 125),
        ("tmpfs", "tmpfs", "nosuch=1"): (", data: nosuch=1", "invalid argument", 125),
    }
    for number, ((kind, device, words), (told, reason, code)) in enumerate(cases.items()):
        name = f"fails{number}"
        docker("volume", "create", name, "--opt", f"type={kind}", "--opt", f"device={device}", "--opt", f"o={words}")
        place = docker("volume", "inspect", name, "--format", "{{.Mountpoint}}").out.strip()
        error = docker("run", "--rm", "-v", f"{name}:/v", "busybox", "true", code=code).err
        where = f"error while mounting volume '{place}': failed to mount local volume"
        assert f"{where}: mount {device}:{place}{told}: {reason}\n" in error
    # What is asked of the kernel; whether it knows these file systems, and then a server there, is another matter.
    far = {
        ("nfs", ":/x", "addr=localhost,ro"): "mount :/x:{}, flags: 0x1, data: addr=127.0.0.1: ",
        ("nfs4", "127.0.0.1:/x", "soft,timeo=10,retrans=1"): "mount 127.0.0.1:/x:{}, data: soft,timeo=10,retrans=1: ",
        (
            "cifs",
            "//127.0.0.1/x",
            "password=secret,vers=3.0",
        ): "mount //127.0.0.1/x:{}, data: password=********,vers=3.0: ",
    }
    for number, ((kind, device, words), told) in enumerate(far.items()):
        name = f"far{number}"
        docker("volume", "create", name, "--opt", f"type={kind}", "--opt", f"device={device}", "--opt", f"o={words}")
        place = docker("volume", "inspect", name, "--format", "{{.Mountpoint}}").out.strip()
        error = docker("run", "--rm", "-v", f"{name}:/v", "busybox", "true", code=125).err
        assert f"error while mounting volume '{place}': failed to mount local volume: {told.format(place)}" in error
    docker("volume", "create", "far", "--opt", "type=nfs", "--opt", "device=:/x", "--opt", "o=addr=nosuch.invalid,ro")
    error = docker("run", "--rm", "-v", "far:/v", "busybox", "true", code=125).err
    assert "error resolving passed in network volume address: lookup nosuch.invalid" in error


def test_the_size_of_a_tmpfs(docker: Program) -> None:
    docker("volume", "create", "small", *TMPFS)
    fill = "dd if=/dev/zero of=/v/x bs=1k count=2000; stat -c %s /v/x"
    done = docker("run", "--rm", "-v", "small:/v", "busybox", "sh", "-c", fill)
    assert "No space left on device" in done.err and done.out == f"{1 << 20}\n"


def test_shared_by_its_users(docker: Program, engine: Engine) -> None:
    docker("volume", "create", "data", "--label", "mine", *TMPFS)
    docker("volume", "create", "data", "--opt", "type=tmpfs", "--opt", "device=other")
    options = docker("volume", "inspect", "data", "--format", "{{json .Options}}").out.strip()
    assert options == '{"device":"tmpfs","o":"size=1m,uid=7","type":"tmpfs"}'
    docker("create", "--name", "idle", "-v", "data:/v", *SLEEPER)
    docker("run", "-d", "--name", "one", "-v", "data:/v", *SLEEPER)
    docker("run", "-d", "--name", "two", "-v", "data:/v:ro", *SLEEPER)
    docker("exec", "one", "sh", "-c", "echo shared > /v/file")
    assert docker("exec", "two", "cat", "/v/file").out == "shared\n"
    assert docker("exec", "two", "stat", "-c", "%u", "/v").out == "7\n"
    assert "Read-only" in docker("exec", "two", "touch", "/v/x", code=1).err
    docker("rm", "-f", "one")
    assert docker("exec", "two", "cat", "/v/file").out == "shared\n"
    assert "volume is in use - [" in docker("volume", "rm", "data", code=1).err
    assert '"Name":"data"' not in docker("system", "df", "-v", "--format", "{{json .Volumes}}").out
    docker("restart", "-t", "0", "two")
    assert docker("exec", "two", "ls", "/v").out == ""
    docker("rm", "-f", "two", "idle")
    assert docker("volume", "prune", "-af", "--filter", "label=mine").out == "Total reclaimed space: 0B\n"
    docker("volume", "rm", "data")


def test_a_file_system_of_its_own(docker: Program, havred: Havred, loop: str) -> None:
    docker("volume", "create", "disk", "--opt", "type=ext4", "--opt", f"device={loop}", "--opt", "o=noatime")
    docker("run", "--rm", "-v", "disk:/v", "busybox", "sh", "-c", "echo kept > /v/file; grep ' /v ' /proc/mounts")
    wait_until(lambda: mounted(havred, "disk") == 0, "it to be unmounted")
    part = "type=volume,src=disk,dst=/v,volume-subpath=file,readonly"
    assert docker("run", "--rm", "--mount", part, "busybox", "cat", "/v").out == "kept\n"
    wait_until(lambda: mounted(havred, "disk") == 0, "it to be unmounted")


def test_a_directory_of_the_host(docker: Program, engine: Engine, tmp_path: Path) -> None:
    """Filled from the image if it is empty, as any volume; never deleted."""
    there = tmp_path / "there"
    there.mkdir()
    options = ("--opt", "type=none", "--opt", f"device={there}", "--opt", "o=bind")
    docker("volume", "create", "host", *options)
    docker("run", "--rm", "-v", "host:/etc", "busybox", "touch", "/etc/mine")
    assert (there / "mine").exists() and (there / "passwd").exists()
    docker("run", "-d", "--name", "user", "-v", "host:/v", *SLEEPER)
    docker("cp", "user:/v/mine", str(tmp_path / "copied"))
    docker("rm", "-f", "user")
    docker("create", "--name", "stopped", "-v", "host:/v", "busybox", "true")
    docker("cp", "stopped:/v/passwd", str(tmp_path / "passwd"))
    docker("rm", "stopped")
    docker("volume", "rm", "host")
    assert (there / "mine").exists()
    docker("volume", "create", "host", "--opt", "type=none", "--opt", f"device={there}", "--opt", "o=bind,ro")
    assert "Read-only" in docker("run", "--rm", "-v", "host:/v", "busybox", "touch", "/v/x", code=1).err


def test_the_daemon_is_killed(fresh_havred: Havred, tmp_path: Path) -> None:
    docker = docker_for(fresh_havred, tmp_path)
    docker("volume", "create", "data", *TMPFS)
    docker("run", "-d", "--name", "stays", "-v", "data:/v", "busybox", "sh", "-c", "echo x > /v/x; sleep 100000")
    docker("volume", "create", "other", *TMPFS)
    docker("run", "-d", "--name", "ends", "-v", "other:/v", *SLEEPER)
    pid = docker("inspect", "-f", "{{.State.Pid}}", "ends").out.strip()
    fresh_havred.kill()
    subprocess.run(["kill", "-9", pid], check=True)
    fresh_havred.start()
    wait_until(lambda: mounted(fresh_havred, "other") == 0, "the volume of the one that ended to be unmounted")
    assert mounted(fresh_havred, "data") == 1
    assert docker("run", "--rm", "-v", "data:/v", "busybox", "cat", "/v/x").out == "x\n"
    assert mounted(fresh_havred, "data") == 1
    docker("rm", "-f", "stays", "ends")
    wait_until(lambda: mounted(fresh_havred, "data") == 0, "the volume to be unmounted")
    assert not list((fresh_havred.exec_root / "volumes").iterdir())
