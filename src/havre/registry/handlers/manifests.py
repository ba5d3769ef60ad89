"""Manifests: handed out, stored, deleted, and those that refer to another."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp.web_response import Response, StreamResponse

from havre.image.manifest import LARGEST_MANIFEST, OCI_INDEX
from havre.registry import manifests, names
from havre.registry.call import Call
from havre.registry.errors import ManifestInvalid, ManifestUnknown, SizeInvalid, TooSlow
from havre.registry.handlers import answers
from havre.registry.manifestcache import Manifest
from havre.registry.records import Referrer

_PIECE = 64 * 1024
# Manifests above this many bytes are taken in by a few clients at a time: memory stays bounded whoever comes.
_SMALL = 64 * 1024
_LARGE_AT_A_TIME = asyncio.Semaphore(2)
_PATIENCE = 60.0
# Bytes of descriptors in one answer about referrers: less than clients take for a manifest.
_REFERRERS = 2 << 20
_MOST_TAGS = 100


async def get(call: Call) -> StreamResponse:
    """GET and HEAD …/manifests/<tag or digest>: as it was pushed, whatever Accept says."""
    reference = names.reference(call.reference)
    if names.is_digest(reference):
        # Before the look: what the client is told is there stays until it has used it.
        with call.registry.leases.looking(call.repository, reference):
            found = await _find(call, reference)
    else:
        found = await _find(call, reference)
    etag = f'"{found.digest}"'
    headers = {"Docker-Content-Digest": found.digest, "Etag": etag}
    unchanged = answers.not_modified(call, etag, headers)
    if unchanged is not None:
        return unchanged
    headers["Content-Type"] = found.media_type
    if call.method == "HEAD":
        return _sized(found, headers)
    response = await _whole(call, found, headers)
    tag = "" if names.is_digest(reference) else reference
    call.tell("pulled", "manifest", found.digest, tag=tag, media_type=found.media_type, size=found.size)
    return response


async def put(call: Call) -> Response:
    """PUT …/manifests/<tag or digest>, and with a digest ``?tag=`` as often as one likes."""
    reference = names.reference(call.reference)
    by_digest = names.is_digest(reference)
    tags = [names.tag(tag) for tag in call.queries("tag")] if by_digest else [reference]
    if len(tags) > _MOST_TAGS:
        raise ManifestInvalid(f"more than {_MOST_TAGS} tags at once")
    async with _body(call) as body:
        document = manifests.check(body, call.headers.get("Content-Type", ""), reference if by_digest else None)
        await call.registry.quota.room(call.repository, len(body), document.digest)
        # What was pushed stays for the grace, whatever becomes of the clock on the wall.
        call.registry.leases.take(call.repository, document.digest)
        await call.registry.catalog.put_manifest(call.repository, document, tags)
    for tag in tags or [""]:
        call.tell(
            "pushed", "manifest", document.digest, tag=tag, media_type=document.media_type, size=len(document.body)
        )
    response = Response(status=201)
    response.headers["Location"] = f"/v2/{call.repository}/manifests/{document.digest}"
    response.headers["Docker-Content-Digest"] = document.digest
    if document.subject is not None:
        response.headers["OCI-Subject"] = document.subject
    if by_digest:
        response.headers.extend(("OCI-Tag", tag) for tag in tags)
    return response


async def delete(call: Call) -> Response:
    """DELETE …/manifests/<tag or digest>: by tag only the tag, by digest the manifest and all its tags."""
    reference = names.reference(call.reference)
    catalog = call.registry.catalog
    if names.is_digest(reference):
        found, tags = await catalog.delete_manifest(call.repository, reference) or (None, [])
        # The tags that went along are gone for whoever follows one.
        deleted = [*tags, ""]
    else:
        found, deleted = await catalog.delete_tag(call.repository, reference), [reference]
    if found is None:
        raise _unknown(reference)
    for tag in deleted:
        call.tell("deleted", "manifest", found.digest, tag=tag, media_type=found.media_type, size=found.size)
    return Response(status=202)


async def referrers(call: Call) -> Response:
    """GET …/referrers/<digest>: an index of the manifests whose subject that is; also of what is not here itself."""
    subject = names.digest(call.reference)
    wanted = call.query("artifactType")
    catalog = call.registry.catalog
    found, more = await catalog.referrers(call.repository, subject, wanted, call.query("last") or "", _REFERRERS)
    headers = {}
    filters = {}
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
        filters["artifactType"] = wanted
    if more:
        headers |= answers.next_page(call, found[-1].digest, **filters)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_descriptor(each) for each in found]}
    return answers.json(index, headers, content_type=OCI_INDEX)


def _descriptor(referrer: Referrer) -> dict[str, Any]:
    described: dict[str, Any] = {
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.size,
    }
    if referrer.artifact_type:
        described["artifactType"] = referrer.artifact_type
    if referrer.annotations is not None:
        described["annotations"] = msgspec.Raw(referrer.annotations)
    return described


async def _find(call: Call, reference: str) -> Manifest:
    await call.registry.upstream.manifest(call.repository, reference)
    found = await call.registry.catalog.manifest(call.repository, reference)
    if found is None:
        raise _unknown(reference)
    return found


def _unknown(reference: str) -> ManifestUnknown:
    return ManifestUnknown("manifest unknown", detail={"reference": reference})


def _sized(found: Manifest, headers: dict[str, str]) -> StreamResponse:
    response = StreamResponse(headers=headers)
    response.content_length = found.size
    return response


async def _whole(call: Call, found: Manifest, headers: dict[str, str]) -> StreamResponse:
    if found.body is not None:
        return Response(body=found.body, headers=headers)
    response = _sized(found, headers)
    await response.prepare(call.request)
    for start in range(0, found.size, _PIECE):
        piece = await call.registry.catalog.body_piece(found.digest, start, _PIECE)
        if not piece:
            raise ConnectionAbortedError("the manifest was deleted while it was sent")
        await response.write(piece)
    await response.write_eof()
    return response


@contextlib.asynccontextmanager
async def _body(call: Call) -> AsyncIterator[bytearray]:
    """The manifest that is sent. A large one is in memory for only as long as the caller works on it."""
    length = call.request.content_length
    if length is not None and length > LARGEST_MANIFEST:
        raise manifests.too_large()
    small = length is not None and length <= _SMALL
    async with contextlib.AsyncExitStack() as stack:
        if not small:
            await stack.enter_async_context(_LARGE_AT_A_TIME)
        body = bytearray()
        try:
            async with asyncio.timeout(_PATIENCE):
                while data := await call.request.content.readany():
                    body += data
                    if len(body) > LARGEST_MANIFEST:
                        raise manifests.too_large()
        except TimeoutError:
            raise TooSlow("the manifest is not coming", headers={"Connection": "close"}) from None
        if length is not None and len(body) != length:
            raise SizeInvalid(f"the body has {len(body)} bytes of the {length} that were promised")
        yield body
