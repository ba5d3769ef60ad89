"""The log writer's receivers: what syslog and journald are sent, and what happens when nobody is there."""

import re
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from havre.logs.writer import journald, remote
from havre.logs.writer.journald import Journald
from havre.logs.writer.lines import Message
from havre.logs.writer.remote import Remote
from havre.logs.writer.syslog import Syslog

TIME = b"2026-01-02T03:04:05.123456789"
CONFIG = {"facility": 19, "format": "", "tag": "web", "ca": "", "cert": "", "key": "", "skip_verify": False}


def record(text: str, flag: str = "F", stream: str = "stdout") -> bytes:
    return f"{TIME.decode()}+00:00 {stream} {flag} {text}\n".encode()


def datagrams(path: Path) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    receiver.settimeout(10)
    return receiver


@pytest.mark.parametrize(
    ("form", "head"),
    [
        ("", r"<158>[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:05 web\[\d+\]: "),
        ("rfc3164", r"<158>[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:05 \S+ web\[\d+\]: "),
        ("rfc5424", r"<158>1 2026-01-02T03:04:05Z \S+ web \d+ web - "),
        ("rfc5424micro", r"<158>1 2026-01-02T03:04:05.123456Z \S+ web \d+ web - "),
    ],
)
def test_syslog_lines(tmp_path: Path, form: str, head: str) -> None:
    with datagrams(tmp_path / "s") as receiver:
        sender = Syslog({**CONFIG, "protocol": "unixgram", "address": str(tmp_path / "s"), "format": form})
        sender.connect()
        sender.send([Message(TIME, b"stdout", b"hello\n", 0), Message(TIME, b"stdout", b"\n", 0)])
        sender.send([Message(TIME, b"stderr", b"half", 0)])
        assert re.fullmatch(head + "hello\n", receiver.recv(1000).decode())
        assert re.fullmatch(head.replace("158", "155") + "half\n", receiver.recv(1000).decode())
        sender.close()


@pytest.mark.parametrize(
    ("protocol", "address", "text"),
    [
        ("tcp", ["127.0.0.1", 1], "dial tcp 127.0.0.1:1: connect: connection refused"),
        ("tcp+tls", ["127.0.0.1", 1], "dial tcp 127.0.0.1:1: connect: connection refused"),
        (
            "tcp",
            ["no.such.host.invalid", 1],
            "dial tcp no.such.host.invalid:1: lookup no.such.host.invalid: no such host",
        ),
        # No resolver can be asked for a label of more than 63 letters.
        ("tcp", ["a" * 70 + ".b", 1], f"dial tcp {'a' * 70}.b:1: lookup {'a' * 70}.b: no such host"),
        ("udp", ["a" * 70 + ".b", 1], f"dial udp {'a' * 70}.b:1: lookup {'a' * 70}.b: no such host"),
        ("unix", "/tmp", "dial unix /tmp: connect: connection refused"),
    ],
)
def test_receivers_that_are_not_there_are_told_in_dockerds_words(protocol: str, address: Any, text: str) -> None:
    with pytest.raises(OSError) as caught:
        Syslog({**CONFIG, "protocol": protocol, "address": address}).connect()
    assert str(caught.value) == text


def test_certificates_are_read_first() -> None:
    config = {**CONFIG, "protocol": "tcp+tls", "address": ["127.0.0.1", 1], "ca": "/nope"}
    with pytest.raises(OSError, match='could not read CA certificate "/nope": open /nope: no such file or directory'):
        Syslog(config).connect()


def test_journald_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journald, "SOCKET", str(tmp_path / "j"))
    with datagrams(tmp_path / "j") as receiver:
        sender = Journald({"fields": {"CONTAINER_NAME": "web", "LABEL": "two\nlines"}})
        sender.connect()
        sender.send([Message(TIME, b"stderr", b"bad\n", 0), Message(TIME, b"stdout", b"\n", 0)])
        plain = receiver.recv(9000)
        assert plain.startswith(b"MESSAGE=bad\nPRIORITY=3\nCONTAINER_NAME=web\nLABEL\n" + struct.pack("<Q", 9))
        assert b"two\nlines\n" in plain and b"PARTIAL" not in plain
        sender.send([Message(TIME, b"stdout", b"x" * 9, 1), Message(TIME, b"stdout", b"y\n", 2)])
        first, last = receiver.recv(9000), receiver.recv(9000)
        assert b"CONTAINER_PARTIAL_ORDINAL=1\nCONTAINER_PARTIAL_LAST=false\nCONTAINER_PARTIAL_MESSAGE=true\n" in first
        assert last.startswith(b"MESSAGE=y\nPRIORITY=6\n") and b"CONTAINER_PARTIAL_MESSAGE" not in last
        assert b"CONTAINER_PARTIAL_ORDINAL=2\nCONTAINER_PARTIAL_LAST=true\n" in last
        names = [line for one in (first, last) for line in one.split(b"\n") if line.startswith(b"CONTAINER_PARTIAL_ID")]
        assert names[0] == names[1] and len(names[0]) > 60


def test_a_host_without_journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journald, "SOCKET", str(tmp_path / "nothing"))
    with pytest.raises(OSError, match="journald is not enabled on this host"):
        Journald({"fields": {}}).connect()


class Receiver:
    """Takes messages, or is away."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.away = False
        self.told = threading.Condition()

    def connect(self) -> None:
        if self.away:
            raise OSError("away")

    def send(self, messages: Sequence[Message]) -> None:
        if self.away:
            raise OSError("away")
        with self.told:
            self.got += [message.text for message in messages]
            self.told.notify_all()

    def close(self) -> None: ...

    def wait(self, condition: Callable[[list[bytes]], object]) -> None:
        with self.told:
            assert self.told.wait_for(lambda: condition(self.got), 30), self.got[-5:]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(remote, "_LONGEST_DELAY", 0.05)


def drained(one: Remote, *, end: bool = False) -> None:
    done = threading.Event()
    one.drain(done.set, end=end)
    assert done.wait(30)


def append(directory: Path, data: bytes) -> None:
    with (directory / "log").open("ab") as file:
        file.write(data)


def test_lines_wait_for_a_receiver_that_comes_back(tmp_path: Path) -> None:
    receiver = Receiver()
    append(tmp_path, record("a"))
    one = Remote(tmp_path, {"name": "web", "bound": 0}, receiver)
    one.start()
    receiver.wait(lambda got: got == [b"a\n"])
    receiver.away = True
    append(tmp_path, record("b") + record("c", "P"))
    # Nobody is kept waiting by a receiver that is away.
    drained(one)
    receiver.away = False
    receiver.wait(lambda got: got == [b"a\n", b"b\n"])
    drained(one, end=True)
    assert receiver.got == [b"a\n", b"b\n", b"c"]
    one.stop()
    # Another writer goes on behind what was sent.
    append(tmp_path, record("d"))
    one = Remote(tmp_path, {"name": "web", "bound": 0}, receiver)
    one.start()
    receiver.wait(lambda got: got == [b"a\n", b"b\n", b"c", b"d\n"])
    one.stop()


def test_without_blocking_only_so_much_waits(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.away = True
    one = Remote(tmp_path, {"name": "web", "bound": 100_000}, receiver)
    append(tmp_path, b"".join(record(f"{number:06}") for number in range(10_000)))
    one.start()
    drained(one)
    receiver.away = False
    receiver.wait(lambda got: got and got[-1] == b"009999\n")
    numbers = [int(text) for text in receiver.got]
    assert numbers == list(range(numbers[0], 10_000))
    assert numbers[0] > 5000
    one.stop()
