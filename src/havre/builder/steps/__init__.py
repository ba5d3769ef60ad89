"""Operations, carried out: one file a kind. ``Step`` is what they have in common; the solver comes in here.

A step says what it depends on beside its inputs' identities (``parts``), so that it can be found in the cache, and is
carried out (``run``) only when it is not there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from havre.builder.plan.vertices import Vertex
from havre.builder.trees import Layer, Result, Tree


@dataclass(frozen=True, slots=True)
class Task:
    """A step to be done: its inputs are there. ``write`` takes output: 1 or 2, and bytes.

    ``details`` gathers what single files of its inputs are known by, by input and path, to tell what changed.
    """

    vertex: Vertex
    inputs: Sequence[Result]
    write: Callable[[int, bytes], None]
    details: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Tree:
        """The file system that a layer is put on."""
        root = self.inputs[0]
        assert isinstance(root, Tree)
        return root


class LayerStep(Protocol):
    """A step that puts a layer on its first input."""

    async def origin_parts(self, task: Task) -> dict[str, str] | None:
        """What it depends on, by where that came from; None when only the content can tell."""

    async def content_parts(self, task: Task) -> dict[str, str]:
        """What it depends on, by content."""

    async def run(self, task: Task) -> Layer | None:
        """The layer, durable and on the root's; None when nothing changed."""


def identity(result: Result) -> str:
    """What a result is known by where it is used whole; "" when only a checksum can tell."""
    if isinstance(result, Tree):
        return result.chain_id or "scratch"
    return result.identity
