"""Sessions: what a client lets the daemon ask of it while a build goes on."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

from havre.builder.buildkit import statuses
from havre.builder.buildkit.arrivals import Arrivals
from havre.builder.buildkit.filepackets import BadFiles, Receiver, Sink
from havre.builder.buildkit.messages.session import (
    Bytes,
    CheckAgentRequest,
    CheckAgentResponse,
    CredentialsRequest,
    CredentialsResponse,
    GetSecretRequest,
    GetSecretResponse,
    Packet,
)
from havre.builder.buildkit.rpc import Connection, Stream, Wire, ask
from havre.builder.buildkit.statuses import RpcError
from havre.errors import InvalidParameter
from havre.image.remote.auth import Auth
from havre.lib.tasks import TaskOwner, together

_READ = 32 * 1024
_HUB = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Files:
    """Which files of the client's directory ``name`` are asked for. ``follow``: those, and what links there lead to."""

    name: str
    exclude: Sequence[str] = ()
    follow: Sequence[str] = ()

    def metadata(self) -> list[tuple[str, str]]:
        """As the headers of the call."""
        found = [("dir-name", self.name)]
        for key, values in (("exclude-patterns", self.exclude), ("followpaths", self.follow)):
            # A header has no room for other letters.
            plain = all(value.isascii() and value.isprintable() for value in values)
            found += [(key, value if plain else quote_plus(value)) for value in values]
            found += [] if plain else [(f"{key}-encoded", "1")]
        return found


@dataclass(frozen=True, slots=True)
class Session:
    """One client's. ``key`` is the client's name for its directory, the same at its next build."""

    id: str
    key: str
    connection: Connection

    async def receive_files(self, files: Files, sink: Sink) -> Receiver:
        """Receive files into ``sink``. Raises ``BadFiles``, ``RpcError``."""
        stream = await self.connection.call("/moby.filesync.v1.FileSync/DiffCopy", files.metadata())
        receiver = Receiver(sink)
        try:
            while not receiver.done and (packet := await stream.receive(Packet)) is not None:
                for answer in receiver.take(packet):
                    await stream.send(answer)
            if not receiver.done:
                raise BadFiles("the sender ended before everything was sent")
            await stream.end()
            return receiver
        finally:
            await stream.cancel()

    async def small_files(self, files: Files, largest: int) -> dict[str, bytes]:
        """The content of a few files; those that are no files are left out."""
        sink = _Memory(largest)
        await self.receive_files(files, sink)
        return {path: bytes(data) for path, data in sink.files.items()}

    async def credentials(self, host: str) -> Auth | None:
        """Who the client is at a registry; None for nobody."""
        name = _HUB if host == "docker.io" else host
        try:
            request = CredentialsRequest(name)
            path = "/moby.filesync.v1.Auth/Credentials"
            found = await ask(self.connection, path, request, CredentialsResponse)
        except RpcError as error:
            if error.code in (statuses.UNIMPLEMENTED, statuses.NOT_FOUND):
                return None
            raise
        if not found.secret:
            return None
        if not found.username:
            return Auth(identity_token=found.secret)
        return Auth(found.username, found.secret)

    async def upload(self, path: str) -> AsyncIterator[bytes]:
        """What the client sends under a URL of this session (``http://buildkit-session/…``)."""
        headers = [("urlpath", path), ("urlhost", "buildkit-session")]
        stream = await self.connection.call("/moby.upload.v1.Upload/Pull", headers)
        try:
            while (message := await stream.receive(Bytes)) is not None:
                yield message.data
        finally:
            await stream.cancel()

    # -- the builder's Secrets --

    async def secret(self, identity: str) -> bytes | None:
        path = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
        try:
            return (await ask(self.connection, path, GetSecretRequest(identity), GetSecretResponse)).data
        except RpcError as error:
            if error.code in (statuses.NOT_FOUND, statuses.UNIMPLEMENTED):
                return None
            raise

    @asynccontextmanager
    async def agent(self, identity: str, path: Path, uid: int, gid: int, mode: int | None) -> AsyncIterator[bool]:
        check = "/moby.sshforward.v1.SSH/CheckAgent"
        try:
            await ask(self.connection, check, CheckAgentRequest(identity), CheckAgentResponse)
        except RpcError as error:
            if error.code in (statuses.UNAVAILABLE, statuses.CANCELLED):
                raise
            yield False
            return
        tasks = TaskOwner("ssh agent")
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)
        try:
            listener.bind(str(path))
            os.chown(path, uid, gid)
            path.chmod(0o600 if mode is None else mode)
            listener.listen(16)
            tasks.start(self._accept(listener, identity, tasks), "socket")
            yield True
        finally:
            await tasks.close()
            listener.close()

    async def _accept(self, listener: socket.socket, identity: str, tasks: TaskOwner) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            tasks.start(self._forward(connection, identity), "connection")

    async def _forward(self, accepted: socket.socket, identity: str) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=accepted)
            stream = await self.connection.call("/moby.sshforward.v1.SSH/ForwardAgent", [("buildkit.ssh.id", identity)])
            try:
                await together(_to_client(reader, stream), _from_client(stream, writer))
            finally:
                await stream.cancel()
                writer.close()
        except (RpcError, ConnectionError):
            accepted.close()  # one of the two ends went away: so does the other


async def _to_client(reader: asyncio.StreamReader, stream: Stream) -> None:
    while data := await reader.read(_READ):
        await stream.send(Bytes(data))
    await stream.end()


async def _from_client(stream: Stream, writer: asyncio.StreamWriter) -> None:
    while (message := await stream.receive(Bytes)) is not None:
        writer.write(message.data)
        await writer.drain()
    writer.close()


@dataclass(slots=True)
class _Memory:
    """A ``Sink`` for a few files."""

    largest: int
    files: dict[str, bytearray] = field(default_factory=dict)

    def entry(self, path: str, mode: int, told: "object") -> bool:
        if mode & 0o170000 != 0o100000:
            return False
        self.files[path] = bytearray()
        return True

    def data(self, path: str, data: bytes) -> None:
        self.files[path] += data
        if len(self.files[path]) > self.largest:
            raise InvalidParameter(f"{path} is larger than {self.largest >> 20} MiB")

    def end(self, path: str) -> None: ...

    def complete(self) -> None: ...


class Sessions:
    """The sessions of one daemon."""

    def __init__(self) -> None:
        self._here: Arrivals[Session] = Arrivals("session")

    async def serve(self, headers: Mapping[str, str], wire: Wire) -> None:
        """Keep a session for as long as its connection lasts."""
        identity = headers.get("X-Docker-Expose-Session-Uuid", "")
        connection = Connection(wire, client=True)
        session = Session(identity, headers.get("X-Docker-Expose-Session-Sharedkey", ""), connection)
        with self._here.present(identity, session):
            await connection.run()

    async def get(self, identity: str) -> Session:
        """The session of this id. Raises ``RpcError`` when none comes in time."""
        return await self._here.get(identity)
