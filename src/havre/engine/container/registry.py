"""The records of all containers: an index in memory, each change written to the database before it is seen.

A reference is an id, an unambiguous beginning of one, or a name (with or without the leading slash Docker keeps).
"""

import asyncio
from collections.abc import Iterator

import msgspec

from havre.engine.container.record import REMOVING, Container
from havre.errors import Conflict, InvalidParameter, NotFound
from havre.lib import ids
from havre.store.db import Connection, Database


class Registry:
    """All containers by id and name, and a lock for each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_id: dict[str, Container] = {}
        self._id_by_name: dict[str, str] = {}
        # Names given out to containers that are still being made.
        self._reserved: dict[str, str] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._decoder = msgspec.json.Decoder(Container)
        self._encoder = msgspec.json.Encoder()

    def load(self) -> None:
        """Read the records; called once, before anybody asks."""
        for row in self._database.read_now(lambda db: db.execute("SELECT body FROM containers").fetchall()):
            self._index(self._decoder.decode(row["body"]))

    def __iter__(self) -> Iterator[Container]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def lock(self, container_id: str) -> asyncio.Lock:
        """The lock that whoever changes this container's state holds meanwhile."""
        return self._locks.setdefault(container_id, asyncio.Lock())

    def current(self, container_id: str) -> Container:
        """The record of a full id; ``NotFound`` when it has been removed."""
        try:
            return self._by_id[container_id]
        except KeyError:
            raise NotFound(f"No such container: {container_id}") from None

    def find(self, reference: str) -> Container:
        """The record a client's reference means."""
        reference = reference.removeprefix("/")
        if reference in self._by_id:
            return self._by_id[reference]
        if reference in self._id_by_name:
            return self._by_id[self._id_by_name[reference]]
        if "/" in reference and (linked := self._linked(reference)) is not None:
            return linked
        matches = [key for key in self._by_id if key.startswith(reference)] if ids.is_id_prefix(reference) else []
        if len(matches) == 1:
            return self._by_id[matches[0]]
        if len(matches) > 1:
            raise InvalidParameter(f"multiple IDs found with provided prefix: {reference}")
        raise NotFound(f"No such container: {reference}")

    def _linked(self, reference: str) -> Container | None:
        """The container that another one's link means: ``name/alias``."""
        name, _, alias = reference.partition("/")
        owner = self._by_id.get(self._id_by_name.get(name, ""))
        return self._by_id.get(owner.links.get(alias, "")) if owner is not None else None

    def named(self, name: str) -> bool:
        """Whether the name is taken, also by a container in the making."""
        return name in self._id_by_name or name in self._reserved

    def reserve(self, name: str, container_id: str) -> None:
        """Keep ``name`` for ``container_id`` until ``add`` or ``release``; ``Conflict`` with Docker's text if it is
        taken.
        """
        owner = self._id_by_name.get(name) or self._reserved.get(name)
        if owner is not None and owner != container_id:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{owner}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )
        self._reserved[name] = container_id

    def release(self, name: str) -> None:
        """Give a reserved name back."""
        self._reserved.pop(name, None)

    async def save(self, container: Container, *, frees_room: bool = False) -> Container:
        """Write a new or changed record; it is visible once it is durable. ``frees_room`` as of ``Database.write``."""
        body = self._encoder.encode(container)

        def write(db: Connection) -> None:
            db.execute(
                "INSERT INTO containers (id, name, body) VALUES (?1, ?2, ?3) "
                "ON CONFLICT (id) DO UPDATE SET name = ?2, body = ?3",
                (container.id, container.name, body),
            )

        await self._database.write(write, frees_room=frees_room)
        self._index(container)
        return container

    async def erase(self, container: Container) -> None:
        """Take a record off the disk. It is still seen, as one that is being removed, until it is dropped."""
        forget = "DELETE FROM containers WHERE id = ?"
        await self._database.write(lambda db: db.execute(forget, (container.id,)), frees_room=True)
        self._index(container.with_state(status=REMOVING))

    def drop(self, container_id: str) -> None:
        """Forget a container that was erased."""
        container = self._by_id.pop(container_id, None)
        if container is not None:
            self._id_by_name.pop(container.name, None)
        self._locks.pop(container_id, None)

    def _index(self, container: Container) -> None:
        previous = self._by_id.get(container.id)
        if previous is not None and previous.name != container.name:
            self._id_by_name.pop(previous.name, None)
        self._by_id[container.id] = container
        self._id_by_name[container.name] = container.id
        self._reserved.pop(container.name, None)
