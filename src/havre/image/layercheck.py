"""An unpacked layer held against its blob: unpacked once more beside it, and compared name by name.

The check of the store comes in here. It takes the room of one layer at a time.
"""

import asyncio
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from havre.errors import Conflict, SystemFault
from havre.image import digest as digests
from havre.image.blobs import BlobStore
from havre.image.digest import DigestMismatch
from havre.image.layers import UNPACKING, below
from havre.image.manifest import Descriptor
from havre.image.snapshots import Snapshotter
from havre.kernel import mounts, overlayfs
from havre.kernel.exchange import exchange
from havre.kernel.treecompare import differences
from havre.kernel.treerules import LISTING
from havre.kernel.unpack import Limits, unpack
from havre.lib.ids import new_id
from havre.lib.relay import settled

_MOST = 5  # differences that are told of


@dataclass(frozen=True, slots=True)
class LayerCheck:
    """Checks layers of one store."""

    blobs: BlobStore
    snapshotter: Snapshotter

    async def run(self, parent: str | None, diff_id: str, blob: Descriptor, repair: bool) -> tuple[list[str], bool]:
        """What the layer on the stack ``parent`` has different from its blob, and whether it was put right.

        Raises ``DigestMismatch`` when the blob's content is not ``diff_id``; ``Conflict`` for a layer that is in use,
        and so cannot be put right; ``SystemFault`` when it cannot be read.
        """
        chain_id = digests.chain_id(parent, diff_id)
        key = UNPACKING + new_id()
        await self.snapshotter.prepare(key, parent)
        try:
            fresh, kept = self.snapshotter.upper(key), self.snapshotter.upper(chain_id)
            with self.blobs.open(blob.digest) as file:
                unpacked = await unpack(file, fresh, below(self.snapshotter, parent), Limits(), lambda _: None)
            if unpacked.diff_id != diff_id:
                raise DigestMismatch(f"the content of {blob.digest} is {unpacked.diff_id}, not {diff_id}")
            found = await settled(lambda: _compared(fresh, kept), lambda _: None)
            if found and repair:
                if overlayfs.is_shown(kept):
                    raise Conflict("it is in use: stop the containers that stand on it first")
                await asyncio.to_thread(mounts.syncfs, fresh)
                await asyncio.to_thread(exchange, fresh, kept)
            return found, bool(found) and repair
        finally:
            await self.snapshotter.remove(key)


def _compared(fresh: Path, kept: Path) -> list[str]:
    try:
        one = os.open(fresh, LISTING)
        try:
            other = os.open(kept, LISTING)
            try:
                return list(islice(differences(one, other), _MOST))
            finally:
                os.close(other)
        finally:
            os.close(one)
    except OSError as error:
        raise SystemFault(f"cannot be read: {error}") from error
