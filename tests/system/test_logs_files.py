"""Log files: Docker's JSON lines for those who tail them, rotation at full speed, and what a killed daemon leaves."""

import gzip
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import docker_for
from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

# Two processes write numbered lines as fast as they can, one a stream, in blocks that end anywhere in a line.
FLOOD = """
write() { seq $2 $3 | sed "s/^/$1 /; s/$/ abcdefghijklmnopqrstuvwxyz0123456789/"; }
write a 1 30000 & write b 1 30000 >&2 & wait
head -c 50000 /dev/zero | tr '\\0' x; echo; printf end
"""
LONG = "x" * 50_000


def entries(path: Path) -> list[dict[str, Any]]:
    """All entries of a JSON log and of those rotated away, oldest first."""
    files = sorted(path.parent.glob(f"{path.name}*"), key=_age, reverse=True)
    data = b"".join(gzip.decompress(one.read_bytes()) if one.suffix == ".gz" else one.read_bytes() for one in files)
    return [json.loads(line) for line in data.splitlines()]


def _age(path: Path) -> int:
    ending = path.name.partition("-json.log")[2].removesuffix(".gz")
    return int(ending.removeprefix(".") or 0)


def assert_every_line_once(out: str, err: str) -> None:
    for name, text, last in (("a", out, [LONG, "end"]), ("b", err, [""])):
        lines = text.split("\n")
        numbers = [int(line.split()[1]) for line in lines if line.startswith(f"{name} ")]
        assert numbers == list(range(1, 30_001)), f"{name}: {len(numbers)} lines"
        assert lines[30_000:] == last
        assert {len(line.split()) for line in lines[:30_000]} == {3}


def writers(havred: Havred) -> list[int]:
    """The log writers of this daemon's roots."""
    lock = str(havred.data_root / "log.lock")
    found = subprocess.run(["pgrep", "-f", lock], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in found.split()]


def test_dockers_json_lines(cli: Program, engine: Engine) -> None:
    options = ("--label", "color=red", "--label", "x=y", "-e", "KIND=b", "--log-opt", "labels=color", "--log-opt")
    script = r"""printf 'a\t<b>"\\\r\377\303\251\n\n'; echo err >&2; printf end"""
    run = ("run", "--name", "lines", *options, "env=KIND,NONE", "--log-opt", "tag={{.Name}}", "busybox", "sh", "-c")
    cli(*run, script, code=0)
    path = Path(engine.inspect("lines")["LogPath"])
    assert path.name == f"{engine.inspect('lines')['Id']}-json.log"
    found = entries(path)
    assert [entry["log"] for entry in found if entry["stream"] == "stdout"] == ['a\t<b>"\\\r\ufffdé\n', "\n", "end"]
    assert [entry["log"] for entry in found if entry["stream"] == "stderr"] == ["err\n"]
    for line in path.read_bytes().splitlines():
        assert list(json.loads(line)) == ["log", "stream", "attrs", "time"]
        assert json.loads(line)["attrs"] == {"KIND": "b", "color": "red", "tag": "lines"}
    assert cli("logs", "--details", "lines").err == "KIND=b,color=red,tag=lines err\n"
    cli("start", "lines")
    cli("wait", "lines")
    assert len(entries(path)) == 2 * len(found)
    assert cli("logs", "lines", "-n", "1").out == "end"


def test_logs_that_cannot_be_read(docker: Program, engine: Engine) -> None:
    docker("run", "--name", "mute", "--log-driver", "none", "busybox", "echo", "x", code=0)
    assert engine.inspect("mute")["LogPath"] == ""
    answer = engine.api("GET", "/containers/mute/logs?stdout=1")
    assert (answer.status, answer.json()) == (501, {"message": "configured logging driver does not support reading"})


