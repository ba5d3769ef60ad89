"""Where files come from that no step of this build made: images, contexts, URLs, git, here-documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from havre.builder.plan.vertices import Fetch, FromImage, Git, Local, Scratch, Text, Vertex
from havre.builder.trees import Directory, Result, Tree
from havre.image import digest as digests


class Remote(Protocol):
    """Gets what lies elsewhere."""

    async def fetch(self, operation: Fetch, place: Path) -> tuple[Directory, bool]:
        """The file below ``place``, which is empty, and whether it was here already."""

    async def clone(self, operation: Git, place: Path) -> tuple[Directory, bool]:
        """The tree of a repository below ``place``, and whether it was here already."""


@dataclass(slots=True)
class Sources:
    """The sources of one build. ``images`` are those its vertices name, by digest; ``contexts`` directories by name.

    ``place`` is a directory of the build's own, for what is fetched.
    """

    images: Mapping[str, Tree]
    contexts: Mapping[str, Directory]
    remote: Remote
    place: Path
    _count: int = field(default=0)

    async def get(self, vertex: Vertex) -> tuple[Result, bool]:
        """What the vertex gives, and whether it was here already."""
        operation = vertex.operation
        if isinstance(operation, Scratch):
            return Tree(), True
        if isinstance(operation, FromImage):
            return self.images[operation.digest], True
        if isinstance(operation, Local):
            return self.contexts[operation.name], True
        if isinstance(operation, Fetch):
            return await self.remote.fetch(operation, self._new())
        if isinstance(operation, Git):
            return await self.remote.clone(operation, self._new())
        assert isinstance(operation, Text)
        return self._text(operation), True

    def _new(self) -> Path:
        self._count += 1
        path = self.place / str(self._count)
        path.mkdir()
        return path

    def _text(self, text: Text) -> Directory:
        directory = self._new()
        data = text.content.encode("utf-8", "surrogateescape")
        (directory / text.name).write_bytes(data)
        (directory / text.name).chmod(0o644)
        return Directory(directory, f"text {text.name} {digests.of(data)}")
