"""Blobs in a bucket of an S3-compatible object store: ``<prefix>blobs/<algorithm>/<2 digits>/<hex>``.

An upload lies in segments, objects of some megabytes under ``<prefix>uploads/<id>/``, which can be read again (the
parts of S3's own multipart uploads cannot, before these are complete) and which outlive the registry; what is too
little for a segment is in a file, the tail, in a local directory. ``commit`` joins the segments inside the store, by a
multipart upload that copies them. Only one registry uses a bucket and prefix at a time.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from havre.errors import Unavailable
from havre.registry.storages.s3settings import S3Settings

SEGMENT = 5 << 20
"""Bytes of a segment: what S3 wants at least of every part but the last."""

_PIECE = 256 << 10
_GROW_EVERY = 1000  # segments: an object has at most 10,000 parts, so they double in size now and then
_PARTS_AT_A_TIME = 4
_READ_ATTEMPTS = 3
_MISSING = ("404", "NoSuchKey", "NotFound")
_DELETE_AT_ONCE = 1000


@dataclass(slots=True)
class _Upload:
    """The segments of an upload, their sizes in order, and the bytes in its tail."""

    segments: list[int] = field(default_factory=list)
    tail: int = 0

    @property
    def offset(self) -> int:
        return sum(self.segments) + self.tail

    @property
    def segment_size(self) -> int:
        return SEGMENT << (len(self.segments) // _GROW_EVERY)


class S3Content:
    """A blob in the store; it has an ``address`` if clients are to fetch it from there."""

    file: BinaryIO | None = None

    def __init__(self, storage: "S3Storage", key: str, size: int, address: str | None) -> None:
        self.size = size
        self.address = address
        self._storage = storage
        self._key = key

    async def ready(self, start: int, length: int) -> int:
        return length

    async def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        async for data in self._storage.read_object(self._key, start, length):
            yield data

    async def close(self) -> None:
        return None


class S3Storage:
    """The content storage in a bucket. To be started, and closed in the end."""

    def __init__(self, settings: S3Settings, tails: Path) -> None:
        self._settings = settings
        self._bucket = settings.bucket
        self._prefix = settings.prefix
        self._tails = tails
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._known: dict[str, _Upload] = {}
        # Bounds the memory that segments take on their way.
        self._sending = asyncio.Semaphore(_PARTS_AT_A_TIME)

    async def start(self) -> None:
        """Connect, and break off the joinings that a killed registry left. Raises ``Unavailable``."""
        self._tails.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = self._settings
        config = AioConfig(
            # Newer checksums are unknown to many stores that speak S3; digests are checked anyway.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if settings.endpoint else "auto"},
            max_pool_connections=100,
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 4},
        )
        client = get_session().create_client(
            "s3",
            region_name=settings.region,
            endpoint_url=settings.endpoint or None,
            aws_access_key_id=settings.access_key or None,
            aws_secret_access_key=settings.secret_key or None,
            verify=settings.ca or None,
            config=config,
        )
        self._client = await self._stack.enter_async_context(client)
        with _explained(f"bucket {self._bucket}"):
            pages = self._client.get_paginator("list_multipart_uploads")
            async for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}blobs/"):
                for stale in page.get("Uploads", ()):
                    await self._abort(stale["Key"], stale["UploadId"])

    async def close(self) -> None:
        """Disconnect."""
        await self._stack.aclose()

    # -- blobs --------------------------------------------------------------------------------------------------------

    async def open(self, digest: str) -> S3Content | None:
        size = await self.size(digest)
        if size is None:
            return None
        key, address = self._key(digest), None
        if self._settings.redirect:
            what = {"Bucket": self._bucket, "Key": key}
            address = await self._client.generate_presigned_url("get_object", what, ExpiresIn=self._settings.expires)
        return S3Content(self, key, size, address)

    async def size(self, digest: str) -> int | None:
        with _explained(digest):
            try:
                found = await self._client.head_object(Bucket=self._bucket, Key=self._key(digest))
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise
        return int(found["ContentLength"])

    async def delete(self, digest: str) -> int:
        size = await self.size(digest)
        if size is None:
            return 0
        with _explained(digest):
            await self._client.delete_object(Bucket=self._bucket, Key=self._key(digest))
        return size

    async def contents(self) -> AsyncIterator[tuple[str, int, float]]:
        async for found in self._list(f"{self._prefix}blobs/"):
            algorithm, _, value = found["Key"].removeprefix(f"{self._prefix}blobs/").split("/")
            yield f"{algorithm}:{value}", found["Size"], found["LastModified"].timestamp()

    async def adopt(self, path: Path, digest: str) -> None:
        size = path.stat().st_size
        if await self.size(digest) == size:
            return
        with _explained(digest), path.open("rb") as file:
            if size <= SEGMENT:
                await self._put(self._key(digest), await asyncio.to_thread(file.read))
                return
            async with _Joining(self._client, self._bucket, self._key(digest)) as joining:
                while data := await asyncio.to_thread(file.read, max(SEGMENT, size // 9000)):
                    async with self._sending:
                        await joining.add(data)

    async def read_object(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Bytes of an object; a connection that breaks is taken up again where it broke."""
        end, attempt = start + length, 1
        while start < end:
            begun = start
            try:
                with _explained(key):
                    span = f"bytes={start}-{end - 1}"
                    answer = await self._client.get_object(Bucket=self._bucket, Key=key, Range=span)
                    async with answer["Body"] as body:
                        async for data in body.iter_chunks(_PIECE):
                            start += len(data)
                            yield data
            except Unavailable:
                attempt = 1 if start > begun else attempt + 1
                if attempt > _READ_ATTEMPTS:
                    raise
                continue
            if start < end and start == begun:
                raise Unavailable(f"storage: {key} ends at {start}, before {end}")

    # -- uploads ------------------------------------------------------------------------------------------------------

    async def begin(self, upload: str) -> None:
        (self._tails / upload).mkdir(mode=0o700)
        self._known[upload] = _Upload()

    async def offset(self, upload: str) -> int | None:
        found = await self._find(upload)
        return None if found is None else found.offset

    async def write(self, upload: str, offset: int, data: list[bytes]) -> None:
        found = await self._must_find(upload)
        tail = self._tail(upload, found)
        await asyncio.to_thread(_append, tail, offset - sum(found.segments), data)
        found.tail = offset - sum(found.segments) + sum(map(len, data))
        while found.tail >= found.segment_size:
            await self._cut_segment(upload, found)

    async def truncate(self, upload: str, offset: int) -> None:
        found = await self._must_find(upload)
        while found.segments and offset < sum(found.segments):
            await self._back_to_tail(upload, found)
        found.tail = offset - sum(found.segments)
        _cut(self._tail(upload, found), found.tail)

    async def read(self, upload: str) -> AsyncIterator[bytes]:
        found = await self._must_find(upload)
        for number, size in enumerate(found.segments, 1):
            async for data in self.read_object(self._segment(upload, number), 0, size):
                yield data
        tail = self._tail(upload, found)
        if found.tail:
            with tail.open("rb") as file:
                while data := await asyncio.to_thread(file.read, _PIECE):
                    yield data

    async def commit(self, upload: str, digest: str) -> None:
        found = await self._must_find(upload)
        if await self.size(digest) != found.offset:
            rest = await asyncio.to_thread(_whole, self._tail(upload, found))
            with _explained(digest):
                if not found.segments:
                    await self._put(self._key(digest), rest)
                else:
                    await self._join(upload, found, digest, rest)

    async def drop(self, upload: str) -> None:
        self._known.pop(upload, None)
        keys = [each["Key"] async for each in self._list(f"{self._prefix}uploads/{upload}/")]
        with _explained(upload):
            for start in range(0, len(keys), _DELETE_AT_ONCE):
                names = [{"Key": key} for key in keys[start : start + _DELETE_AT_ONCE]]
                await self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": names, "Quiet": True})
        await asyncio.to_thread(shutil.rmtree, self._tails / upload, ignore_errors=True)

    async def uploads(self) -> AsyncIterator[tuple[str, float]]:
        touched: dict[str, float] = {}
        async for found in self._list(f"{self._prefix}uploads/"):
            upload = found["Key"].removeprefix(f"{self._prefix}uploads/").partition("/")[0]
            touched[upload] = max(touched.get(upload, 0.0), found["LastModified"].timestamp())
        for directory in self._tails.iterdir():
            times = [entry.stat().st_mtime for entry in (directory, *directory.iterdir())]
            touched[directory.name] = max(touched.get(directory.name, 0.0), *times)
        for upload, when in touched.items():
            yield upload, when

    # -- segments -----------------------------------------------------------------------------------------------------

    async def _cut_segment(self, upload: str, found: _Upload) -> None:
        tail, size = self._tail(upload, found), found.segment_size
        async with self._sending:
            data = await asyncio.to_thread(_whole, tail)
            with _explained(upload):
                await self._put(self._segment(upload, len(found.segments) + 1), data[:size])
        # The next tail has another name: should the registry be killed here, this one is not counted again.
        await asyncio.to_thread(self._tail(upload, found, 1).write_bytes, data[size:])
        found.segments.append(size)
        found.tail -= size
        tail.unlink()

    async def _back_to_tail(self, upload: str, found: _Upload) -> None:
        """Make the last segment the tail again; what was behind it is of no use."""
        number, size = len(found.segments), found.segments[-1]
        data = b"".join([piece async for piece in self.read_object(self._segment(upload, number), 0, size)])
        self._tail(upload, found).unlink(missing_ok=True)
        self._tail(upload, found, -1).write_bytes(data)
        with _explained(upload):
            await self._client.delete_object(Bucket=self._bucket, Key=self._segment(upload, number))
        del found.segments[-1]

    async def _join(self, upload: str, found: _Upload, digest: str, rest: bytes) -> None:
        async with _Joining(self._client, self._bucket, self._key(digest)) as joining:
            for number in range(1, len(found.segments) + 1):
                await joining.copy(self._segment(upload, number))
            if rest:
                await joining.add(rest)

    async def _find(self, upload: str) -> _Upload | None:
        if upload not in self._known:
            prefix = f"{self._prefix}uploads/{upload}/"
            segments = [each["Size"] async for each in self._list(prefix)]
            if not segments and not (self._tails / upload).is_dir():
                return None
            (self._tails / upload).mkdir(mode=0o700, exist_ok=True)
            found = _Upload(segments)
            found.tail = _size(self._tail(upload, found))
            self._known.setdefault(upload, found)
        return self._known[upload]

    async def _must_find(self, upload: str) -> _Upload:
        found = await self._find(upload)
        if found is None:
            raise FileNotFoundError(upload)
        return found

    # -- names and requests -------------------------------------------------------------------------------------------

    def _key(self, digest: str) -> str:
        algorithm, _, value = digest.partition(":")
        return f"{self._prefix}blobs/{algorithm}/{value[:2]}/{value}"

    def _segment(self, upload: str, number: int) -> str:
        return f"{self._prefix}uploads/{upload}/{number:05}"

    def _tail(self, upload: str, found: _Upload, further: int = 0) -> Path:
        return self._tails / upload / f"{len(found.segments) + 1 + further:05}"

    async def _put(self, key: str, data: bytes) -> None:
        await self._client.put_object(Bucket=self._bucket, Key=key, Body=data)

    async def _abort(self, key: str, joining: str) -> None:
        await self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=joining)

    async def _list(self, prefix: str) -> AsyncIterator[dict[str, Any]]:
        with _explained(f"bucket {self._bucket}"):
            pages = self._client.get_paginator("list_objects_v2")
            async for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield found


