"""What a container did to its files: ``diff``, ``export``, ``commit``, by the docker CLI, havre's own, and the API."""

import http.client
import io
import json
import os
import stat
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.harness import Engine, Havred, UnixConnection, wait_until
from tests.system.programs import Program
from tests.system.test_cp_docker import packed, unpacked
from tests.system.test_cp_views import Slow, mounts_of

CHANGES = r"""
mkdir -p /new/deep; echo a >/new/deep/f; ln /new/deep/f /new/hard; ln -s f /new/sym; mkfifo /new/fifo
mknod /new/null c 1 3; chown 5:6 /new/fifo; chmod 4711 /new/deep/f
echo x >>/etc/passwd; rm /etc/group; chmod 700 /run; touch -d @1000000000 /tmp; touch -d @1000000000 /etc/nsswitch.conf
rm /bin/dd; mkdir /bin/dd; touch /bin/dd/x; mv /bin/df /bin/df2; rm -rf /home; mkdir /home; echo h >/home/h
echo v >/vol/data; touch /bound/in; mkdir -p /gone/too; rm -r /gone
touch -d @1600000000 /new/deep/f; touch /done; sleep 1000
"""
TOLD = {
    *("A /new", "A /new/deep", "A /new/deep/f", "A /new/hard", "A /new/sym", "A /new/fifo", "A /new/null"),
    *("C /etc", "C /etc/passwd", "D /etc/group", "C /etc/nsswitch.conf", "C /run", "A /done"),
    *("C /bin", "C /bin/dd", "A /bin/dd/x", "A /bin/df2", "D /bin/df", "C /home", "D /home/app", "A /home/h"),
    *("A /vol", "A /bound"),
}


@pytest.fixture
def changed(docker: Program, tmp_path: Path) -> str:
    """A running container that has done ``CHANGES``."""
    (tmp_path / "bound").mkdir()
    mounts = ("-v", "vol:/vol", "-v", f"{tmp_path / 'bound'}:/bound")
    docker("run", "-d", "--name", "box", *mounts, "busybox", "sh", "-c", CHANGES)
    wait_until(lambda: "done" in docker("exec", "box", "ls", "/").lines, "the changes")
    return "box"


def layers(engine: Engine, image: str) -> list[bytes]:
    """The archives of an image's layers, bottom first."""
    with tarfile.open(fileobj=io.BytesIO(engine.api("GET", f"/images/{image}/get").body)) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        return [tar.extractfile(name).read() for name in manifest[0]["Layers"]]  # type: ignore[union-attr]


def test_diff(docker: Program, havre: Program, engine: Engine, changed: str) -> None:
    found = docker("diff", "box").lines
    assert set(found) == TOLD and len(found) == len(TOLD)
    for place, line in enumerate(found):
        parents = {str(parent) for parent in Path(line[2:]).parents} - {"/"}
        assert parents <= {above[2:] for above in found[:place]}, line
    if isinstance(engine, Havred):
        assert havre("diff", "box").lines == found
    docker("kill", "box")
    assert set(docker("diff", "box").lines) == TOLD
    docker("create", "--name", "fresh", "busybox")
    assert engine.api("GET", "/containers/fresh/changes").body == b"null\n"
    assert docker("diff", "fresh").out == ""
    answer = engine.api("GET", "/containers/nobody/changes")
    assert (answer.status, answer.json()["message"]) == (404, "No such container: nobody")


def test_export(docker: Program, engine: Engine, changed: str, tmp_path: Path) -> None:
    docker("export", "-o", str(tmp_path / "running"), "box")
    found = unpacked((tmp_path / "running").read_bytes())
    assert found["new/deep/f"].mode == 0o4711 and found["new/deep/f"].mtime == 1_600_000_000
    assert (found["new/hard"].type, found["new/hard"].linkname) == (b"1", "new/deep/f")
    assert (found["new/fifo"].type, found["new/fifo"].uid, found["new/fifo"].gid) == (b"6", 5, 6)
    assert (found["new/null"].type, found["new/null"].devmajor, found["new/null"].devminor) == (b"3", 1, 3)
    assert (found["bin/sh"].type, found["bin/sh"].linkname) == (b"2", "/bin/busybox")
    assert not {"etc/group", "home/app", "bin/df", "vol/data", "bound/in"} & set(found)
    assert found["vol"].isdir() and found["bound"].isdir() and found["proc"].isdir()
    assert not [name for name in found if name.startswith(("/", "./", "proc/", "sys/"))]
    docker("kill", "box")
    docker("export", "-o", str(tmp_path / "stopped"), "box")
    assert list(unpacked((tmp_path / "stopped").read_bytes())) == list(found)
    docker("import", str(tmp_path / "running"), "imported:x")
    try:
        assert docker("run", "--rm", "imported:x", "cat", "/new/deep/f", "/home/h").out == "a\nh\n"
    finally:
        docker("rmi", "-f", "imported:x")


