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
