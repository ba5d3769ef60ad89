"""Quotas: how many bytes repositories may hold.

What counts: every blob and every manifest of the repository, once, however many of its manifests name it, whether
compressed or not as it was pushed; also blobs that nothing names (yet) until they are collected. Content that several
repositories share counts in each; under a quota that they have ``together``, once.

An upload is refused as soon as it is known to be too large. The last word is spoken in the transaction that gives the
blob or manifest to the repository, so that pushes side by side cannot be too many together.
"""

from collections.abc import Mapping

from havre.lib.sizes import bytes_size
from havre.registry import records
from havre.registry.access import globs
from havre.registry.errors import Denied
from havre.registry.upkeep.settings import Quota
from havre.store.db import Connection, Database


class Quotas:
    """The quotas of one registry, by pattern; the first that fits a repository is its own."""

    def __init__(self, database: Database, quotas: Mapping[str, Quota]) -> None:
        self._database = database
        self._quotas = quotas

    async def room(self, repository: str, size: int, digest: str = "") -> None:
        """See ``seams.Quota``."""
        found = self._of(repository)
        if found is not None:
            pattern, quota = found
            used, there = await self._database.read(lambda c: _used(c, repository, pattern, quota, digest))
            _check(repository, quota, used + (0 if there else size))

    async def left(self, repository: str) -> int | None:
        """See ``seams.Quota``."""
        found = self._of(repository)
        if found is None:
            return None
        pattern, quota = found
        used, _ = await self._database.read(lambda c: _used(c, repository, pattern, quota))
        return max(0, quota.size - used)

    def settle(self, connection: Connection, repository: str) -> None:
        """Raise ``Denied`` if the repository holds too much by what this transaction has put into it."""
        found = self._of(repository)
        if found is not None:
            pattern, quota = found
            _check(repository, quota, _used(connection, repository, pattern, quota)[0])

    def _of(self, repository: str) -> tuple[str, Quota] | None:
        fitting = ((pattern, quota) for pattern, quota in self._quotas.items() if globs.match(pattern, repository))
        return next(fitting, None)


def _check(repository: str, quota: Quota, used: int) -> None:
    if used > quota.size:
        whose = "its namespace" if quota.together else "the repository"
        raise Denied(
            f"quota exceeded: {whose} may hold {bytes_size(quota.size)}, with this push it would be {bytes_size(used)}",
            detail={"repository": repository, "limit": int(quota.size), "needed": used},
        )


def _used(connection: Connection, repository: str, pattern: str, quota: Quota, digest: str = "") -> tuple[int, bool]:
    """Bytes that count, and whether ``digest`` is among them."""
    number = records.repository_id(connection, repository)
    numbers = [number] if number is not None else []
    if quota.together:
        rows = connection.execute("SELECT id, name FROM repositories")
        numbers = [row["id"] for row in rows if globs.match(pattern, row["name"])]
    marks = ", ".join("?" * len(numbers))
    row = connection.execute(
        f"SELECT coalesce(sum(size), 0), coalesce(max(digest = ?), 0) FROM ("
        f"SELECT digest, size FROM blobs WHERE repository IN ({marks})"
        f" UNION SELECT digest, size FROM manifests WHERE repository IN ({marks}))",
        (digest, *numbers, *numbers),
    ).fetchone()
    return int(row[0]), bool(row[1])