def test_commit(docker: Program, engine: Engine, changed: str, tmp_path: Path) -> None:
    docker("commit", "-a", "me", "-m", "why", "-c", "ENV A=1", "-c", 'CMD ["cat", "/home/h"]', "box", "made:1")
    assert docker("run", "--rm", "made:1").out == "h\n"
    shown = engine.api("GET", "/images/made:1/json").json()
    base = engine.api("GET", "/images/busybox/json").json()
    assert (shown["Author"], shown["Comment"]) == ("me", "why")
    assert "A=1" in shown["Config"]["Env"] and shown["Config"]["Cmd"] == ["cat", "/home/h"]
    assert shown["RootFS"]["Layers"][:-1] == base["RootFS"]["Layers"]
    step = engine.api("GET", "/images/made:1/history").json()[0]
    assert step["Comment"] == "why" and step["CreatedBy"].startswith("sh -c") and step["Size"] > 0
    old = engine.api("GET", "/v1.44/images/made:1/json").json()
    assert old["Container"] == engine.inspect("box")["Id"] and old["ContainerConfig"]["Image"] == "busybox"
    found = unpacked(layers(engine, "made:1")[-1])
    assert {"etc/.wh.group", "home/.wh..wh..opq", "bin/.wh.df", "vol", "bound"} <= set(found)
    assert not {"etc/group", "vol/data", "bound/in", "etc/hosts", "tmp/x"} & set(found)
    docker("save", "-o", str(tmp_path / "saved"), "made:1")
    mine = _tree(shown) if isinstance(engine, Havred) else None
    docker("rm", "-f", "box")
    docker("rmi", "made:1")
    docker("load", "-i", str(tmp_path / "saved"))
    loaded = engine.api("GET", "/images/made:1/json").json()
    assert loaded["Id"] == shown["Id"] and loaded["Size"] == shown["Size"]
    if mine is not None:
        assert _tree(loaded) == mine, "unpacked, the layer is another one than was committed"
    assert docker("run", "--rm", "made:1", "ls", "/home", "/bin/dd").out == "/bin/dd:\nx\n\n/home:\nh\n"
    docker("rmi", "made:1")


def _tree(image: dict[str, Any]) -> dict[str, Any]:
    """The files of the top layer on disk."""
    root = Path(image["GraphDriver"]["Data"]["UpperDir"])
    return {str(path.relative_to(root)): _facts(path) for path in root.rglob("*")}


