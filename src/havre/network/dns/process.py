"""Find the resolver that serves this daemon's containers, or start one, and talk to it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import havre
from havre.errors import NotFound
from havre.kernel import pidfd
from havre.kernel.descriptors import readable, writable
from havre.network.dns import control

# Isolated and without site: neither the environment nor the working directory decide what it imports.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from havre.network.dns.main import main; main(sys.argv[2:])"
_PATIENCE = 5.0
_CHUNK = 1 << 16
VERSION = [control.PROTOCOL, havre.__version__]


class Conversation:
    """A connection to a resolver. ``served`` are the containers it had at the beginning, by namespace number."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._decoder = control.Decoder()
        self._heard: list[dict[str, Any]] = []
        self.served: dict[str, int] = {}

    async def greet(self) -> bool:
        """Whether there is a resolver of our version at the other end."""
        await self.send({"do": "hello"})
        async with asyncio.timeout(_PATIENCE):
            hello = await self.hear()
        self.served = dict(hello.get("served") or {}) if hello else {}
        return hello is not None and hello.get("version") == VERSION

    async def send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        """Raises ``OSError`` when the other end is gone."""
        data = memoryview(control.encode(message))
        while data:
            try:
                sent = socket.send_fds(self._connection, [data], descriptors or [])
            except BlockingIOError:
                await writable(self._connection.fileno())
                continue
            data, descriptors = data[sent:], None

    async def hear(self) -> dict[str, Any] | None:
        """The next message; None at the end."""
        while not self._heard:
            try:
                data = self._connection.recv(_CHUNK)
            except BlockingIOError:
                await readable(self._connection.fileno())
                continue
            except OSError:
                return None
            if not data:
                return None
            try:
                self._heard += self._decoder.feed(data)
            except ValueError:
                return None
        return self._heard.pop(0)

    def close(self) -> None:
        self._connection.close()


class Resolver:
    """The process behind the socket in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "names.sock"
        self._pid = directory / "names.pid"

    def there(self) -> bool:
        """Whether there may be one."""
        return self._socket.exists()

    async def find(self) -> Conversation | None:
        """A conversation with the one that runs. One that does not answer, or is of another version, is ended."""
        connection = _connect(self._socket)
        if connection is None:
            return None
        conversation = Conversation(connection)
        try:
            if await conversation.greet():
                return conversation
            await conversation.send({"do": "quit"})
        except (OSError, TimeoutError):
            await asyncio.to_thread(self._kill)
        except BaseException:
            conversation.close()
            raise
        conversation.close()
        return None

    async def start(self) -> Conversation:
        """Start one. It is talked to before it is there: the socket keeps what is said."""
        connection = await asyncio.to_thread(self._start)
        conversation = Conversation(connection)
        try:
            if not await conversation.greet():
                raise OSError("it ended at once")
        except BaseException:
            conversation.close()
            raise
        return conversation

    async def end(self) -> None:
        """End the one that runs, if any: there is nobody to serve."""
        connection = _connect(self._socket)
        if connection is not None:
            conversation = Conversation(connection)
            try:
                await conversation.send({"do": "quit"})
                async with asyncio.timeout(_PATIENCE):
                    await conversation.hear()
            except (OSError, TimeoutError):
                await asyncio.to_thread(self._kill)
            finally:
                conversation.close()
        self.forget()

    def forget(self) -> None:
        """Leave nothing of one that has ended, or is about to."""
        self._socket.unlink(missing_ok=True)
        self._pid.unlink(missing_ok=True)

    def _start(self) -> socket.socket:
        self.forget()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            _at(self._socket, listener.bind)
            os.chmod(self._socket, 0o600)
            listener.listen(4)
            source = str(Path(havre.__file__).parent.parent)
            words = [
                sys.executable,
                "-I",
                "-S",
                "-c",
                _BOOT,
                source,
                str(listener.fileno()),
                havre.__version__,
                str(self._socket),
            ]
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(listener.fileno(),),
                cwd="/",
                env={"MALLOC_ARENA_MAX": "1"},
                start_new_session=True,
            )
            self._pid.write_text(f"{child.pid} {pidfd.start_time(child.pid)}\n")
            connection = _connect(self._socket)
            if connection is None:
                raise OSError("its socket is gone")
            return connection

    def _kill(self) -> None:
        """End it the hard way."""
        try:
            pid, started = (int(word) for word in self._pid.read_text().split())
            fd = pidfd.open_checked(pid, started)
        except (OSError, ValueError, NotFound):
            return
        try:
            pidfd.send(fd, signal.SIGKILL)
        except NotFound:
            return
        finally:
            os.close(fd)


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _at(path, connection.connect)
    except OSError:
        connection.close()
        return None
    connection.setblocking(False)
    return connection


def _at(path: Path, use: Any) -> None:
    """Bind or connect at ``path``, however long that is: sockets' names have 107 bytes."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        use(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
