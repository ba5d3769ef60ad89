"""Mounts of every kind: what a container sees of them, what is refused, and what is left on the host."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system import images
from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

SLEEPER = ("busybox", "sleep", "100000")


def create(engine: Engine, *mounts: dict[str, Any], **host: Any) -> tuple[int, str]:
    """The status and the message (or the id) that a create request gets."""
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Mounts": list(mounts), **host}}
    answer = engine.api("POST", "/containers/create", body)
    return answer.status, answer.json().get("message") or answer.json()["Id"]


def started(engine: Engine, container: str) -> tuple[int, str]:
    answer = engine.api("POST", f"/containers/{container}/start")
    return answer.status, answer.json()["message"] if answer.body else ""


def at(docker: Program, target: str, *flags: str) -> list[list[str]]:
    """The fields of mountinfo of what a container with ``flags`` has at and below ``target``."""
    lines = docker("run", "--rm", *flags, "busybox", "cat", "/proc/self/mountinfo").lines
    found = [line.split() for line in lines]
    return [line for line in found if line[4] == target or line[4].startswith(f"{target}/")]


def volume(docker: Program, name: str, script: str) -> None:
    docker("run", "--rm", "-v", f"{name}:/v", "busybox", "sh", "-c", script)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A shared mount with another below it, at ``inner``."""
    path = tmp_path / "shared"
    path.mkdir()
    _mount("-t", "tmpfs", "outer", str(path))
    _mount("--make-shared", str(path))
    for name in ("inner", "part"):
        (path / name).mkdir()
    _mount("-t", "tmpfs", "inner", str(path / "inner"))
    yield path
    subprocess.run(["umount", "-R", str(path)], check=True)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def test_propagation(docker: Program, engine: Engine, shared: Path, tmp_path: Path) -> None:
    passes_on = at(docker, "/t", "--mount", f"type=bind,src={shared},dst=/t,bind-propagation=rshared")
    assert [line[6].partition(":")[0] for line in passes_on] == ["shared", "shared"]
    (follows,) = at(docker, "/t", "-v", f"{shared}/part:/t:rslave")
    assert follows[6].startswith("master:")
    (private,) = at(docker, "/t", "-v", f"{shared}/part:/t")
    assert private[6] == "-"
    assert len(at(docker, "/t", "--mount", f"type=bind,src={shared},dst=/t,bind-recursive=disabled")) == 1
    _mount("--make-private", str(shared))
    for mode, kind in (("rshared", "a shared"), ("slave", "a shared or slave")):
        _, container = create(engine, Binds=[f"{shared}/part:/t:{mode}"])
        status, said = started(engine, container)
        wanted = f"path {shared}/part is mounted on {shared} but it is not {kind} mount"
        assert (status in (400, 500), said) == (True, wanted)


def test_a_bind_of_the_host_does_not_hold_on_to_the_daemons_mounts(docker: Program, havred: Havred) -> None:
    docker("run", "-d", "--name", "brief", *SLEEPER)
    docker("run", "-d", "--name", "watch", "-v", f"{havred.data_root}:/host", *SLEEPER)
    (mount,) = havred.inspect("watch")["Mounts"]
    assert mount["Propagation"] == "rslave"
    shown = ("exec", "watch", "grep", "-c", f"/host/containers/{havred.inspect('brief')['Id']}", "/proc/self/mountinfo")
    assert docker(*shown).out == "1\n"
    docker("rm", "-f", "brief")
    assert docker(*shown, code=1).out == "0\n"


def test_read_only_to_what_depth(docker: Program, engine: Engine, shared: Path) -> None:
    base = f"type=bind,src={shared},dst=/t,ro"
    for flags, below in (
        (("-v", f"{shared}:/t:ro"), "ro"),
        (("--mount", base), "ro"),
        (("--mount", f"{base},bind-recursive=writable"), "rw"),
        (("--mount", f"{base},bind-recursive=readonly,bind-propagation=rprivate"), "ro"),
    ):
        assert [line[5].partition(",")[0] for line in at(docker, "/t", *flags)] == ["ro", below], flags


