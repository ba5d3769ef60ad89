"""The build cache: which layer each step made, by a key of all that the step depends on.

A key is the digest of the step's operation and of what its inputs hold. A step may be kept under several: one of where
its inputs came from, which costs nothing to know, and one of their content, which must be read. Layers and blobs in the
cache are kept from the image store's taking away.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping

import msgspec

from havre.builder.trees import Layer, chain_of
from havre.image.blobs import BlobStore
from havre.image.layers import LayerStore
from havre.store.db import Connection, Database


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step that was carried out. ``chain`` are the diff ids of the file system it gave; ``layer`` None: it changed
    nothing. ``inputs`` are the parts of its key by name, to tell what changed. Times in nanoseconds since 1970.
    """

    chain: list[str]
    layer: Layer | None
    inputs: dict[str, str]
    description: str
    created: int
    used: int
    count: int = 1


def key_of(parts: dict[str, str]) -> str:
    """The key of a step whose operation and inputs are ``parts``."""
    return f"sha256:{hashlib.sha256(msgspec.json.encode(parts, order='sorted')).hexdigest()}"


class BuildCache:
    """The steps of one daemon's builds. Changes are durable when a call returns, but for when a step was last used."""

    def __init__(self, db: Database, blobs: BlobStore, layers: LayerStore) -> None:
        self._db = db
        self._blobs = blobs
        self._layers = layers
        self._records: dict[str, Record] = {}

    async def start(self) -> None:
        """Read what is kept, and forget what has lost its content."""
        self._records = await self._db.read(_load)
        gone = [key for key, record in self._records.items() if not self._whole(record)]
        if gone:
            await self.remove(gone)

    def find(self, key: str) -> Record | None:
        """The step of this key, if all it gave is still here."""
        record = self._records.get(key)
        if record is None or not self._whole(record):
            return None
        self._records[key] = msgspec.structs.replace(record, used=time.time_ns(), count=record.count + 1)
        return record

    async def put(self, keys: Iterable[str], record: Record, details: Mapping[str, str] | None = None) -> None:
        """Keep ``record`` under all of ``keys``. ``details`` are digests of single files of its inputs."""
        rows = [(key, msgspec.json.encode(record)) for key in keys]
        more = [(key_of(record.inputs), msgspec.json.encode(details))] if details else []

        def insert(connection: Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO build_cache VALUES (?, ?)", rows)
            connection.executemany("INSERT OR REPLACE INTO build_details VALUES (?, ?)", more)

        await self._db.write(insert)
        self._records.update((key, record) for key, _ in rows)

    async def remove(self, keys: Iterable[str]) -> None:
        """Forget steps. What only they kept is the image store's to take away."""
        gone = [(key,) for key in keys]

        def delete(connection: Connection) -> None:
            connection.executemany("DELETE FROM build_cache WHERE key = ?", gone)
            connection.executemany("DELETE FROM build_details WHERE key = ?", gone)

        await self._db.write(delete, frees_room=True)
        for (key,) in gone:
            self._records.pop(key, None)

    async def details(self, record: Record) -> dict[str, str]:
        """What ``put`` was told beside the record; nothing for one that was brought here."""
        key = key_of(record.inputs)
        return await self._db.read(lambda connection: _details(connection, key))

    def records(self) -> dict[str, Record]:
        """All steps by key."""
        return dict(self._records)

    # -- what is kept from being taken away --

    def blobs(self) -> set[str]:
        """The blobs that steps need."""
        return {record.layer.blob.digest for record in self._records.values() if record.layer is not None}

    def diff_ids(self) -> list[list[str]]:
        """The stacks of layers that steps gave."""
        return [record.chain for record in self._records.values()]

    def _whole(self, record: Record) -> bool:
        chain = chain_of(record.chain)
        return (chain is None or self._layers.exists(chain)) and (
            record.layer is None or self._blobs.exists(record.layer.blob.digest)
        )


def _details(connection: Connection, key: str) -> dict[str, str]:
    row = connection.execute("SELECT body FROM build_details WHERE key = ?", (key,)).fetchone()
    return {} if row is None else msgspec.json.decode(row["body"], type=dict[str, str])


def _load(connection: Connection) -> dict[str, Record]:
    rows = connection.execute("SELECT key, body FROM build_cache")
    return {row["key"]: msgspec.json.decode(row["body"], type=Record) for row in rows}
