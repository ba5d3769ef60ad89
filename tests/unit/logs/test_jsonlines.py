"""Reading ``json-file``: Docker's lines, as havre and others write them, against what a client gets."""

from pathlib import Path

from havre.logs import Selection
from havre.logs.drivers.jsonfile import JsonFileDriver
from havre.logs.jsonlines import JsonLines, JsonRenderer
from havre.wire import stdcopy

T1, T2 = "2026-01-02T03:04:05.000000001", "2026-01-02T03:04:06.000000002"
LOG = (
    f'{{"log":"one\\n","stream":"stdout","time":"{T1}Z"}}\n'
    f'{{"log":"bad\\n","stream":"stderr","attrs":{{"a":"b"}},"time":"{T1}Z"}}\n'
    f'{{"log":"half ","stream":"stdout","time":"{T2}Z"}}\n'
    f'{{"log":"d\\u003cn\\u0000\\n","stream":"stdout","time":"{T2}Z"}}\n'
    f'{{"log":"\\n","stream":"stdout","time":"{T2}Z"}}\n'
).encode()


def render(text: bytes = LOG, **options: object) -> bytes:
    given = {"stdout": True, "stderr": True, "framed": False, **options}
    return JsonRenderer(Selection(**given)).render(text)  # type: ignore[arg-type]


def test_text_is_what_the_process_wrote() -> None:
    assert render() == b"one\nbad\nhalf d<n\0\n\n"
    assert render(stderr=False) == b"one\nhalf d<n\0\n\n"
    assert stdcopy.Demuxer().feed(render(framed=True)) == [
        (1, b"one\n"), (2, b"bad\n"), (1, b"half "), (1, b"d<n\0\n"), (1, b"\n")
    ]  # fmt: skip


def test_time_stamps_stand_once_before_a_line_in_parts() -> None:
    assert render(timestamps=True, stderr=False) == f"{T1}Z one\n{T2}Z half d<n\0\n{T2}Z \n".encode()


def test_since_and_until() -> None:
    later = 1767323046_000000000
    assert render(since_ns=later) == b"half d<n\0\n\n"
    assert render(until_ns=later) == b"one\nbad\n"


def test_times_of_any_length_are_compared() -> None:
    text = b'{"log":"x\\n","stream":"stdout","time":"2026-01-02T03:04:06.5Z"}\n'
    assert render(text, since_ns=1767323046_400000000, timestamps=True) == b"2026-01-02T03:04:06.500000000Z x\n"
    assert render(text, since_ns=1767323046_600000000) == b""
    assert render(text.replace(b".5Z", b"Z"), timestamps=True) == b"2026-01-02T03:04:06.000000000Z x\n"


def test_lines_that_are_none_are_left_out() -> None:
    assert render(b"garbage\n" + LOG[:60] + b"\n" + LOG) == render()


def test_tails_count_lines_of_text() -> None:
    form = JsonLines()
    for wanted, rest in ((1, b"\n"), (2, b"half d<n\0\n\n"), (3, b"bad\nhalf d<n\0\n\n"), (9, render())):
        offset, count = form.tail_offset(LOG, wanted)
        assert (render(LOG[offset:]), count) == (rest, min(wanted, 4))
    assert form.tail_offset(b"", 3) == (0, 0)


async def test_rotated_files_are_read_oldest_first(tmp_path: Path) -> None:
    directory = tmp_path / "abc"
    directory.mkdir()
    lines = LOG.splitlines(keepends=True)
    for name, line in ((".2", lines[0]), (".1", lines[1]), ("", lines[4])):
        (directory / f"abc-json.log{name}").write_bytes(line)
    driver = JsonFileDriver()
    assert driver.log_path(directory) == directory / "abc-json.log"
    selection = Selection(stdout=True, stderr=True, framed=False)
    assert b"".join([one async for one in driver.read(directory, {}, selection, None)]) == b"one\nbad\n\n"
    selection = Selection(stdout=True, stderr=True, framed=False, tail=2)
    assert b"".join([one async for one in driver.read(directory, {}, selection, None)]) == b"bad\n\n"


async def test_a_line_that_goes_on_in_the_next_file_counts_once(tmp_path: Path) -> None:
    directory = tmp_path / "abc"
    directory.mkdir()
    lines = LOG.splitlines(keepends=True)
    (directory / "abc-json.log.1").write_bytes(lines[0] + lines[2])
    (directory / "abc-json.log").write_bytes(lines[3] + lines[2])
    driver = JsonFileDriver()
    for tail, text in ((1, b"half "), (3, b"one\nhalf d<n\0\nhalf ")):
        selection = Selection(stdout=True, stderr=True, framed=False, tail=tail)
        assert b"".join([one async for one in driver.read(directory, {}, selection, None)]) == text


async def test_following_while_files_are_being_renamed(tmp_path: Path) -> None:
    """The reader comes when an old file has made room for another that has not moved yet."""
    directory = tmp_path / "abc"
    directory.mkdir()
    newest = directory / "abc-json.log"
    lines = LOG.splitlines(keepends=True)
    newest.write_bytes(lines[0])

    class Steps:
        turn = 0

        async def more(self) -> bool:
            self.turn += 1
            if self.turn == 1:
                newest.rename(directory / "abc-json.log.2")
                newest.write_bytes(lines[1])
            return self.turn < 2

    selection = Selection(stdout=True, stderr=True, framed=False)
    chunks = [one async for one in JsonFileDriver().read(directory, {}, selection, Steps())]
    assert b"".join(chunks) == b"one\nbad\n"
