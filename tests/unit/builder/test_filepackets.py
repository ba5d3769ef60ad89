"""Receiving files, packet by packet: what is asked for, when it ends, and what a sender may not do."""

import stat

import pytest

from havre.builder.buildkit.filepackets import BadFiles, Receiver, bits_of, mode_of
from havre.builder.buildkit.messages.session import DATA, ERROR, FINISH, REQUEST, STAT, Packet, Stat

DIRECTORY = 1 << 31 | 0o755
LINK = 1 << 27 | 0o777


class Memory:
    """A sink that wants every file."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ended: list[str] = []
        self.whole = False

    def entry(self, path: str, mode: int, told: Stat) -> bool:
        return stat.S_ISREG(mode) and not told.linkname

    def data(self, path: str, data: bytes) -> None:
        self.files[path] = self.files.get(path, b"") + data

    def end(self, path: str) -> None:
        self.ended.append(path)

    def complete(self) -> None:
        self.whole = True


def told(path: str, mode: int = 0o644, linkname: str = "") -> Packet:
    return Packet(STAT, Stat(path, mode, linkname=linkname))


def test_a_transfer() -> None:
    sink = Memory()
    receiver = Receiver(sink)
    assert receiver.take(told("d", DIRECTORY)) == []
    assert receiver.take(told("d/a")) == [Packet(REQUEST, id=1)]
    assert receiver.take(told("z")) == [Packet(REQUEST, id=2)]
    assert receiver.take(Packet(DATA, id=2, data=b"z1")) == []
    assert receiver.take(Packet(STAT)) == []
    assert sink.whole
    assert receiver.take(Packet(DATA, id=1, data=b"a")) == []
    assert receiver.take(Packet(DATA, id=2, data=b"z2")) == []
    assert receiver.take(Packet(DATA, id=2)) == []
    assert receiver.take(Packet(DATA, id=1)) == [Packet(FINISH)]
    assert not receiver.done
    assert receiver.take(Packet(FINISH)) == []
    assert receiver.done
    assert (sink.files, sink.ended, receiver.size) == ({"d/a": b"a", "z": b"z1z2"}, ["z", "d/a"], 5)


def test_not_all_files_are_asked_for_at_once() -> None:
    receiver = Receiver(Memory())
    asked = [packet.id for number in range(200) for packet in receiver.take(told(f"f{number:03}"))]
    assert asked == list(range(64))
    assert receiver.take(Packet(DATA, id=5)) == [Packet(REQUEST, id=64)]


@pytest.mark.parametrize(
    "packets",
    [
        [told("../x")],
        [told("/x")],
        [told("a/./b")],
        [told("a//b")],
        [told("")],
        [told("a\0b")],
        [told("absent/x")],
        [told("file"), told("file/x")],
        [told("link", LINK, "/etc"), told("link/passwd")],
        [told("x"), told("x")],
        [told("x", 0o644, "/etc/passwd")],
        [told("link", LINK, "/etc/passwd"), told("x", 0o644, "link")],
        [told("x" * 5000)],
        [Packet(STAT), told("late")],
        [Packet(DATA, id=0, data=b"x")],
        [told("x"), Packet(DATA, id=0), Packet(DATA, id=0)],
        [told("x"), Packet(FINISH)],
        [Packet(77)],
    ],
)
def test_what_a_sender_may_not_do(packets: list[Packet]) -> None:
    receiver = Receiver(Memory())
    with pytest.raises(BadFiles):
        for packet in packets:
            receiver.take(packet)


def test_an_error_of_the_sender() -> None:
    with pytest.raises(BadFiles, match="error from sender: permission denied"):
        Receiver(Memory()).take(Packet(ERROR, data=b"permission denied"))


@pytest.mark.parametrize(
    "mode",
    [0o100644, 0o104755, 0o102711, 0o041777, 0o120777, 0o010600, 0o140600, 0o020666, 0o060660],
)
def test_modes(mode: int) -> None:
    assert mode_of(bits_of(mode)) == mode
