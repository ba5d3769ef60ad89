"""The distribution protocol, writing side: blobs checked, mounted and uploaded, manifests put. Pushes come in here.

Protocol: https://github.com/opencontainers/distribution-spec, "Push". One upload with its retries is ``upload.py``'s.
"""

import re
from collections.abc import AsyncIterable, Callable
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import aiohttp
from yarl import URL

from havre.image.remote.failures import RemoteFailure
from havre.image.remote.repository import Repository
from havre.image.remote.retry import persistently

_RANGE = re.compile(r"(?:bytes=)?(\d+)-(\d+)")
_BYTES = "application/octet-stream"


class WritableRepository(Repository):
    """One repository at one endpoint, read and written with one set of credentials."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.scopes = (f"repository:{self._path}:pull,push",)

    def may_read(self, *paths: str) -> None:
        """Ask token servers for the right to take blobs from these repositories of the same registry as well."""
        self.scopes = (self.scopes[0], *(f"repository:{path}:pull" for path in paths if path != self._path))

    async def has_blob(self, digest: str) -> bool:
        """Whether the repository has the blob."""
        return await persistently(self.policy, lambda: self._has_blob(digest))

    async def _has_blob(self, digest: str) -> bool:
        async with self._get(self._url(f"blobs/{digest}"), {}, (200, 404), method="HEAD") as response:
            return response.status == 200

    async def mount(self, digest: str, source: str) -> str | None:
        """Take the blob from the repository ``source``. None when that is done, else where to upload it instead."""
        query = urlencode({"mount": digest, "from": source})
        async with self._get(self._url(f"blobs/uploads/?{query}"), _NOTHING, (201, 202), method="POST") as response:
            return None if response.status == 201 else self._location(response)

    async def begin(self) -> str:
        """Begin an upload; returns where it goes on."""
        return await persistently(self.policy, self._begin)

    async def _begin(self) -> str:
        async with self._get(self._url("blobs/uploads/"), _NOTHING, (202,), method="POST") as response:
            return self._location(response)

    async def progress(self, location: str) -> tuple[str, int]:
        """How far an upload is: where it goes on, and how many bytes have arrived."""
        async with self._get(_as_it_is(location), {}, (204,)) as response:
            found = _RANGE.fullmatch(response.headers.get("Range", "0-0"))
            if found is None or int(found[1]) != 0:
                raise RemoteFailure(f"{self.endpoint.host} tells no range of what it has of an upload")
            # "0-0" is said of one byte and of none; none is the safe reading.
            arrived = int(found[2]) + 1 if int(found[2]) else 0
            return self._location(response, location), arrived

    async def send(
        self, location: str, body: Callable[[], AsyncIterable[bytes]], start: int, size: int, total: int
    ) -> str:
        """Upload ``size`` bytes that begin at byte ``start`` of a blob of ``total``; returns where it goes on."""
        headers = {"Content-Type": _BYTES, "Content-Length": str(size)}
        if start or size < total:  # a whole blob goes as a stream, which registries without chunks take too
            headers["Content-Range"] = f"{start}-{start + size - 1}"
        async with self._get(_as_it_is(location), headers, (202, 201, 204), method="PATCH", body=body) as response:
            return self._location(response, location)

    async def finish(self, location: str, digest: str, data: bytes = b"") -> None:
        """End an upload with its last bytes, ``data``: the registry verifies the digest."""
        headers = {"Content-Type": _BYTES, "Content-Length": str(len(data))}
        separator = "&" if urlsplit(location).query else "?"
        url = _as_it_is(f"{location}{separator}digest={quote(digest, safe='')}")
        async with self._get(url, headers, (201, 204), method="PUT", body=lambda: data) as response:
            self._agrees(response, digest)

    async def put_manifest(self, reference: str, digest: str, body: bytes, media_type: str) -> None:
        """Store a manifest or index under a tag or its digest."""
        await persistently(self.policy, lambda: self._put_manifest(reference, digest, body, media_type))

    async def _put_manifest(self, reference: str, digest: str, body: bytes, media_type: str) -> None:
        url = self._url(f"manifests/{reference}")
        async with self._get(url, {"Content-Type": media_type}, (201, 200), "PUT", lambda: body) as response:
            self._agrees(response, digest)

    def _agrees(self, response: aiohttp.ClientResponse, digest: str) -> None:
        said = response.headers.get("Docker-Content-Digest", digest)
        if said != digest and said.partition(":")[0] == digest.partition(":")[0]:
            raise RemoteFailure(f"{self.endpoint.host} calls {said[:160]!r} what is {digest}: digests do not agree")

    def _location(self, response: aiohttp.ClientResponse, otherwise: str = "") -> str:
        location = response.headers.get("Location", "") or otherwise
        target = urljoin(str(response.url), location)
        parts = urlsplit(target)
        if not location or parts.scheme not in ("http", "https") or not parts.hostname:
            raise RemoteFailure(f'{self.endpoint.host} says "{location[:200]}" of where to upload to')
        return target


_NOTHING = {"Content-Length": "0"}


def _as_it_is(location: str) -> URL:
    """An address that a registry gave: signed ones break when they are quoted anew."""
    return URL(location, encoded=True)
