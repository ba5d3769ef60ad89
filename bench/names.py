"""The row about names: how fast containers' questions for each other are answered. Who comes in: ``bench.networking``.

The questions come from a container's network namespace, by UDP, from several sockets with several under way each.
"""

import select
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path

from bench.engines import Measured
from havre.kernel import namespaces

QUESTIONS = 20_000
_SOCKETS, _UNDER_WAY = 8, 8
_RESOLVER = ("127.0.0.11", 53)
_HEADER = struct.Struct("!6H")
_RECURSION_DESIRED, _RESPONSE, _CODE = 0x100, 0x8000, 0xF
_SECONDS = 5.0


def looked_up(engine: Measured, asks: str, name: str, network: str) -> float:
    """Seconds until the container ``asks`` has had ``QUESTIONS`` right answers about ``name``."""
    sandbox = Path(f"/proc/{engine.inspect(asks)['State']['Pid']}/ns/net")
    address = engine.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"]
    question = bytes((len(name),)) + name.encode() + b"\0\0\1\0\1"
    return namespaces.enter(sandbox, lambda: _all_answered(question, socket.inet_aton(address)))


def _all_answered(question: bytes, address: bytes) -> float:
    with ExitStack() as stack, select.epoll() as ready:
        askers = {}
        for _ in range(_SOCKETS):
            asker = Asker(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)), question, address)
            ready.register(asker.socket, select.EPOLLIN)
            askers[asker.socket.fileno()] = asker
        answered = 0
        start = time.perf_counter()
        for asker in askers.values():
            for _ in range(_UNDER_WAY):
                asker.ask()
        while answered < QUESTIONS:
            found = ready.poll(_SECONDS)
            assert found, f"only {answered} questions were answered"
            for fd, _ in found:
                askers[fd].hear()
                askers[fd].ask()
            answered += len(found)
        return time.perf_counter() - start


class Asker:
    """One socket, and the numbers of its questions that are under way."""

    def __init__(self, connection: socket.socket, question: bytes, address: bytes) -> None:
        self.socket = connection
        self._question = question
        self._address = address
        self._number = 0
        self._under_way: set[int] = set()
        connection.connect(_RESOLVER)

    def ask(self) -> None:
        self._number = (self._number + 1) & 0xFFFF
        self._under_way.add(self._number)
        self.socket.send(_HEADER.pack(self._number, _RECURSION_DESIRED, 1, 0, 0, 0) + self._question)

    def hear(self) -> None:
        """Take an answer, which must be one, and right."""
        data = self.socket.recv(512)
        number, flags, _, answers, _, _ = _HEADER.unpack_from(data)
        self._under_way.remove(number)
        assert flags & (_RESPONSE | _CODE) == _RESPONSE and answers == 1 and data.endswith(self._address), data
