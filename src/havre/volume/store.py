"""The records of volumes: what there is, who made it, which driver keeps it. The driver keeps the files."""

import re

import msgspec

from havre.errors import InvalidParameter
from havre.store.db import Connection, Database

ANONYMOUS = "com.docker.volume.anonymous"
"""The label of volumes that were given no name, as Docker marks them."""

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
# A name of 255 bytes is the longest that file systems have, and drivers put a word in front of it for a while.
_LONGEST = 240


class VolumeRecord(msgspec.Struct, frozen=True):
    """A volume. ``created`` is nanoseconds since 1970; ``labels`` and ``options`` are None when none were given.

    ``container`` is the id of the one container that an anonymous volume was made for and goes with.
    """

    name: str
    driver: str
    created: int
    labels: dict[str, str] | None = None
    options: dict[str, str] | None = None
    container: str = ""

    @property
    def anonymous(self) -> bool:
        return ANONYMOUS in (self.labels or {})


class VolumeStore:
    """All records by name: an index in memory, each change durable before it is seen."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records: dict[str, VolumeRecord] = {}
        self._decoder = msgspec.json.Decoder(VolumeRecord)

    def load(self) -> None:
        """Read the records; called once, before anybody asks."""
        rows = self._database.read_now(lambda db: db.execute("SELECT body FROM volumes").fetchall())
        for row in rows:
            record = self._decoder.decode(row["body"])
            self._records[record.name] = record

    def get(self, name: str) -> VolumeRecord | None:
        return self._records.get(name)

    def all(self) -> list[VolumeRecord]:
        """By name."""
        return sorted(self._records.values(), key=lambda record: record.name)

    async def save(self, record: VolumeRecord) -> None:
        """Write a new or changed record; it is visible once it is durable."""
        body = msgspec.json.encode(record)

        def insert(db: Connection) -> None:
            db.execute("INSERT OR REPLACE INTO volumes (name, body) VALUES (?, ?)", (record.name, body))

        await self._database.write(insert)
        self._records[record.name] = record

    async def delete(self, name: str) -> None:
        """Forget a volume."""
        forget = "DELETE FROM volumes WHERE name = ?"
        await self._database.write(lambda db: db.execute(forget, (name,)), frees_room=True)
        self._records.pop(name, None)


def check_name(name: str) -> None:
    """Raise ``InvalidParameter`` in Docker's words for what cannot name a local volume."""
    if len(name) == 1:
        raise InvalidParameter(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if len(name) > _LONGEST:
        raise InvalidParameter(f"create {name}: volume name is too long, {_LONGEST} characters are the most")
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
