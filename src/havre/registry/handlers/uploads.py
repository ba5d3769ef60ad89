"""Upload sessions: begun, written to in one request or many, and made a blob."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp.web_response import Response

from havre.registry import names
from havre.registry.call import Call
from havre.registry.errors import Denied, DigestInvalid, SizeInvalid, Unauthorized, UploadInvalid, UploadOutOfStep
from havre.registry.handlers import answers
from havre.registry.uploads import Session

_CONTENT_RANGE = re.compile(r"(?:bytes )?([0-9]{1,18})-([0-9]{1,18})(?:/(?:[0-9]+|\*))?")
_ALGORITHMS = ("sha256", "sha512")


async def begin(call: Call) -> Response:
    """POST …/blobs/uploads/: a session; with ``digest`` the whole blob at once; with ``mount`` and ``from`` a blob of
    another repository, or a session when that cannot be."""
    uploads = call.registry.uploads
    if call.reference:
        raise UploadInvalid("an upload is begun at …/blobs/uploads/")
    mount = call.query("mount")
    if mount is not None and (mounted := await _mount(call, names.digest(mount), call.query("from"))):
        return mounted
    digest = call.query("digest")
    algorithm = names.digest(digest).partition(":")[0] if digest else call.query("digest-algorithm") or "sha256"
    if algorithm not in _ALGORITHMS:
        raise DigestInvalid("unsupported digest algorithm", detail={"supported": _ALGORITHMS})
    await call.registry.quota.room(call.repository, call.request.content_length or 0)
    session = await uploads.begin(call.repository, algorithm)
    if not digest:
        return _accepted(call, session, 202)
    async with uploads.writing(session):
        try:
            await _receive(call, session, call.request.content_length)
            return await _commit(call, session, digest)
        except BaseException:
            # Nobody has been told of the session: nobody comes back to it.
            await uploads.drop(session)
            raise


async def status(call: Call) -> Response:
    """GET …/blobs/uploads/<id>: how far the upload has come. Who asks has lost its connection: the one that may still
    seem to be writing is ended first, so that the answer stays true."""
    uploads = call.registry.uploads
    session = await uploads.find(call.repository, call.reference)
    async with uploads.writing(session):
        return _accepted(call, session, 204)


async def append(call: Call) -> Response:
    """PATCH …/blobs/uploads/<id>: one chunk; without Content-Range, what follows."""
    session = await call.registry.uploads.find(call.repository, call.reference)
    async with _writing(call, session):
        await _receive(call, session, await _expected(call, session))
    return _accepted(call, session, 202)


async def finish(call: Call) -> Response:
    """PUT …/blobs/uploads/<id>?digest=…: the last chunk, or all, or nothing more."""
    digest = call.query("digest")
    if digest is None:
        raise DigestInvalid("the digest is missing")
    names.digest(digest)
    session = await call.registry.uploads.find(call.repository, call.reference)
    async with _writing(call, session):
        await _receive(call, session, await _expected(call, session))
        return await _commit(call, session, digest)


async def drop(call: Call) -> Response:
    """DELETE …/blobs/uploads/<id>: the client does not want to go on."""
    uploads = call.registry.uploads
    session = await uploads.find(call.repository, call.reference)
    async with uploads.writing(session):
        await uploads.drop(session)
    return Response(status=204)


async def _mount(call: Call, digest: str, source: str | None) -> Response | None:
    """The answer when the blob could be taken from ``source``: only what the client may pull from there."""
    if source is None:
        return None
    registry = call.registry
    names.repository(source)
    try:
        await registry.gate.admit(call, "pull", source)
    except (Denied, Unauthorized):
        return None
    async with registry.turns.of(digest):
        size = await registry.catalog.blob_size(source, digest)
        if size is None or await registry.storage.size(digest) != size:
            return None
        await registry.quota.room(call.repository, size, digest)
        registry.leases.take(call.repository, digest)
        await registry.catalog.link_blob(call.repository, digest, size)
    call.tell("mounted", "blob", digest, size=size, origin=source)
    return _created(call, digest)


async def _expected(call: Call, session: Session) -> int | None:
    """The bytes this request is to bring, None when it does not say. Raises when it does not go on where the session
    stands."""
    length = call.request.content_length
    text = call.headers.get("Content-Range")
    if text is not None and not (text == "" or length == 0):
        found = _CONTENT_RANGE.fullmatch(text)
        if found is None or int(found[2]) < int(found[1]):
            raise UploadInvalid("invalid Content-Range", detail={"range": text[:64]})
        first, span = int(found[1]), int(found[2]) - int(found[1]) + 1
        if first != session.offset:
            headers = _where(call, session)
            raise UploadOutOfStep(f"the upload stands at {session.offset}", headers=headers)
        if length is not None and length != span:
            raise SizeInvalid(f"Content-Range has {span} bytes, Content-Length {length}")
        length = span
    await call.registry.quota.room(call.repository, session.offset + (length or 0))
    return length


@asynccontextmanager
async def _writing(call: Call, session: Session) -> AsyncIterator[None]:
    """Be the only writer. What a quota refuses must not lie about until it is too old as well: it is dropped."""
    uploads = call.registry.uploads
    async with uploads.writing(session):
        try:
            yield
        except Denied:
            await uploads.drop(session)
            raise


async def _receive(call: Call, session: Session, length: int | None) -> None:
    most = await call.registry.quota.left(call.repository) if length is None else None
    await call.registry.uploads.receive(session, call.request.content, length, most)


async def _commit(call: Call, session: Session, digest: str) -> Response:
    await call.registry.quota.room(call.repository, session.offset, digest)
    # What was pushed stays for the grace, whatever becomes of the clock on the wall.
    call.registry.leases.take(call.repository, digest)
    await call.registry.uploads.finish(session, digest)
    call.tell("pushed", "blob", digest, size=session.offset)
    return _created(call, digest)


def _created(call: Call, digest: str) -> Response:
    headers = {"Location": answers.blob_path(call.repository, digest), "Docker-Content-Digest": digest}
    return Response(status=201, headers=headers)


def _accepted(call: Call, session: Session, status: int) -> Response:
    return Response(status=status, headers=_where(call, session))


def _where(call: Call, session: Session) -> Mapping[str, str]:
    """Where the session goes on. An empty one has no last byte to name, but Docker's client wants one after a chunk."""
    headers = {
        "Location": f"/v2/{call.repository}/blobs/uploads/{session.identifier}",
        "Docker-Upload-UUID": session.identifier,
    }
    if session.offset or call.method == "PATCH":
        headers["Range"] = f"0-{max(session.offset - 1, 0)}"
    return headers
