"""The local log driver: reading back, tails across files, following through a rotation, options."""

from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.logs import Selection
from havre.logs.drivers.local import LocalDriver

DRIVER = LocalDriver()


def record(text: str) -> str:
    return f"2026-01-02T03:04:05.000000001+00:00 stdout F {text}\n"


async def read(directory: Path, tail: int | None = None) -> bytes:
    selection = Selection(stdout=True, stderr=True, tail=tail, framed=False)
    return b"".join([chunk async for chunk in DRIVER.read(directory, selection, None)])


async def test_reads_rotated_files_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "log.2").write_text(record("a"))
    (tmp_path / "log.1").write_text(record("b"))
    (tmp_path / "log").write_text(record("c"))
    assert await read(tmp_path) == b"a\nb\nc\n"
    assert await read(tmp_path, tail=2) == b"b\nc\n"
    assert await read(tmp_path, tail=0) == b""


async def test_a_container_that_never_ran_has_an_empty_log(tmp_path: Path) -> None:
    assert await read(tmp_path) == b""


async def test_a_long_tail_is_found_from_the_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(record(f"line {number}") for number in range(20_000)))
    assert (await read(tmp_path, tail=15_000)).splitlines()[0] == b"line 5000"


async def test_a_record_still_being_written_waits(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(record("whole") + record("half")[:-3])
    assert await read(tmp_path) == b"whole\n"


class Steps:
    """A ``Follow`` that does one thing at each turn."""

    def __init__(self, *steps: object) -> None:
        self.steps = list(steps)

    async def more(self) -> bool:
        step = self.steps.pop(0)
        assert callable(step)
        step()
        return bool(self.steps)


async def test_following_goes_on_in_the_new_file_after_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(record("old"))

    def rotate() -> None:
        assert DRIVER.rotate(tmp_path, {"max-size": "1", "max-file": "2"})
        # What conmon still writes to the file it holds comes before the new one exists.
        with (tmp_path / "log.1").open("a") as file:
            file.write(record("late"))
        log.write_text(record("new"))

    def nothing() -> None: ...

    selection = Selection(stdout=True, stderr=True, framed=False)
    follow = Steps(rotate, nothing)
    text = b"".join([chunk async for chunk in DRIVER.read(tmp_path, selection, follow)])
    assert text == b"old\nlate\nnew\n"


def test_rotation_keeps_so_many_files(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / "log").write_text(record(str(number)))
        assert DRIVER.rotate(tmp_path, {"max-size": "10", "max-file": "3"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.1", "log.2"]
    (tmp_path / "log").touch()
    assert not DRIVER.rotate(tmp_path, {})


@pytest.mark.parametrize(
    "options",
    [{"max-size": "x"}, {"max-size": "0"}, {"max-file": "0"}, {"max-file": "a"}, {"tag": "x"}, {"compress": "true"}],
)
def test_bad_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        DRIVER.check(options)


def test_a_rotation_cut_short_is_completed(tmp_path: Path) -> None:
    """The daemon was killed after the file was renamed, before conmon was told to open a new one."""
    (tmp_path / "log.1").write_bytes(b"x" * 20)
    assert DRIVER.rotate(tmp_path, {"max-size": "10", "max-file": "2"})
    assert (tmp_path / "log.1").exists()
