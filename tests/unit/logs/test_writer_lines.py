"""The log writer: conmon's records against messages, whatever the blocks they come in."""

import json

from hypothesis import given
from hypothesis import strategies as st

from havre.logs.writer.jsonfile import Encoder, escape
from havre.logs.writer.lines import PIECE, Lines, Message
from havre.logs.writer.position import Half

T = "2026-01-02T03:04:05.000000001"


def record(text: bytes, flag: str = "F", stream: str = "stdout", time: str = T) -> bytes:
    return f"{time}+00:00 {stream} {flag} ".encode() + text + b"\n"


def feed(*blocks: bytes) -> list[Message]:
    lines = Lines(Half(), Half())
    return [message for block in blocks for message in lines.feed(block)] + lines.flush()


def texts(*blocks: bytes) -> list[bytes]:
    return [message.text for message in feed(*blocks)]


def test_a_line_in_parts_is_one_message() -> None:
    blocks = record(b"ab", "P") + record(b"err", stream="stderr"), record(b"cd", "P"), record(b"ef")
    assert texts(*blocks) == [b"err\n", b"abcdef\n"]


def test_long_lines_come_in_dockers_pieces() -> None:
    long = b"x" * 8191
    messages = feed(*[record(long, "P")] * 4, record(b"end"))
    assert [len(message.text) for message in messages] == [PIECE, 4 * 8191 - PIECE + 4]
    assert [message.piece for message in messages] == [1, 2]
    assert messages[-1].text.endswith(b"end\n")


def test_a_line_without_end_is_flushed_without() -> None:
    assert texts(record(b"a"), record(b"prompt> ", "P")) == [b"a\n", b"prompt> "]


def test_records_torn_by_a_full_disk_lose_themselves_only() -> None:
    assert texts(record(b"a")[:20] + record(b"b") + record(b"c")[:-3] + record(b"d")) == [b"b\n", b"d\n"]
    assert texts(b"garbage\n" + record(b"a")) == [b"a\n"]


def test_carriage_returns_and_empty_lines_are_text() -> None:
    assert texts(record(b"a\r") + record(b"") + record(b"b\rc")) == [b"a\r\n", b"\n", b"b\rc\n"]


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.sampled_from("FP"), st.sampled_from(("stdout", "stderr")))),
    st.sets(st.integers(0, 30)),
)
def test_what_comes_out_does_not_depend_on_the_blocks(parts: list[tuple[bytes, str, str]], cuts: set[int]) -> None:
    records = [record(text.replace(b"\n", b""), flag, stream) for text, flag, stream in parts]
    blocks = [b""]
    for number, one in enumerate(records):
        if number in cuts:
            blocks.append(b"")
        blocks[-1] += one
    assert feed(*blocks) == feed(b"".join(records))


@given(st.binary(max_size=300).map(lambda text: text.replace(b"\n", b"")))
def test_json_says_what_was_written(text: bytes) -> None:
    assert json.loads(b'"' + escape(text) + b'"') == text.decode("utf-8", "replace")


def test_runs_of_what_must_be_escaped() -> None:
    for byte in (b'"', b"\\", b"\0", b"<", b"\t"):
        assert json.loads(b'"' + escape(byte * 1000) + b'"').encode() == byte * 1000


def test_lines_of_json() -> None:
    attributes = '{"color":"100%"}'
    messages = feed(record(b"a\t<b>") + record(b"x" * PIECE, "P") + record(b"end", stream="stderr"))
    lines = Encoder(attributes).encode(messages).splitlines()
    assert lines[0] == b'{"log":"a\\t\\u003cb\\u003e\\n","stream":"stdout","attrs":{"color":"100%"},"time":"' + (
        T.encode() + b'Z"}'
    )
    assert [json.loads(line)["log"] for line in lines] == ["a\t<b>\n", "x" * PIECE, "end\n"]
    assert [json.loads(line)["stream"] for line in lines] == ["stdout", "stdout", "stderr"]
    short = Encoder("").encode(feed(record(b"prompt", "P")))
    assert json.loads(short) == {"log": "prompt", "stream": "stdout", "time": f"{T}Z"}
