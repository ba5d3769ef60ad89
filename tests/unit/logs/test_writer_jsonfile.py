"""The log writer's JSON file: every line once, whatever instant it is killed at, through rotations on both sides."""

import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from havre.logs.segments import rotate
from havre.logs.writer import jsonfile
from havre.logs.writer.jsonfile import JsonFile
from havre.logs.writer.position import Half, Position, PositionFile

CONFIG = {"file": "c-json.log", "max_size": -1, "max_file": 1, "compress": False, "attributes": ""}


class Killed(Exception):
    """Stands for SIGKILL."""


def record(text: str, flag: str = "F", stream: str = "stdout") -> bytes:
    return f"2026-01-02T03:04:05.000000001+00:00 {stream} {flag} {text}\n".encode()


def append(directory: Path, data: bytes) -> None:
    with (directory / "log").open("ab") as file:
        file.write(data)


def drain(directory: Path, **config: Any) -> JsonFile:
    target = JsonFile(directory, {**CONFIG, **config})
    while target.step():
        pass
    return target


def written(directory: Path) -> list[str]:
    """The text of all files, oldest first."""
    found = []
    for path in directory.glob("c-json.log*"):
        number = int(path.name.removesuffix(".gz").rpartition(".")[2]) if path.name != "c-json.log" else 0
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found.append((-number, [json.loads(line)["log"] for line in data.splitlines()]))
    return [text for _, texts in sorted(found) for text in texts]


def test_goes_on_where_it_was(tmp_path: Path) -> None:
    append(tmp_path, record("a") + record("b", "P"))
    drain(tmp_path).close()
    append(tmp_path, record("c") + record("d"))
    drain(tmp_path).close()
    assert written(tmp_path) == ["a\n", "bc\n", "d\n"]


def test_nothing_is_written_twice_after_an_append_that_was_not_committed(tmp_path: Path) -> None:
    append(tmp_path, record("a") + record("b", "P"))
    drain(tmp_path).close()
    position = (tmp_path / "log.position").read_bytes()
    append(tmp_path, record("c") + record("d") + record("e"))
    drain(tmp_path).close()
    whole = (tmp_path / "c-json.log").read_bytes()
    for size in range(len(whole) - 120, len(whole) + 1):
        # Killed when so much of it was in the file.
        (tmp_path / "log.position").write_bytes(position)
        with (tmp_path / "c-json.log").open("r+b") as file:
            file.write(whole)
            file.truncate(size)
        append(tmp_path, b"")
        drain(tmp_path).close()
        assert (tmp_path / "c-json.log").read_bytes() == whole


def test_rotates_by_lines_and_keeps_so_many_files(tmp_path: Path) -> None:
    append(tmp_path, b"".join(record(f"{number:04}") for number in range(100)))
    drain(tmp_path, max_size=400, max_file=3).close()
    names = sorted(path.name for path in tmp_path.glob("c-json*"))
    assert names == ["c-json.log", "c-json.log.1", "c-json.log.2"]
    kept = written(tmp_path)
    assert kept == [f"{number:04}\n" for number in range(100 - len(kept), 100)]
    assert len(kept) > 9


def test_a_step_does_not_fill_many_files(tmp_path: Path) -> None:
    """The others wait for it, and each new file has all those before it renamed."""
    append(tmp_path, b"".join(record(f"{number:04}") for number in range(300)))
    target = JsonFile(tmp_path, {**CONFIG, "max_size": 1, "max_file": 1000})
    assert target.step() > 0
    assert len(written(tmp_path)) < 20
    drain(tmp_path, max_size=1, max_file=1000).close()
    assert written(tmp_path) == [f"{number:04}\n" for number in range(300)]


