"""What is told of a build while it goes on: each door shows it in its own way."""

from collections.abc import Sequence
from typing import Protocol

from havre.builder.plan.vertices import Vertex
from havre.dockerfile.lint import Finding


class Progress(Protocol):
    """Is told of steps. Nothing of it may block."""

    def begins(self, vertex: Vertex) -> None:
        """The step is being worked on."""

    def writes(self, vertex: Vertex, stream: int, data: bytes) -> None:
        """A command has written to stdout (1) or stderr (2)."""

    def ends(self, vertex: Vertex, cached: bool, error: str = "") -> None:
        """The step is done, perhaps from the cache, or has failed."""

    def warns(self, findings: Sequence[Finding]) -> None:
        """What lint has to say of the Dockerfile; once, before the first step."""

    def explains(self, vertex: Vertex, reasons: Sequence[str]) -> None:
        """Why the step is carried out, and not taken from the cache; only where the build asks for it (``why``)."""