class _Joining:
    """One object out of many, by a multipart upload: all of it is there at the end of the block, or nothing."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._parts: list[dict[str, Any]] = []

    async def __aenter__(self) -> "_Joining":
        self._object["UploadId"] = (await self._client.create_multipart_upload(**self._object))["UploadId"]
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is None:
            await self._client.complete_multipart_upload(**self._object, MultipartUpload={"Parts": self._parts})
        else:
            await self._client.abort_multipart_upload(**self._object)

    async def add(self, data: bytes) -> None:
        number = len(self._parts) + 1
        answer = await self._client.upload_part(**self._object, PartNumber=number, Body=data)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    async def copy(self, key: str) -> None:
        number, source = len(self._parts) + 1, {"Bucket": self._object["Bucket"], "Key": key}
        answer = await self._client.upload_part_copy(**self._object, PartNumber=number, CopySource=source)
        self._parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        fault = error.response.get("Error", {})
        raise Unavailable(f"storage: {what}: {fault.get('Code')}: {fault.get('Message')}") from error
    except (BotoCoreError, HTTPClientError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise Unavailable(f"storage: {what}: {error}") from error


def _append(tail: Path, offset: int, data: list[bytes]) -> None:
    with tail.open("r+b" if tail.exists() else "wb") as file:
        file.seek(offset)
        file.truncate()
        file.writelines(data)


def _cut(tail: Path, size: int) -> None:
    with tail.open("r+b" if tail.exists() else "wb") as file:
        file.truncate(size)


def _whole(tail: Path) -> bytes:
    return tail.read_bytes() if tail.exists() else b""


def _size(tail: Path) -> int:
    return tail.stat().st_size if tail.exists() else 0