def test_packs_all_but_the_newest(tmp_path: Path) -> None:
    append(tmp_path, b"".join(record(f"{number:04}") for number in range(100)))
    drain(tmp_path, max_size=800, max_file=4, compress=True).close()
    assert sorted(path.name for path in tmp_path.glob("c-json*")) == [
        "c-json.log", "c-json.log.1.gz", "c-json.log.2.gz", "c-json.log.3.gz"
    ]  # fmt: skip
    assert written(tmp_path)[-1] == "0099\n"


def test_the_end_of_a_run_flushes_and_drops_conmons_files(tmp_path: Path) -> None:
    append(tmp_path, record("a"))
    rotate(tmp_path)
    append(tmp_path, record("prompt> ", "P"))
    target = drain(tmp_path)
    target.flush()
    target.done()
    target.close()
    assert written(tmp_path) == ["a\n", "prompt> "]
    assert not list(tmp_path.glob("log")) and not list(tmp_path.glob("log.[0-9]*"))
    append(tmp_path, record("next run"))
    drain(tmp_path).close()
    assert written(tmp_path) == ["a\n", "prompt> ", "next run\n"]


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    append(tmp_path, record("a"))
    target = drain(tmp_path)
    (tmp_path / "c-json.log").unlink()
    append(tmp_path, record("b"))
    while target.step():
        pass
    assert written(tmp_path) == ["b\n"]
    (tmp_path / "c-json.log").write_bytes(b"")  # as logrotate's copytruncate does
    append(tmp_path, record("c"))
    target.close()
    drain(tmp_path).close()
    assert written(tmp_path) == ["c\n"]


@pytest.mark.timeout(20)
def test_a_fifo_in_its_place_is_an_error_of_its_own(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c-json.log")
    open_before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="No such device"):
        JsonFile(tmp_path, CONFIG)
    assert os.listdir("/proc/self/fd") == open_before


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(tmp_path, record("a") + record("b"))
    target = JsonFile(tmp_path, CONFIG)

    def full(fd: int, data: bytes) -> None:
        os.write(fd, data[:30])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(jsonfile, "_write", full)
        with pytest.raises(OSError, match="No space"):
            target.step()
    target.reset()
    while target.step():
        pass
    assert written(tmp_path) == ["a\n", "b\n"]


def test_killed_at_every_effect_it_writes_every_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each system call that changes something may be the last one; rotations go on all the time on both sides."""
    chance = random.Random(7)
    calls = {"left": 0}

    def dying(real: Any) -> Any:
        def call(*words: Any, **more: Any) -> Any:
            calls["left"] -= 1
            if calls["left"] == 0:
                raise Killed
            return real(*words, **more)

        return call

    for name in ("write", "pwrite"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    for name in ("rename", "unlink"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))
    config = {"max_size": 700, "max_file": 1000}
    wanted = 0
    for _ in range(400):
        calls["left"] = 0
        for _ in range(chance.randrange(1, 8)):
            append(tmp_path, record(f"{wanted}", chance.choice("FP")))
            wanted += 1
        if chance.random() < 0.3:
            rotate(tmp_path)
        calls["left"] = chance.randrange(1, 12)
        try:
            drain(tmp_path, **config).close()
        except Killed:
            continue
    calls["left"] = 0
    append(tmp_path, record("end"))
    target = drain(tmp_path, **config)
    target.flush()
    assert "".join(written(tmp_path)).replace("\n", "") == "".join(map(str, range(wanted))) + "end"


def test_positions_survive_a_torn_slot(tmp_path: Path) -> None:
    path = tmp_path / "position"
    first = Position(3, 17, 5, 6, 7, Half(b"abc", 2), Half(b"", 0))
    file = PositionFile(path)
    assert file.load() == Position()
    file.commit(first)
    second = Position(4, 0, 5, 9, 0, Half(), Half(b"x" * 16383, 1))
    file.commit(second)
    file.close()
    file = PositionFile(path)
    assert file.load() == second
    with path.open("r+b") as damaged:
        damaged.seek(40)
        damaged.write(b"torn")
    assert PositionFile(path).load() == first