def test_bad_options_and_unknown_drivers(docker: Program) -> None:
    said = docker("create", "--log-opt", "max-sise=1", "busybox", code=1).err
    assert said == "Error response from daemon: unknown log opt 'max-sise' for json-file log driver\n"
    said = docker("create", "--log-driver", "bogus", "busybox", code=1).err
    assert said == 'Error response from daemon: error looking up logging plugin bogus: plugin "bogus" not found\n'


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_following_through_rotations(docker: Program, driver: str) -> None:
    """Also the long line and the end without a newline come once, and tails reach back over many files."""
    options = ("--log-driver", driver, "--log-opt", "max-size=100k", "--log-opt", "max-file=500")
    docker("run", "-d", "-i", "--name", "flood", *options, "busybox", "sh", "-c", f"read go; {FLOOD}")
    follower = docker.start("logs", "-f", "flood")
    feeder = docker.start("attach", "flood", stdin=subprocess.PIPE)
    feeder.communicate(b"go\n", timeout=60)
    out, err = (text.decode() for text in follower.communicate(timeout=60))
    assert_every_line_once(out, err)
    again = docker("logs", "flood")
    assert (again.out, again.err) == (out, err)
    tail = docker("logs", "--tail", "50000", "flood")
    assert len(tail.out.split("\n") + tail.err.split("\n")[:-1]) == 50_000
    assert out.endswith(tail.out) and err.endswith(tail.err)


def test_a_log_file_removed_under_the_daemon_is_made_again(docker: Program, havred: Havred) -> None:
    docker("run", "-d", "-i", "--name", "again", "busybox", "sh", "-c", "echo a; cat; echo b")
    path = Path(havred.inspect("again")["LogPath"])
    wait_until(lambda: path.exists() and path.read_bytes(), "the first line")
    path.unlink()
    docker("stop", "-t", "0", "again")
    assert docker("logs", "again").out == ""
    docker("start", "again")
    assert docker("logs", "again").out in ("", "a\n")
    wait_until(lambda: docker("logs", "again").out == "a\n", "the line of the second run")


@pytest.fixture
def small(fresh_havred: Havred, tmp_path: Path) -> Iterator[tuple[Havred, Program]]:
    yield fresh_havred, docker_for(fresh_havred, tmp_path)


def test_every_line_is_there_once_after_kills(small: tuple[Havred, Program]) -> None:
    """Daemon and log writer are killed again and again while two writers flood and files rotate all the time."""
    havred, docker = small
    parts = [f"write a {n} {n + 9999} & write b {n} {n + 9999} >&2 & wait; sleep 0.7" for n in (1, 10_001, 20_001)]
    slow = FLOOD.replace("write a 1 30000 & write b 1 30000 >&2 & wait", "\n".join(parts))
    for name, driver in (("json", "json-file"), ("local", "local")):
        options = ("--log-driver", driver, "--log-opt", "max-size=60k", "--log-opt", "max-file=900")
        docker("run", "-d", "--name", name, *options, "busybox", "sh", "-c", slow)
    for number in range(6):
        time.sleep(0.3)
        if number % 2:
            for pid in writers(havred):
                os.kill(pid, signal.SIGKILL)
        else:
            havred.kill()
            havred.start()
    path = Path(havred.inspect("json")["LogPath"])
    docker("wait", "json", "local")
    found = entries(path)
    texts = ["".join(entry["log"] for entry in found if entry["stream"] == name) for name in ("stdout", "stderr")]
    assert_every_line_once(*texts)
    for name in ("json", "local"):
        read = docker("logs", name)
        assert_every_line_once(read.out, read.err)
    # What only passed through is gone.
    assert not [one.name for one in path.parent.iterdir() if one.name.startswith("log") and one.name != "log.position"]
    assert len(list(path.parent.glob("*-json.log*"))) > 20


def test_the_newest_lines_stay(small: tuple[Havred, Program]) -> None:
    """Within ``max-size`` times ``max-file`` no line is missing between the oldest one kept and the end."""
    havred, docker = small
    for driver in ("json-file", "local"):
        options = ("--log-driver", driver, "--log-opt", "max-size=64k", "--log-opt", "max-file=4")
        compress = ("--log-opt", "compress=true")
        docker("run", "--name", driver, *options, *compress, "busybox", "seq", "100000", code=0)
        numbers = [int(line) for line in docker("logs", driver).out.split()]
        assert numbers == list(range(numbers[0], 100_001))
        assert len(numbers) > 1000
    directory = Path(havred.inspect("json-file")["LogPath"]).parent
    sizes = {path.name.partition("-json.log")[2]: path.stat().st_size for path in directory.glob("*-json.log*")}
    assert sorted(sizes) == ["", ".1.gz", ".2.gz", ".3.gz"]
    assert sizes[""] <= 65 << 10
