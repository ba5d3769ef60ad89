"""Files from web servers, which are no images: builds come in here for ``ADD https://…``."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from havre.errors import InvalidParameter, Unavailable
from havre.image.digest import Hasher

_CHUNK = 1 << 20
_PATIENCE = ClientTimeout(total=None, connect=30, sock_read=60)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that has come: its digest, its time as the server says it (nanoseconds since 1970, or 0), and the ETag
    with which the server can be asked next time whether it has changed, "" for none.
    """

    digest: str
    time: int
    etag: str


class WebFiles:
    """Gets files over HTTP, with the proxies of the environment."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def fetch(self, url: str, path: Path, checksum: str = "", etag: str = "") -> Fetched | None:
        """Write the file to ``path``. None when it is still the one that came with ``etag``.

        Raises ``InvalidParameter`` for an answer that is no file, and for another digest than ``checksum`` if that is
        not ""; ``Unavailable`` for a server that cannot be reached.
        """
        headers = {"If-None-Match": etag} if etag else None
        hasher = Hasher(checksum or "sha256")
        try:
            async with self._session.get(url, headers=headers, timeout=_PATIENCE) as answer:
                if answer.status == 304 and etag:
                    return None
                if answer.status != 200:
                    raise InvalidParameter(f"failed to load {url}: status {answer.status} {answer.reason}")
                with path.open("wb") as file:
                    async for data in answer.content.iter_chunked(_CHUNK):
                        hasher.update(data)
                        await asyncio.to_thread(file.write, data)
                given = answer.headers
        except (ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"failed to load {url}: {error}") from None
        if checksum and hasher.digest != checksum:
            raise InvalidParameter(f"digest mismatch {hasher.digest}: {checksum}")
        # A Last-Modified is no match for a file that changes twice in a second.
        return Fetched(hasher.digest, _last_modified(given), given.get("ETag", ""))


def _last_modified(headers: Mapping[str, str]) -> int:
    try:
        return int(parsedate_to_datetime(headers["Last-Modified"]).timestamp()) * 1_000_000_000
    except (KeyError, ValueError, TypeError):
        return 0