def _facts(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    special = stat.S_ISCHR(status.st_mode) and not status.st_rdev
    names = os.listxattr(path, follow_symlinks=False)
    when = 0 if special else status.st_mtime_ns
    size = 0 if path.is_dir() else status.st_size
    return (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, status.st_nlink, when, size, sorted(names))


def test_nothing_changed_makes_no_layer(docker: Program, engine: Engine) -> None:
    docker("run", "--name", "box", "busybox", "true")
    image = docker("commit", "box").out.strip()
    shown = engine.api("GET", f"/images/{image}/json").json()
    assert shown["RootFS"] == engine.api("GET", "/images/busybox/json").json()["RootFS"]
    assert docker("run", "--rm", image, "echo", "runs").out == "runs\n"
    # Once more, and the same: what it makes must be no obstacle.
    docker("cp", "-", "box:/", stdin=packed(("in", {"data": b"x"})))
    one, two = (docker("commit", "box").out.strip() for _ in range(2))
    assert (
        engine.api("GET", f"/images/{one}/json").json()["RootFS"]
        == (engine.api("GET", f"/images/{two}/json").json()["RootFS"])
    )
    docker("rmi", one)
    assert docker("run", "--rm", two, "cat", "/in").out == "x"
    docker("rmi", two, image)


def test_an_image_does_not_change_with_its_container(docker: Program) -> None:
    docker("run", "-d", "--name", "box", "busybox", "sh", "-c", "echo before >/f; sleep 1000")
    wait_until(lambda: docker("exec", "box", "cat", "/f", code=None).out == "before\n", "the file")
    docker("commit", "box", "made:2")
    docker("exec", "box", "sh", "-c", "echo after >>/f; chmod 777 /f; touch /g")
    assert docker("run", "--rm", "made:2", "ls", "-l", "/f").out.startswith("-rw-r--r--")
    assert docker("run", "--rm", "made:2", "cat", "/f").out == "before\n"
    docker("rm", "-f", "box")
    assert docker("run", "--rm", "made:2", "cat", "/f").out == "before\n"
    docker("rmi", "made:2")


def test_pausing(docker: Program, engine: Engine) -> None:
    begin = time.time()
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    images = [docker("commit", "box").out.strip(), docker("commit", "--pause=false", "box").out.strip()]
    assert engine.inspect("box")["State"]["Status"] == "running"
    docker("pause", "box")
    images.append(docker("commit", "box").out.strip())
    assert engine.inspect("box")["State"]["Status"] == "paused", "its user paused it"
    answer = engine.api("POST", "/commit?container=box&changes=FOO")
    assert (answer.status, answer.json()["message"]) == (400, "FOO is not a valid change command")
    docker("unpause", "box")
    lines = engine.api("GET", f"/events?since={begin:.6f}&until={time.time():.6f}").body.splitlines()
    told = [event["Action"] for event in map(json.loads, lines) if event["Type"] == "container"]
    counted = [told.count(action) for action in ("pause", "unpause", "commit")]
    assert counted == [2, 2, 3]
    docker("rmi", *set(images))


def test_refusals(docker: Program, engine: Engine) -> None:
    for path in ("/containers/nobody/export", "/containers/nobody/changes"):
        assert engine.api("GET", path).status == 404
    assert engine.api("POST", "/commit?container=nobody").status == 404
    answer = engine.api("POST", "/commit")
    assert (answer.status, answer.json()["message"]) == (400, 'invalid name or ID supplied: ""')
    docker("create", "--name", "box", "busybox")
    assert "must be lowercase" in docker("commit", "box", "UPPER", code=1).err


def test_a_receiver_that_goes_leaves_nothing(docker: Program, havred: Havred) -> None:
    assert havred.process is not None
    docker("create", "--name", "box", "busybox")
    docker("cp", "-", "box:/", stdin=packed(("big", {"data": bytes(30_000_000)})))
    container = havred.inspect("box")["Id"]
    wait_until(lambda: not mounts_of(havred, container), "the copy to end")
    descriptors = Path(f"/proc/{havred.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    connection = UnixConnection(havred.socket, 60)
    connection.request("GET", "/containers/box/export")
    response = connection.getresponse()
    response.read(1000)
    assert mounts_of(havred, container)
    connection.close()
    response.close()
    wait_until(lambda: not mounts_of(havred, container), "the export to end")
    wait_until(lambda: len(list(descriptors.iterdir())) <= before, "its descriptors to be closed")


def test_a_life_during_an_export(docker: Program, havred: Havred) -> None:
    """It starts, stops and goes while its files are read; nothing is torn but by its removal."""
    docker("create", "--name", "box", "busybox", "sleep", "1000")
    docker("cp", "-", "box:/", stdin=packed(("zz", {"data": bytes(30_000_000)})))
    for verb in ("start", "kill", "start"):
        reading = _Export(havred)
        docker(verb, "box")
        assert unpacked(reading.finish()[1])["zz"].size == 30_000_000
    reading = _Export(havred)
    docker("rm", "-f", "box")
    # Whole or noticed to be broken: never an end that looks like one.
    try:
        _, body = reading.finish()
    except (OSError, http.client.HTTPException):
        return
    assert unpacked(body)["zz"].size == 30_000_000


class _Export(Slow):
    """An export asked for and not read yet."""

    def __init__(self, engine: Engine) -> None:
        self._connection = UnixConnection(engine.socket, 60)
        self._connection.request("GET", "/containers/box/export")
        self._response = self._connection.getresponse()


def test_programs_see_that_they_are_in_a_container(docker: Program) -> None:
    docker("run", "--name", "box", "busybox", "sh", "-c", "test -f /.dockerenv && echo x >/mine")
    assert docker("diff", "box").lines == ["A /mine"]
    docker("commit", "box", "committed")
    assert docker("run", "--rm", "committed", "ls", "/.dockerenv", "/mine").lines == ["/.dockerenv", "/mine"]
    docker("cp", "box:/.dockerenv", "-")
    docker("rm", "box")
    docker("rmi", "committed")
