"""Files of containers that fight back: links swapped under a copy, and planted programs. Nothing leads to the host."""

import bz2
import gzip
import itertools
import lzma
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backports import zstd

from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.harness import Engine, wait_until
from tests.system.programs import Program
from tests.system.test_cp_docker import packed, request

SECRET = b"secret of the host"
ROUNDS = 10_000
SWAPPER = """
mkdir -p /d/sub; echo mine >/d/sub/f; ln -s {outside} /l; i=0
while [ $i -lt {rounds} ]; do mv /d /a; mv -T /l /d; mv -T /d /l; mv /a /d; i=$((i+1)); done 2>/dev/null
echo all rounds done; sleep 1000
"""
PLANTED = ("tar", "gzip", "gunzip", "unpigz", "pigz", "xz", "unxz", "bzip2", "zstd", "unzstd", "ps", "mount", "runc")

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstd.compress,
}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host, which the container's link points to; it is the same in the end."""
    place = tmp_path / "outside"
    (place / "sub").mkdir(parents=True)
    (place / "sub" / "f").write_bytes(SECRET)
    before = {path: path.lstat().st_ctime_ns for path in [place, *place.rglob("*")]}
    yield place
    assert {path: path.lstat().st_ctime_ns for path in [place, *place.rglob("*")]} == before


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_ten_thousand_swaps_of_a_link_under_copies(docker: Program, engine: Engine, outside: Path) -> None:
    """A process exchanges a directory for a link to the host, again and again, while files are copied both ways."""
    docker("run", "-d", "--name", "box", "busybox", "sh", "-c", SWAPPER.format(outside=outside, rounds=ROUNDS))
    wait_until(lambda: docker("exec", "box", "ls", "-d", "/a", "/l", code=None).out, "the swapping to begin")
    over = threading.Event()
    read: set[int] = set()
    written: set[int] = set()
    whole = packed(("d/sub/new", {"data": b"x"}), ("d/sub/f", {"data": b"y"}), ("d/top", {"data": b"z"}))
    deeper = packed(("in", {"data": b"x"}))

    def reading() -> None:
        for path in itertools.cycle(("/d/sub", "/d/", "/d/sub/f", "/l", "/")):
            answer = request(engine, path)
            read.add(answer.status if SECRET not in answer.body else 666)
            if over.is_set():
                return

    reader = threading.Thread(target=reading)
    reader.start()
    try:
        while "all rounds done" not in docker("logs", "box").out:
            for _ in range(50):
                written.add(request(engine, "/", body=whole).status)
                written.add(request(engine, "/d/sub", body=deeper).status)
    finally:
        over.set()
        reader.join()
    assert 666 not in read
    assert 200 in read and 200 in written and len(read | written) > 1, "the race was not run"
    assert sorted(os.listdir(outside / "sub")) == ["f"]


def test_changes_and_images_of_a_container_that_swaps_links(docker: Program, engine: Engine, outside: Path) -> None:
    docker("run", "-d", "--name", "box", "busybox", "sh", "-c", SWAPPER.format(outside=outside, rounds=ROUNDS))
    wait_until(lambda: docker("exec", "box", "ls", "-d", "/a", "/l", code=None).out, "the swapping to begin")
    for number in range(20):
        assert SECRET not in engine.api("GET", "/containers/box/export").body
        found = engine.api("GET", "/containers/box/changes")
        assert found.status == 200 and "/outside" not in found.body.decode()
        answer = engine.api("POST", f"/commit?container=box&repo=swapped&pause={number % 2}")
        assert answer.status == 201, answer
        assert SECRET not in engine.api("GET", "/images/swapped/get").body
        assert engine.api("DELETE", f"/images/{answer.json()['Id']}").status == 200


def test_planted_programs_are_never_run(new_havred: NewDaemon, tmp_path: Path) -> None:
    """Neither the container's tar, xz or gzip nor any program but conmon, the runtime and our own unpacking is run."""
    started = tmp_path / "programs"
    daemon = new_havred()
    spying = [sys.executable, str(Path(__file__).with_name("spying.py"))]
    daemon.start(program=spying, env={"HAVRE_TEST_PROGRAMS": str(started)})
    daemon.load(images.busybox().archive("busybox:latest"))
    docker = docker_for(daemon, tmp_path)
    trap = b"#!/bin/sh\ntouch /trapped\n"
    places = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin")
    traps = packed(*((f"{place}/{name}", {"data": trap, "mode": 0o755}) for place in places for name in PLANTED))
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    docker("cp", "-", "box:/", stdin=traps)
    for kind, compress in COMPRESSIONS.items():
        docker("cp", "-", "box:/tmp", stdin=compress(packed((kind, {"data": b"x"}))))
        docker("import", "-", f"imported-{kind}", stdin=compress(packed((kind, {}))))
    assert docker("exec", "box", "ls", "/tmp").lines == sorted(COMPRESSIONS)
    docker("cp", "box:/tmp", str(tmp_path / "out"))
    docker("diff", "box")
    docker("export", "-o", str(tmp_path / "exported"), "box")
    docker("commit", "box", "committed")
    docker("save", "-o", str(tmp_path / "saved"), "committed")
    docker("rmi", "committed")
    docker("load", "-i", str(tmp_path / "saved"))
    docker("import", str(tmp_path / "exported"), "imported")
    assert docker("run", "--rm", "committed", "ls", "/").out.find("trapped") < 0
    assert "trapped" not in docker("exec", "box", "ls", "/").lines and not Path("/trapped").exists()
    docker("rm", "-f", "box")
    programs = {Path(line.split("'")[1]).name for line in started.read_text().splitlines()}
    probes = {name for name in programs if name.startswith("havre-abi-")}  # our own, made in memory
    # The host's own, asked for rules that would keep containers from the network.
    own = {"conmon", "runc", "crun", "iptables-legacy", "ip6tables-legacy", Path(sys.executable).name}
    assert programs - probes <= own
