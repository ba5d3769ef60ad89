"""What a build may see but never keep: secrets by id, and the client's SSH agent."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol


class Secrets(Protocol):
    """Where the client's secrets come from; asked anew for each command that mounts one."""

    async def secret(self, identity: str) -> bytes | None:
        """The secret's value; None when the client has none of this id."""

    def agent(
        self, identity: str, path: Path, uid: int, gid: int, mode: int | None
    ) -> AbstractAsyncContextManager[bool]:
        """A socket at ``path`` that leads to the client's agent while the block lasts; False when it has none."""


class GivenSecrets:
    """``Secrets`` that are known before; there is no agent."""

    def __init__(self, values: Mapping[str, bytes] | None = None) -> None:
        self._values = values or {}

    async def secret(self, identity: str) -> bytes | None:
        return self._values.get(identity)

    @asynccontextmanager
    async def agent(self, identity: str, path: Path, uid: int, gid: int, mode: int | None) -> AsyncIterator[bool]:
        yield False
