"""inotify(7): be told when files in a directory change, instead of asking again and again."""

from pathlib import Path

from havre.kernel.descriptors import readable
from havre.kernel.watches import CREATE, MODIFY, MOVED, Watches

__all__ = ["CREATE", "MODIFY", "MOVED", "Watch"]


class Watch:
    """Watches one directory. ``changed`` returns after at least one event since the last call; close it when done."""

    def __init__(self, directory: Path, mask: int) -> None:
        self._watches = Watches()
        try:
            self._watches.add(directory, mask)
        except OSError:
            self._watches.close()
            raise

    async def changed(self) -> None:
        """Wait for an event and forget all there are."""
        await readable(self._watches.fd)
        self._watches.read()

    def close(self) -> None:
        self._watches.close()