def test_parts_of_a_volume(docker: Program, engine: Engine) -> None:
    script = "cd /v; mkdir -p sub/deep empty; echo found > sub/file; ln -s sub inside; ln -s /etc out; ln -s ../.. up"
    volume(docker, "parts", script)
    mount = "type=volume,src=parts,dst=/t,volume-subpath="
    for part, wanted in (("sub", "deep\nfile\n"), ("inside", "deep\nfile\n"), ("sub/file", "/t\n")):
        assert docker("run", "--rm", "--mount", mount + part, "busybox", "ls", "/t").out == wanted
    point = engine.inspect(docker("create", "--mount", f"{mount}sub", *SLEEPER).out.strip())["Mounts"][0]
    assert (point["Name"], point["Source"].endswith("/parts/_data")) == ("parts", True)
    for part, words in (
        ("missing", "cannot access path "),
        ("out", "path concatenation escapes the base directory"),
        ("up", "path concatenation escapes the base directory"),
    ):
        # The client makes 127 of "no such file or directory".
        done = docker("run", "--rm", "--mount", mount + part, *SLEEPER, code=None)
        assert (done.code in (125, 127), words in done.err) == (True, True), done
    for part in ("../x", "/abs", "sub/../../x"):
        options = {"VolumeOptions": {"Subpath": part}}
        status, said = create(engine, {"Type": "volume", "Source": "parts", "Target": "/t", **options})
        assert (status, said) == (
            400,
            'invalid mount config for type "volume": subpath must be a relative path within the volume',
        )
    status, said = create(engine, {"Type": "volume", "Target": "/t", "VolumeOptions": {"Subpath": "x"}})
    assert said == 'invalid mount config for type "volume": must not set Subpath when using anonymous volumes'
    # An empty part is filled from the image, as an empty volume is.
    docker("run", "--rm", "--mount", "type=volume,src=parts,dst=/etc,volume-subpath=empty", "busybox", "true")
    assert "passwd" in docker("run", "--rm", "--mount", f"{mount}empty", "busybox", "ls", "/t").out
    for flags in (("-v", "fresh:/etc:nocopy"), ("--mount", "type=volume,src=fresh,dst=/etc,volume-nocopy")):
        assert "passwd" not in docker("run", "--rm", *flags, "busybox", "ls", "/etc").out
    flags = ("--mount", f"{mount}sub,volume-nocopy,ro")
    assert "Read-only file system" in docker("run", "--rm", *flags, "busybox", "touch", "/t/x", code=1).err
    # A copy into a container that does not run goes where a start would take it.
    docker("create", "--name", "copied", "--mount", f"{mount}sub", *SLEEPER)
    docker("cp", "/etc/hostname", "copied:/t/copy")
    assert docker("run", "--rm", "-v", "parts:/v", "busybox", "ls", "/v/sub").out == "copy\ndeep\nfile\n"


def test_a_part_that_is_swapped_for_a_link(havred: Havred, docker: Program, tmp_path: Path) -> None:
    """Whatever a container with the volume does meanwhile: no start ever gets to see what lies outside."""
    (tmp_path / "secret").write_text("secret")
    volume(docker, "swapped", "mkdir /v/part")
    data = Path(havred.api("GET", "/volumes/swapped").json()["Mountpoint"])
    (data / "link").symlink_to(os.path.relpath(tmp_path, data))
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(data / "part", data / "aside")
            os.rename(data / "link", data / "part")
            os.rename(data / "part", data / "link")
            os.rename(data / "aside", data / "part")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        options = {"VolumeOptions": {"Subpath": "part", "NoCopy": True}}
        mount = {"Type": "volume", "Source": "swapped", "Target": "/t", **options}
        body = {"Image": "busybox", "Cmd": ["cat", "/t/secret"], "HostConfig": {"Mounts": [mount]}}
        container = havred.api("POST", "/containers/create", body).json()["Id"]
        for _ in range(25):
            status, said = started(havred, container)
            assert status in (204, 400, 404), said
            if status == 204:
                ended = havred.api("POST", f"/containers/{container}/wait").json()
                assert ended["StatusCode"] == 1, "it has read what lies outside"
            assert havred.api("HEAD", f"/containers/{container}/archive?path=/t/secret").status in (400, 404)
        assert swapper.is_alive(), "nothing was swapped any more"
    finally:
        stop.set()
        swapper.join()


