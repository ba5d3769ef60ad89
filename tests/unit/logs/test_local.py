"""The local log driver: reading back, tails across files, following through rotations, packed files, options."""

import gzip
from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.logs import Selection
from havre.logs.drivers.local import LocalDriver
from havre.logs.segments import compress, rotate, rotated

DRIVER = LocalDriver()


def record(text: str) -> str:
    return f"2026-01-02T03:04:05.000000001+00:00 stdout F {text}\n"


async def read(directory: Path, tail: int | None = None) -> bytes:
    selection = Selection(stdout=True, stderr=True, tail=tail, framed=False)
    return b"".join([chunk async for chunk in DRIVER.read(directory, {}, selection, None)])


async def test_reads_rotated_files_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "log.9.gz").write_bytes(gzip.compress(record("a").encode()))
    (tmp_path / "log.10").write_text(record("b"))
    (tmp_path / "log").write_text(record("c"))
    assert await read(tmp_path) == b"a\nb\nc\n"
    assert await read(tmp_path, tail=2) == b"b\nc\n"
    assert await read(tmp_path, tail=3) == b"a\nb\nc\n"
    assert await read(tmp_path, tail=0) == b""


async def test_a_container_that_never_ran_has_an_empty_log(tmp_path: Path) -> None:
    assert await read(tmp_path) == b""


async def test_a_long_tail_is_found_from_the_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(record(f"line {number}") for number in range(20_000)))
    assert (await read(tmp_path, tail=15_000)).splitlines()[0] == b"line 5000"


async def test_a_record_still_being_written_waits(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(record("whole") + record("half")[:-3])
    assert await read(tmp_path) == b"whole\n"


async def test_what_can_be_unpacked_of_a_damaged_file_is_shown(tmp_path: Path) -> None:
    (tmp_path / "log.1.gz").write_bytes(gzip.compress(record("a").encode() * 1000)[:-9])
    (tmp_path / "log").write_text(record("b"))
    assert (await read(tmp_path)).endswith(b"a\nb\n")


class Steps:
    """A ``Follow`` that does one thing at each turn."""

    def __init__(self, *steps: object) -> None:
        self.steps = list(steps)

    async def more(self) -> bool:
        step = self.steps.pop(0)
        assert callable(step)
        step()
        return bool(self.steps)


async def test_following_goes_on_in_the_new_files_after_rotations(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(record("old"))

    def twice() -> None:
        rotate(tmp_path)
        # What conmon still writes to the file it holds comes before the new one exists.
        with (tmp_path / "log.1").open("a") as file:
            file.write(record("late"))
        log.write_text(record("between"))
        rotate(tmp_path)
        log.write_text(record("new"))

    def nothing() -> None: ...

    selection = Selection(stdout=True, stderr=True, framed=False)
    text = b"".join([chunk async for chunk in DRIVER.read(tmp_path, {}, selection, Steps(twice, nothing))])
    assert text == b"old\nlate\nbetween\nnew\n"


def test_numbers_go_on_behind_the_last(tmp_path: Path) -> None:
    assert rotate(tmp_path) is None
    for number in range(1, 4):
        (tmp_path / "log").touch()
        segment = rotate(tmp_path)
        assert segment is not None and segment.number == number
    (tmp_path / "log").touch()
    segment = rotate(tmp_path, least=40)
    assert segment is not None and segment.path.name == "log.40"
    (tmp_path / "log.tmp").touch()
    compress(tmp_path / "log.2", tmp_path / "log.2.gz")
    assert [one.path.name for one in rotated(tmp_path)] == ["log.1", "log.2.gz", "log.3", "log.40"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max-size": "x"}, "invalid value for max-size: x: invalid size: 'x'"),
        ({"max-size": "-1"}, "invalid value for max-size: -1: invalid size: '-1'"),
        ({"max-file": "0"}, "compression cannot be enabled when max file count is 1"),
        ({"max-file": "a"}, 'invalid value for max-file: a: strconv.Atoi: parsing "a": invalid syntax'),
        ({"compress": "x"}, 'error reading compress log option: strconv.ParseBool: parsing "x": invalid syntax'),
        ({"tag": "x"}, "unknown log opt 'tag' for log driver local"),
    ],
)
def test_bad_options_are_refused_in_dockerds_words(options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        DRIVER.check(options)
    assert caught.value.message == text


def test_good_options_are_taken() -> None:
    DRIVER.check({"max-size": "10k", "max-file": "1", "compress": "false", "mode": "non-blocking"})
    DRIVER.check({"max-size": "0"})
