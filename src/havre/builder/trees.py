"""What steps work on and give: file systems in layers, and directories of files that are no image's."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from havre.image import digest as digests
from havre.image.manifest import Descriptor


class Layer(msgspec.Struct, frozen=True):
    """One layer: the digest of its uncompressed archive, and the blob it is kept as. ``size``: bytes of its files.

    ``created`` is when what is in it came about, in nanoseconds since 1970; the same again for the same content.
    """

    diff_id: str
    blob: Descriptor
    size: int = 0
    created: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """A file system: layers, bottom first."""

    layers: tuple[Layer, ...] = ()

    @property
    def chain_id(self) -> str | None:
        """The snapshot of the whole; None for no files."""
        return chain_of(layer.diff_id for layer in self.layers)

    @property
    def created(self) -> int:
        """When the newest of it came about, in nanoseconds since 1970."""
        return max((layer.created for layer in self.layers), default=0)

    def on(self, layer: Layer | None) -> "Tree":
        """With one layer more, or (None) the same."""
        return self if layer is None else Tree((*self.layers, layer))


@dataclass(frozen=True, slots=True)
class Directory:
    """Files at ``path``. ``identity`` is what they are known by, "" when only a checksum can tell.

    ``version`` is what somebody else can hold files from elsewhere against: a file's digest, a commit.
    ``owned``: their owners count; those of a context are whoever made it, and mean nothing.
    """

    path: Path
    identity: str = ""
    owned: bool = False
    version: str = ""


Result = Tree | Directory


def chain_of(diff_ids: Iterable[str]) -> str | None:
    """The chain id of layers; None for none."""
    chain = digests.chain_ids(list(diff_ids))
    return chain[-1] if chain else None