def test_images_as_mounts(docker: Program, engine: Engine) -> None:
    image = images.busybox().derive("as-mount", files=[images.Entry("proof", b"proof of it")])
    engine.load(image.archive("mounted:1"))
    told = docker("create", "--name", "user", "--mount", "type=image,src=mounted:1,dst=/t", *SLEEPER)
    assert "Image mount is an experimental feature" in told.err
    docker("start", "user")
    assert docker("exec", "user", "cat", "/t/proof").out == "proof of it"
    assert "Read-only file system" in docker("exec", "user", "touch", "/t/x", code=1).err
    (point,) = engine.inspect("user")["Mounts"]
    assert (point["Type"], point["Name"], point["RW"]) == ("image", "mounted:1", False)
    part = "type=image,src=mounted:1,dst=/t,image-subpath="
    assert docker("run", "--rm", "--mount", f"{part}etc/passwd", "busybox", "head", "-n1", "/t").out.startswith("root")
    assert "cannot access path" in docker("run", "--rm", "--mount", f"{part}none", *SLEEPER, code=127).err
    assert create(engine, {"Type": "image", "Source": "none:1", "Target": "/t"}) == (404, "No such image: none:1")
    said = docker("rmi", "mounted:1", code=1).err
    assert "conflict: unable to remove repository reference" in said and "is using its referenced image" in said
    # By force it goes, and its files stay for the one that mounts them.
    assert "Deleted: " in docker("rmi", "-f", "mounted:1").out
    docker("restart", "-t", "0", "user")
    assert docker("exec", "user", "cat", "/t/proof").out == "proof of it"
    docker("stop", "-t", "0", "user")
    assert docker("cp", "user:/t/proof", "-").code == 0
    docker("rm", "user")


def test_an_image_mount_lives_through_the_daemon(fresh_havred: Havred) -> None:
    daemon = fresh_havred
    mount = {"Type": "image", "Source": "busybox", "Target": "/t"}
    body = {"Image": "busybox", "Cmd": ["sleep", "100000"], "HostConfig": {"Mounts": [mount], "IpcMode": "shareable"}}
    container = daemon.api("POST", "/containers/create", body).json()["Id"]
    assert started(daemon, container) == (204, "")
    daemon.kill()
    daemon.start()
    joiner = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"IpcMode": f"container:{container}"}}
    assert started(daemon, daemon.api("POST", "/containers/create", joiner).json()["Id"]) == (204, "")
    assert daemon.api("HEAD", f"/containers/{container}/archive?path=/t/bin/sh").status == 200
    assert daemon.api("POST", f"/containers/{container}/kill").status == 204
    assert started(daemon, container) == (204, "")


def test_volumes_of_another_container(docker: Program, engine: Engine, tmp_path: Path) -> None:
    flags = ("-v", "/anonymous", "-v", "named:/named", "-v", f"{tmp_path}:/bind:ro", "--tmpfs", "/tmpfs")
    docker("create", "--name", "source", *flags, *SLEEPER)

    def found(*more: str) -> dict[str, tuple[str, bool]]:
        container = docker("create", "--volumes-from", *more, *SLEEPER).out.strip()
        assert started(engine, container) == (204, "")
        return {one["Destination"]: (one["Type"], one["RW"]) for one in engine.inspect(container)["Mounts"]}

    kinds = {"/anonymous": "volume", "/bind": "bind", "/named": "volume"}
    assert found("source") == {path: (kind, path != "/bind") for path, kind in kinds.items()}
    assert found("source:ro") == {path: (kind, False) for path, kind in kinds.items()}
    assert found("source", "-v", f"{tmp_path}:/named")["/named"] == ("bind", True)
    docker("create", "--name", "middle", "--volumes-from", "source:ro", *SLEEPER)
    assert found("middle")["/named"] == ("volume", False)
    # An anonymous volume stays as long as anybody has it.
    name = next(one["Name"] for one in engine.inspect("middle")["Mounts"] if one["Destination"] == "/anonymous")
    docker("rm", "-v", "source")
    assert engine.api("GET", f"/volumes/{name}").status == 200
    for text, words in (
        ("nobody", "No such container: nobody"),
        ("middle:bogus", "invalid mode: bogus"),
        ("", "volumes-from specification cannot be an empty string"),
    ):
        assert create(engine, VolumesFrom=[text]) == (400, words)


