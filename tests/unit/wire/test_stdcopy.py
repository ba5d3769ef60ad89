"""Frames of stdout and stderr, cut in every way."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.wire.stdcopy import LONGEST, STDERR, STDOUT, Demuxer, frame, header

Frames = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=300)), max_size=12)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


def joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    out: list[tuple[int, bytes]] = []
    for stream, piece in pieces:
        if out and out[-1][0] == stream:
            out[-1] = (stream, out[-1][1] + piece)
        else:
            out.append((stream, piece))
    return out


def test_header_is_eight_bytes_with_a_big_endian_length() -> None:
    assert header(STDERR, 258) == b"\2\0\0\0\0\0\1\2"
    assert frame(STDOUT, b"hi") == b"\1\0\0\0\0\0\0\2hi"


@given(Frames, st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cut_gives_the_same_streams(frames: list[tuple[int, bytes]], places: list[int]) -> None:
    demuxer = Demuxer()
    data = b"".join(frame(stream, payload) for stream, payload in frames)
    pieces = [piece for part in cut(data, places) for piece in demuxer.feed(part)]
    assert joined(pieces) == joined([(stream, payload) for stream, payload in frames if payload])
    assert demuxer.complete


def test_payload_is_passed_on_before_its_frame_is_whole() -> None:
    demuxer = Demuxer()
    assert demuxer.feed(header(STDOUT, 10) + b"half") == [(STDOUT, b"half")]
    assert not demuxer.complete


@pytest.mark.parametrize("head", [b"\4\0\0\0\0\0\0\1", b"\1\1\0\0\0\0\0\1", b"HTTP/1.1", header(1, LONGEST + 1)])
def test_what_is_no_header_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"stream|long"):
        Demuxer().feed(head)


@given(st.binary(max_size=200))
def test_garbage_never_does_worse_than_valueerror(data: bytes) -> None:
    try:
        Demuxer().feed(data)
    except ValueError:
        pass
