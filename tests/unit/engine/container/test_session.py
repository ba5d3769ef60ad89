"""A client at a process's stdio: every byte of output arrives, whatever happens to the input."""

import asyncio
import errno

from havre.engine.container.detach import Detector
from havre.engine.container.hub import Hub, Listener
from havre.engine.container.session import converse


class Client:
    """A ``Duplex`` that sends what it is given and keeps what it gets."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.got = b""

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, data: bytes) -> None:
        self.got += data

    async def write_eof(self) -> None: ...

    def close(self) -> None: ...


class Process(Hub):
    """A hub without a process: it keeps its input, or fails like one that has just ended."""

    def __init__(self, failure: OSError | None = None) -> None:
        self.input = b""
        self.failure = failure
        self.left = False

    async def send(self, data: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.input += data

    def leave(self, listener: Listener) -> None:
        self.left = True


async def run(client: Client, process: Process, detector: Detector | None = None) -> tuple[bool, list[str]]:
    told: list[str] = []
    listener = Listener(client.write, True, True, False, asyncio.Event())

    async def output() -> None:
        await asyncio.sleep(0.05)
        await client.write(b"last words")
        listener.ended.set()

    talking = asyncio.gather(
        converse(client, process, listener, True, detector, lambda: told.append("input ended")), output()
    )
    detached, _ = await talking
    return detached, told


async def test_a_half_close_ends_the_input_and_the_output_goes_on() -> None:
    client, process = Client(b"one", b"two"), Process()
    assert await run(client, process) == (False, ["input ended"])
    assert (process.input, client.got, process.left) == (b"onetwo", b"last words", True)


async def test_a_process_that_ended_while_being_written_to_still_has_its_output_delivered() -> None:
    for number in (errno.EBADF, errno.EPIPE, errno.ENOTCONN):
        client = Client(*[b"y\n"] * 100)
        assert (await run(client, Process(OSError(number, "gone"))))[0] is False
        assert client.got == b"last words"


async def test_the_detach_keys_end_it_at_once() -> None:
    client, process = Client(b"ls\n", b"\x10\x11"), Process()
    assert (await run(client, process, Detector(b"\x10\x11")))[0] is True
    assert process.input == b"ls\n"
