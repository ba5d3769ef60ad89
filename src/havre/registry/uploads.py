"""Blobs on their way in: upload sessions, which may take many requests and outlive cut connections and the registry.

Bytes go to the content storage as they come and are hashed meanwhile; the state of the hash is kept in memory, and made
anew by reading the bytes when it is not there any more. A session has one writer: who comes back on a new connection
takes it over from a connection that has died without anybody noticing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from aiohttp import StreamReader

from havre.image.digest import Hasher
from havre.lib.tasks import TaskOwner, together
from havre.lib.turns import Turns
from havre.registry.catalog import Catalog
from havre.registry.errors import Denied, DigestInvalid, Refusal, SizeInvalid, TooSlow, UploadUnknown
from havre.registry.storage import ContentStorage

# Bytes written and hashed at a time: large enough that changing threads costs nothing, small enough for many uploads.
_PIECE = 512 * 1024
# Bytes of all uploads that may wait to become large pieces.
_MOST_HELD = 4 << 20
# What has come is written when nothing follows for so long: many slow clients must not fill memory (seconds).
_PAUSE = 0.5
# A client that sends nothing for so long has gone (seconds).
_PATIENCE = 60.0
# Sessions whose hash is kept in memory.
_MOST_KNOWN = 4096
# Seconds between the making of an upload and its record, and far more.
_JUST_BEGUN = 600.0


class Session:
    """One upload as far as it has come: ``offset`` bytes are stored. ``hasher`` is None when it must be made anew.

    The request that has the ``turn`` writes; while it waits for its client that is ``reading``, and ``write`` what it
    has begun to store. ``wanted`` is how many others wait for the turn.
    """

    def __init__(self, identifier: str, repository: str, offset: int, hasher: Hasher | None) -> None:
        self.identifier = identifier
        self.repository = repository
        self.offset = offset
        self.hasher = hasher
        self.over = False
        self.turn = asyncio.Lock()
        self.wanted = 0
        self.reading: asyncio.Timeout | None = None
        self.write: asyncio.Task[None] | None = None


class Uploads:
    """All sessions of one registry."""

    def __init__(self, catalog: Catalog, storage: ContentStorage, turns: Turns, patience: float = _PATIENCE) -> None:
        self._catalog = catalog
        self._storage = storage
        self._turns = turns
        self._patience = patience
        self._known: OrderedDict[str, Session] = OrderedDict()
        self._writes = TaskOwner("uploads")
        self._held = 0

    async def begin(self, repository: str, algorithm: str = "sha256") -> Session:
        """A new, empty upload for ``repository``; ``algorithm`` is that of the digest it will have, as far as known."""
        session = Session(uuid4().hex, repository, 0, Hasher(algorithm))
        await self._storage.begin(session.identifier)
        try:
            await self._catalog.add_upload(session.identifier, repository)
        except BaseException:
            await self._storage.drop(session.identifier)
            raise
        self._remember(session)
        return session

    async def find(self, repository: str, identifier: str) -> Session:
        """The session ``identifier`` of ``repository``. Raises ``UploadUnknown``."""
        session = self._known.get(identifier)
        if session is None:
            owner = await self._catalog.upload_repository(identifier)
            offset = await self._storage.offset(identifier) if owner is not None else None
            # Another request may have found it meanwhile: there must not be two of one session.
            session = self._known.get(identifier)
            if session is None and owner is not None and offset is not None:
                session = Session(identifier, owner, offset, None)
                self._remember(session)
        if session is None or session.repository != repository or session.over:
            raise UploadUnknown("blob upload unknown to registry", detail={"upload": identifier[:64]})
        self._known.move_to_end(identifier)
        return session

    @asynccontextmanager
    async def writing(self, session: Session) -> AsyncIterator[None]:
        """Be the only writer of the session; one that still waits for bytes of its client is sent away."""
        session.wanted += 1
        try:
            if session.reading is not None:
                session.reading.reschedule(0)
            await session.turn.acquire()
        finally:
            session.wanted -= 1
        try:
            if session.write is not None:
                # Of a request that was broken off itself.
                await asyncio.wait([session.write])
                session.write = None
            if session.over:
                raise UploadUnknown("blob upload unknown to registry", detail={"upload": session.identifier})
            yield
        finally:
            session.turn.release()

    async def receive(self, session: Session, body: StreamReader, length: int | None, most: int | None = None) -> None:
        """Append ``body``, which is to have ``length`` bytes (None: as many as come). ``Denied`` when the upload gets
        larger than ``most`` bytes.

        What has come stays when the connection is cut. Raises ``SizeInvalid`` when it is longer than was promised: it
        is all forgotten then. ``TooSlow`` when the client does not go on, or another request takes the session over.
        """
        start = session.offset
        try:
            while not await self._receive_piece(session, body, start, length):
                if most is not None and session.offset > most:
                    raise Denied(f"quota exceeded: the upload is larger than the {most} bytes that may still come")
        finally:
            await self._written(session)
        if length is not None and session.offset - start < length:
            raise SizeInvalid(f"the body has {session.offset - start} bytes of the {length} that were promised")

    async def finish(self, session: Session, digest: str) -> None:
        """Make the upload the blob ``digest`` of its repository; on disk when it returns.

        Raises ``DigestInvalid`` when it has another digest: the upload is gone then.
        """
        refusal = await asyncio.shield(self._writes.start(self._finished(session, digest), "finish"))
        if refusal is not None:
            raise refusal

    async def drop(self, session: Session) -> None:
        """Forget the upload and its bytes."""
        session.over = True
        await self._storage.drop(session.identifier)
        await self._catalog.remove_upload(session.identifier)
        self._known.pop(session.identifier, None)

    async def sweep(self, older_than: float, *, dry: bool = False) -> int:
        """Drop uploads nobody has written to for ``older_than`` seconds, and what a crash has left of others; how
        many. With ``dry`` only tell."""
        horizon = time.time() - older_than
        # In this order: one that is begun meanwhile is in the storage first, and must not seem to be lost.
        known = set(await self._catalog.uploads())
        there = {upload: written async for upload, written in self._storage.uploads()}
        # One that is just begun is not in the catalog yet.
        begun = time.time() - _JUST_BEGUN
        strays = [identifier for identifier in there.keys() - known if there[identifier] <= begun]
        old = [each for each in known if there.get(each, 0.0) <= horizon and not self._is_busy(each)]
        for identifier in [] if dry else [*strays, *old]:
            await self._storage.drop(identifier)
            await self._catalog.remove_upload(identifier)
            self._known.pop(identifier, None)
        return len(strays) + len(old)

    async def close(self) -> None:
        """Let the writes under way end."""
        await self._writes.drain()

    async def _receive_piece(self, session: Session, body: StreamReader, start: int, length: int | None) -> bool:
        """Begin to append what comes next; whether that was the end. The piece before it is written meanwhile, and none
        is kept in memory after that."""
        piece, fault, is_end = await self._piece(session, body)
        size = sum(map(len, piece))
        try:
            await self._written(session)
            if length is not None and session.offset + size - start > length:
                await self._storage.truncate(session.identifier, start)
                session.offset, session.hasher = start, None
                raise SizeInvalid(f"the body is longer than the {length} bytes that were promised")
        except BaseException:
            self._held -= size
            raise
        if piece:
            # On its own: a request that is cut off must not leave half a write.
            session.write = self._writes.start(self._append(session, piece, size), "write")
        if fault is not None:
            raise fault
        return is_end

    async def _piece(self, session: Session, body: StreamReader) -> tuple[list[bytes], Exception | None, bool]:
        """Bytes worth writing, held until they are written; what has cut the body off behind them; whether it has come
        to its end."""
        loop = asyncio.get_running_loop()
        piece: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._patience) as session.reading:
                while size < _PIECE and not session.wanted and (not piece or self._held < _MOST_HELD):
                    data = await body.readany()
                    if not data:
                        return piece, None, True
                    session.reading.reschedule(loop.time() + min(_PAUSE, self._patience))
                    piece.append(data)
                    size += len(data)
                    self._held += len(data)
        except TimeoutError:
            if piece and not session.wanted:
                return piece, None, False
            return piece, TooSlow("the upload is not going on", headers={"Connection": "close"}), False
        except Exception as fault:
            return piece, fault, False
        except BaseException:
            self._held -= size
            raise
        finally:
            session.reading = None
        return piece, TooSlow("another request goes on with the upload") if session.wanted else None, False

    async def _written(self, session: Session) -> None:
        """Wait for the write under way. Raises what became of it."""
        write = session.write
        if write is not None:
            try:
                await asyncio.shield(write)
            finally:
                if write.done():
                    session.write = None

    async def _append(self, session: Session, piece: list[bytes], size: int) -> None:
        hasher, session.hasher = session.hasher, None
        try:
            writes = [self._storage.write(session.identifier, session.offset, piece)]
            if hasher is not None:
                writes.append(asyncio.to_thread(_hash, hasher, piece))
            await together(*writes)
        except OSError:
            await self._storage.truncate(session.identifier, session.offset)
            raise
        finally:
            self._held -= size
        session.offset += size
        session.hasher = hasher

    async def _finished(self, session: Session, digest: str) -> Refusal | None:
        """Finish, and return what is the client's fault: a task that raises is one that has failed us."""
        try:
            await self._finish(session, digest)
        except Refusal as refusal:
            return refusal
        return None

    async def _finish(self, session: Session, digest: str) -> None:
        found = await self._digest(session, digest)
        if found != digest:
            await self.drop(session)
            raise DigestInvalid("the content does not have the digest that was given", detail={"digest": found})
        async with self._turns.of(digest):
            await self._storage.commit(session.identifier, digest)
            await self._catalog.link_blob(session.repository, digest, session.offset, session.identifier)
        session.over = True
        await self._storage.drop(session.identifier)
        self._known.pop(session.identifier, None)

    async def _digest(self, session: Session, like: str) -> str:
        """The digest of what is stored, in the algorithm of ``like``."""
        hasher = session.hasher
        if hasher is None or not hasher.digest.startswith(like.partition(":")[0] + ":"):
            hasher = Hasher(like)
            async for piece in self._storage.read(session.identifier):
                await asyncio.to_thread(hasher.update, piece)
        return hasher.digest

    def _is_busy(self, identifier: str) -> bool:
        session = self._known.get(identifier)
        return session is not None and session.turn.locked()

    def _remember(self, session: Session) -> None:
        self._known[session.identifier] = session
        if len(self._known) > _MOST_KNOWN:
            idle = next((known for known in self._known.values() if not known.turn.locked()), None)
            if idle is not None:
                del self._known[idle.identifier]


def _hash(hasher: Hasher, piece: list[bytes]) -> None:
    for data in piece:
        hasher.update(data)
