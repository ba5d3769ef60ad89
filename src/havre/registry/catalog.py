"""What the registry knows: repositories, their manifests and tags, the blobs each may hand out, uploads under way.

All in one SQLite database, one transaction a change: a crash leaves the old or the new state, and a change is on disk
when its method returns. Manifests asked for lately are kept in memory, so every change goes through here; only one
process has a catalog open.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from havre.registry import records
from havre.registry.manifestcache import Manifest, ManifestCache
from havre.registry.manifests import Document
from havre.registry.records import Referrer
from havre.store.db import Connection, Database

T = TypeVar("T")


class Catalog:
    """The records of one registry."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.settle: Callable[[Connection, str], None] = _settled
        """Called at the end of a transaction that has put something into a repository; raises to undo it."""
        self._cache = ManifestCache()

    async def is_new(self) -> bool:
        """Whether nothing has ever been pushed."""
        query = "SELECT NOT EXISTS (SELECT 1 FROM repositories) AND NOT EXISTS (SELECT 1 FROM uploads)"
        return bool(await self.database.read(lambda c: c.execute(query).fetchone()[0]))

    async def change(self, repository: str, work: Callable[[Connection], T], *, frees_room: bool = False) -> T:
        """Run ``work`` in a transaction that may change manifests or tags of ``repository``."""
        try:
            return await self.database.write(work, frees_room=frees_room)
        finally:
            self._cache.forget(repository)

    def forget(self, repository: str) -> None:
        """Manifests or tags of ``repository`` have changed in a transaction of somebody else's."""
        self._cache.forget(repository)

    # -- manifests and tags -------------------------------------------------------------------------------------------

    async def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest a tag or digest names, or None."""
        found = self._cache.get(repository, reference)
        if found is None:
            generation = self._cache.generation
            found = await self.database.read(lambda c: records.manifest(c, repository, reference))
            # A change made while this was read must not be hidden by what was read before it.
            if found is not None and generation == self._cache.generation:
                self._cache.put(repository, reference, found)
        return found

    async def body_piece(self, digest: str, start: int, length: int) -> bytes:
        """Some of a manifest's bytes, for those too large to be read at once; b"" when it has gone."""
        return await self.database.read(lambda c: records.body_piece(c, digest, start, length))

    async def put_manifest(self, repository: str, document: Document, tags: Sequence[str]) -> bool:
        """Store a manifest and let ``tags`` name it; whether it is new to the repository.

        Raises ``ManifestBlobUnknown`` when something it names is not in the repository, ``ManifestInvalid`` when its
        sizes are wrong or its indexes lie too deep in each other.
        """

        def put(connection: Connection) -> bool:
            added = records.put_manifest(connection, repository, document, tags)
            self.settle(connection, repository)
            return added

        return await self.change(repository, put)

    async def delete_tag(self, repository: str, tag: str) -> Manifest | None:
        """Remove a tag and return the manifest it named, which stays; None when there is no such tag."""
        return await self.change(repository, lambda c: records.delete_tag(c, repository, tag), frees_room=True)

    async def delete_manifest(self, repository: str, digest: str) -> tuple[Manifest, list[str]] | None:
        """Remove a manifest; what it was and the tags that went with it, or None. ``InUse`` when an index names it."""
        return await self.change(repository, lambda c: records.delete_manifest(c, repository, digest), frees_room=True)

    async def tags(self, repository: str, after: str, limit: int) -> list[str] | None:
        """At most ``limit`` tags behind ``after``, in byte order; None when there is no such repository."""
        return await self.database.read(lambda c: records.tags(c, repository, after, limit))

    async def repositories(self, after: str, limit: int) -> list[str]:
        """At most ``limit`` names of repositories that hold a manifest, behind ``after``, in byte order."""
        return await self.database.read(lambda c: records.repositories(c, after, limit))

    async def referrers(
        self, repository: str, subject: str, artifact_type: str | None, after: str, room: int
    ) -> tuple[list[Referrer], bool]:
        """Manifests whose subject is ``subject`` behind the digest ``after``, as many as have ``room`` bytes of JSON
        together; and whether there are more."""
        return await self.database.read(lambda c: records.referrers(c, repository, subject, artifact_type, after, room))

    # -- blobs --------------------------------------------------------------------------------------------------------

    async def blob_size(self, repository: str, digest: str) -> int | None:
        """Bytes of a blob the repository may hand out, or None."""
        return await self.database.read(lambda c: records.blob_size(c, repository, digest))

    async def link_blob(self, repository: str, digest: str, size: int, upload: str = "") -> None:
        """Let the repository hand out a blob that is stored. ``upload`` is the way it came in, which is over."""

        def link(connection: Connection) -> None:
            records.link_blob(connection, repository, digest, size)
            self.settle(connection, repository)
            connection.execute("DELETE FROM uploads WHERE id = ?", (upload,))

        await self.database.write(link)

    async def unlink_blob(self, repository: str, digest: str) -> int | None:
        """Let the repository not hand out a blob any more: its bytes, or None. ``InUse`` when a manifest names it."""
        return await self.database.write(lambda c: records.unlink_blob(c, repository, digest), frees_room=True)

    # -- uploads ------------------------------------------------------------------------------------------------------

    async def add_upload(self, upload: str, repository: str) -> None:
        """Note an upload of what is to be a blob of ``repository``."""
        row = (upload, repository, time.time())

        def add(connection: Connection) -> None:
            connection.execute("INSERT INTO uploads VALUES (?, ?, ?)", row)

        await self.database.write(add)

    async def upload_repository(self, upload: str) -> str | None:
        """The repository an upload is for, or None when there is no such upload."""
        query = "SELECT repository FROM uploads WHERE id = ?"
        row = await self.database.read(lambda c: c.execute(query, (upload,)).fetchone())
        return None if row is None else str(row["repository"])

    async def uploads(self) -> list[str]:
        """Every upload there is."""
        return await self.database.read(lambda c: [row["id"] for row in c.execute("SELECT id FROM uploads")])

    async def remove_upload(self, upload: str) -> None:
        """Forget an upload."""

        def remove(connection: Connection) -> None:
            connection.execute("DELETE FROM uploads WHERE id = ?", (upload,))

        await self.database.write(remove, frees_room=True)


def _settled(connection: Connection, repository: str) -> None:
    """Everything fits."""
