"""A name server that does as it is told, and a client for names: both at home in any network namespace."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from havre.kernel import namespaces

Handler = Callable[[bytes, bool], list[bytes]]
"""From a question, and whether it came over TCP, to what is sent in answer."""


def answer(question: bytes, addresses: int, *, code: int = 0, truncated: bool = False) -> bytes:
    """A response to a question without EDNS, or with it left out, of so many addresses."""
    end = question.index(b"\0", 12) + 5
    flags = 0x8180 | code | (0x200 if truncated else 0)
    record = b"\xc0\x0c" + struct.pack("!HHLH", 1, 1, 60, 4)
    records = b"".join(record + bytes((9, 9, 9, number)) for number in range(addresses))
    return question[:2] + struct.pack("!5H", flags, 1, addresses, 0, 0) + question[12:end] + records


@contextmanager
def server(handler: Handler, address: str, sandbox: Path | None = None) -> Iterator[list[bytes]]:
    """Serve ``address``:53, in the namespace at ``sandbox`` if given; yields the questions that came."""
    asked: list[bytes] = []

    def make() -> tuple[socket.socket, socket.socket]:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind((address, 53))
        tcp.bind((address, 53))
        tcp.listen()
        return udp, tcp

    udp, tcp = namespaces.enter(sandbox, make) if sandbox else make()
    ended = threading.Event()

    def datagrams() -> None:
        while True:
            data, asker = udp.recvfrom(65535)
            if ended.is_set():
                return
            asked.append(data)
            for response in handler(data, False):
                udp.sendto(response, asker)

    def streams() -> None:
        while True:
            connection, _ = tcp.accept()
            with connection:
                if ended.is_set():
                    return
                data = connection.recv(65535)[2:]
                asked.append(data)
                for response in handler(data, True):
                    connection.sendall(struct.pack("!H", len(response)) + response)

    threads = [threading.Thread(target=work, daemon=True) for work in (datagrams, streams)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        ended.set()
        knock(address, sandbox)
        for thread in threads:
            thread.join()
        udp.close()
        tcp.close()


def knock(address: str, sandbox: Path | None) -> None:
    """Let both of a server's threads see that they are to end."""

    def work() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.sendto(b"", (address, 53))
            tcp.connect((address, 53))

    if sandbox is None:
        work()
    else:
        namespaces.enter(sandbox, work)


def datagram(sandbox: Path, question: bytes) -> bytes:
    """What the container at ``sandbox`` gets for an answer over UDP; as all do, it asks again when it gets none."""

    def work() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.connect(("127.0.0.11", 53))
            for _ in range(5):
                asking.send(question)
                with suppress(TimeoutError):
                    return asking.recv(65535)
            raise TimeoutError

    return namespaces.enter(sandbox, work)


def stream(sandbox: Path, *questions: bytes) -> list[bytes]:
    """The same over one TCP connection, with all questions sent at once."""

    def work() -> list[bytes]:
        with socket.create_connection(("127.0.0.11", 53), 10) as asking, asking.makefile("rb") as reading:
            asking.sendall(b"".join(struct.pack("!H", len(each)) + each for each in questions))
            found = []
            for _ in questions:
                (length,) = struct.unpack("!H", reading.read(2))
                found.append(reading.read(length))
            return found

    return namespaces.enter(sandbox, work)
