"""Log records: what conmon wrote against what a client gets."""

import pytest

from havre.logs import Selection
from havre.logs.records import Renderer, stamp, tail_offset
from havre.wire import stdcopy

T1, T2 = "2026-01-02T03:04:05.000000001", "2026-01-02T03:04:06.000000002"
LOG = (
    f"{T1}+00:00 stdout F one\n"
    f"{T1}+00:00 stderr F bad\n"
    f"{T2}+00:00 stdout P half \n"
    f"{T2}+00:00 stdout F done\n"
    f"{T2}+00:00 stdout F \n"
).encode()


def render(**options: object) -> bytes:
    given = {"stdout": True, "stderr": True, "framed": False, **options}
    return Renderer(Selection(**given)).render(LOG)  # type: ignore[arg-type]


def test_plain_text_is_what_the_process_wrote() -> None:
    assert render() == b"one\nbad\nhalf done\n\n"


def test_streams_are_chosen() -> None:
    assert render(stderr=False) == b"one\nhalf done\n\n"
    assert render(stdout=False) == b"bad\n"


def test_frames_carry_stream_and_length() -> None:
    frames = stdcopy.Demuxer().feed(render(framed=True))
    assert frames == [(1, b"one\n"), (2, b"bad\n"), (1, b"half "), (1, b"done\n"), (1, b"\n")]


def test_time_stamps_stand_once_before_a_line_in_parts() -> None:
    assert render(timestamps=True, stderr=False) == (f"{T1}Z one\n{T2}Z half done\n{T2}Z \n".encode())


def test_since_and_until() -> None:
    later = 1767323046_000000000
    assert render(since_ns=later) == b"half done\n\n"
    assert render(until_ns=later) == b"one\nbad\n"
    renderer = Renderer(Selection(stdout=True, stderr=True, until_ns=later))
    renderer.render(LOG)
    assert renderer.past_until


def test_a_carriage_return_does_not_end_a_line() -> None:
    line = f"{T1}+00:00 stdout F a\rb\n".encode()
    assert Renderer(Selection(stdout=True, stderr=True, framed=False)).render(line) == b"a\rb\n"


def test_stamp_sorts_with_the_records() -> None:
    assert stamp(1767323045_000000001) == T1.encode()


@pytest.mark.parametrize(("wanted", "text"), [(1, b"\n"), (2, b"half done\n\n"), (3, b"bad\nhalf done\n\n"), (9, None)])
def test_tail_counts_lines_not_parts(wanted: int, text: bytes | None) -> None:
    offset, count = tail_offset(LOG, wanted)
    got = Renderer(Selection(stdout=True, stderr=True, framed=False)).render(LOG[offset:])
    assert got == (text if text is not None else render())
    assert count == min(wanted, 4)
