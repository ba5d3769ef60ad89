"""Images whose own files stand in the way of what is mounted over them: links for /dev, /proc, /sys and mount targets.

Nothing is ever mounted or written outside of the container; whether it starts is up to the runtime.
"""

import os
from pathlib import Path

import pytest

from tests.system import images
from tests.system.harness import Engine, Havred
from tests.system.programs import Program


def hostile(engine: Engine, name: str, *entries: images.Entry) -> str:
    """The reference of a loaded image with these entries laid over busybox."""
    reference = f"hostile-{name}:1"
    engine.load(images.busybox().derive(f"hostile-{name}", files=entries).archive(reference))
    return reference


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of the host that no container may reach."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "kept").write_text("kept")
    return path


def untouched(outside: Path) -> bool:
    mounted = any(f" {outside}" in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return not mounted and os.listdir(outside) == ["kept"] and (outside / "kept").read_text() == "kept"


@pytest.mark.parametrize("place", ["dev", "proc", "sys"])
@pytest.mark.parametrize("up", ["", "../../../../../../../.."], ids=["absolute", "relative"])
def test_pseudo_file_systems_behind_a_link(docker: Program, engine: Engine, outside: Path, place: str, up: str) -> None:
    image = hostile(engine, f"{place}-{'up' if up else 'abs'}", images.Entry(place, link=f"{up}{outside}"))
    script = "ls /proc/self/exe > /dev/null; echo began"
    done = docker("run", "--rm", "--name", "hostile", image, "sh", "-c", script, code=None)
    assert untouched(outside)
    assert done.out == "began\n", "the links are replaced, as Docker replaces them"
    docker("rmi", image)


def test_mount_targets_behind_a_link(docker: Program, engine: Engine, outside: Path) -> None:
    entries = [
        images.Entry("inside", link="/etc"),
        images.Entry("up", link=f"../../../../../..{outside}"),
        images.Entry("loop", link="loop"),
    ]
    image = hostile(engine, "targets", *entries)
    said = docker("run", "--rm", "--tmpfs", "/inside/new", "-v", "named:/up/deep", image, "cat", "/proc/mounts").out
    places = {line.split()[1] for line in said.splitlines()}
    assert {"/etc/new", f"{outside}/deep"} <= places, "links are followed as in the container"
    assert untouched(outside)
    docker("run", "--rm", "-v", "named:/loop", image, "true", code=None)
    assert untouched(outside)
    for flags in (
        ("--mount", "type=image,src=busybox,dst=/up/image"),
        ("--ipc", "shareable", "-v", "/anonymous"),
        ("-w", "/up/work"),
    ):
        docker("run", "--rm", *flags, image, "true", code=None)
        assert untouched(outside), flags
    docker("rmi", image)


@pytest.mark.parametrize("name", ["hosts", "hostname", "resolv.conf"])
def test_files_of_ours_behind_a_link(docker: Program, engine: Engine, outside: Path, name: str) -> None:
    image = hostile(engine, f"etc-{name}", images.Entry(f"etc/{name}", link=f"../../../../../..{outside}/kept"))
    docker("run", "--rm", image, "sh", "-c", f"echo changed > /etc/{name}", code=None)
    assert untouched(outside)
    docker("rmi", image)


def test_a_volume_is_not_filled_from_behind_a_link(docker: Program, engine: Engine, outside: Path) -> None:
    image = hostile(engine, "fill", images.Entry("data", link=f"../../../../../..{outside}"))
    said = docker("run", "--rm", "-v", "fresh:/data", image, "ls", "-A", "/data", code=None)
    assert "kept" not in said.out
    part = "type=volume,src=fresh,dst=/data,volume-subpath=."
    assert "kept" not in docker("run", "--rm", "--mount", part, image, "ls", "-A", "/data", code=None).out
    docker("rmi", image)


def test_a_working_directory_that_the_image_leads_out(docker: Program, engine: Engine) -> None:
    """CVE-2024-21626, by way of a link of the image."""
    image = hostile(engine, "cwd", images.Entry("work", link="/proc/self/fd"))
    for path in ("/work/7", "/work/8/../8"):
        done = docker("run", "--rm", "-w", path, image, "ls", "-d", "/", code=None)
        assert done.code != 0, done
    docker("rmi", image)


def test_a_relative_working_directory(docker: Program, havred: Havred) -> None:
    """Images of other builders have one: it counts from the root. dockerd's containers of it do not start."""
    havred.load(images.busybox().derive("relative-cwd", {"WorkingDir": "app/../srv"}).archive("relative-cwd:1"))
    assert docker("run", "--rm", "relative-cwd:1", "pwd").out == "/srv\n"
    docker("rmi", "relative-cwd:1")
