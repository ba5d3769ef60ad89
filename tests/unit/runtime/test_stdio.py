"""The attach socket of conmon, with a pair of sockets in conmon's place."""

import socket

from havre.runtime.stdio import StdioSocket


def pair() -> tuple[StdioSocket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return StdioSocket(ours), theirs


async def test_packets_come_whole_and_in_order() -> None:
    stdio, conmon = pair()
    conmon.send(b"\2one")
    conmon.send(b"\3two")
    assert await stdio.read() == [b"\2one", b"\3two"]
    conmon.close()
    assert await stdio.read() == []
    stdio.close()


async def test_output_of_a_process_that_left_its_input_unread() -> None:
    stdio, conmon = pair()
    await stdio.write(b"more than it wants")
    conmon.send(b"\2y\n")
    conmon.close()
    assert await stdio.read() == [b"\2y\n"]
    assert await stdio.read() == []
    stdio.close()


async def test_input_travels_in_pieces_and_ends() -> None:
    stdio, conmon = pair()
    await stdio.write(b"a" * 10000)
    stdio.end_input()
    assert (len(conmon.recv(20000)), len(conmon.recv(20000)), conmon.recv(20000)) == (8000, 2000, b"")
    stdio.close()
    conmon.close()