def test_volume_drivers_nobody_has(docker: Program, engine: Engine) -> None:
    words = 'create new: error looking up volume plugin nope: plugin "nope" not found'
    assert create(engine, VolumeDriver="nope", Binds=["new:/t"]) == (404, words)
    options = {"VolumeOptions": {"DriverConfig": {"Name": "nope"}}}
    assert create(engine, {"Type": "volume", "Source": "new", "Target": "/t", **options}) == (404, words)
    bad = {"VolumeOptions": {"DriverConfig": {"Options": {"bogus": "x"}}}}
    assert create(engine, {"Type": "volume", "Source": "new", "Target": "/t", **bad}) == (
        400,
        'create new: invalid option: "bogus"',
    )
    assert engine.api("GET", "/volumes/new").status == 404
    body = {"Image": "busybox", "HostConfig": {"VolumeDriver": "nope", "Mounts": [{"Type": "volume", "Target": "/t"}]}}
    told = engine.api("POST", "/containers/create", body).json()["Warnings"]
    assert "the container-wide volume-driver configuration is ignored" in told[0]


def test_tmpfs(docker: Program, engine: Engine) -> None:
    def words(*flags: str) -> set[str]:
        (fields,) = at(docker, "/t", *flags)
        return {*fields[5].split(","), *fields[-1].split(",")}

    defaults = {"nosuid", "nodev", "noexec"}
    assert defaults <= words("--tmpfs", "/t")
    assert {"size=1024k", "uid=5"} <= words("--tmpfs", "/t:size=1m,uid=5,exec")
    assert "noexec" not in words("--tmpfs", "/t:exec")
    assert {"ro", "size=64k", "mode=700"} <= words("--mount", "type=tmpfs,dst=/t,ro,tmpfs-size=64k,tmpfs-mode=700")
    for options, said in (
        ([["bogus"]], "invalid option: bogus"),
        ([["uid", "5"]], "invalid option: uid"),
        ([[]], "invalid option array length"),
    ):
        mount = {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Options": options}}
        assert create(engine, mount) == (400, f'invalid mount config for type "tmpfs": {said}')
    status, told = create(engine, Tmpfs={"/t": "bogus"})
    if status == 201:
        # dockerd reads them at start.
        status, told = started(engine, told)
    assert (status in (400, 500), told) == (True, 'invalid tmpfs option "bogus"')


def test_a_mount_over_a_directory_of_ours(docker: Program) -> None:
    volume(docker, "etc", "true")
    # The engine's files lie in what is mounted at /etc, not below it.
    assert "localhost" in docker("run", "--rm", "-v", "etc:/etc", "busybox", "cat", "/etc/hosts").out
    own = docker("run", "--rm", "--ipc", "shareable", "--tmpfs", "/dev/shm:size=1m", "busybox", "cat", "/proc/mounts")
    assert [line for line in own.lines if "/dev/shm" in line and "size=1024k" in line]
    assert len([line for line in own.lines if "/dev/shm" in line]) == 1


def test_sources_that_go_before_the_start(docker: Program, engine: Engine, tmp_path: Path) -> None:
    gone, made = tmp_path / "gone", tmp_path / "made"
    gone.mkdir()
    docker("create", "--name", "strict", "--mount", f"type=bind,src={gone},dst=/t", *SLEEPER)
    gone.rmdir()
    said = f'invalid mount config for type "bind": bind source path does not exist: {gone}'
    assert started(engine, "strict") == (400, said)
    docker("create", "--name", "lax", "-v", f"{made}:/t", *SLEEPER)
    assert not made.exists()
    docker("start", "lax")
    assert made.is_dir()


def test_a_file_over_a_directory(docker: Program, engine: Engine) -> None:
    docker("create", "--name", "wrong", "-v", "/etc/hostname:/tmp", *SLEEPER)
    status, said = started(engine, "wrong")
    assert status == 400 and said.endswith(
        "not a directory: Are you trying to mount a directory onto a file (or vice-versa)? "
        "Check if the specified host path exists and is the expected type"
    )
    state = engine.inspect("wrong")["State"]
    assert (state["ExitCode"], state["Error"]) == (127, said)


def test_a_volume_that_is_removed_while_a_container_is_made(engine: Engine) -> None:
    """Either the container has it or there is no container: never one with a volume that is gone."""
    for number in range(40):
        name = f"raced{number}"
        engine.api("POST", "/volumes/create", {"Name": name})
        answers: list[int] = []
        remover = threading.Thread(
            target=lambda name=name, answers=answers: answers.append(engine.api("DELETE", f"/volumes/{name}").status)
        )
        remover.start()
        status, container = create(engine, Binds=[f"{name}:/t"])
        remover.join()
        assert status == 201
        assert started(engine, container) == (204, "")
        assert engine.api("GET", f"/volumes/{name}").status == 200
        engine.api("DELETE", f"/containers/{container}?force=1")
    wait_until(lambda: not engine.containers(), "the containers to go")
