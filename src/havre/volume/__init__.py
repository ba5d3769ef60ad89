"""Volumes: directories that outlive their containers. The engine comes in, by name; containers are but ids here.

``store.VolumeStore`` keeps the records, ``VolumeDriver`` below is what a kind of volume must do, ``drivers/`` the kinds
there are in this process, ``plugins/`` speaks with those that are programs of their own, and ``copyup`` fills an empty
volume from the image.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class VolumeDriver(Protocol):
    """One kind of volume.

    The life of a volume: ``create`` makes its directory, empty, and may be called again for one that is there, which
    changes nothing. Until ``remove``, ``path`` is where its files are and where containers bind it from. ``remove`` has
    two steps around the deletion of the record: ``take_away`` hides the files so that nobody finds them any more, and
    ``discard`` deletes what was hidden. A daemon killed in between calls ``recover`` at its next start.

    Names are valid (see ``store.check_name``). What has returned is durable. Errors of the host are ``OSError``.
    """

    name: str
    """What clients call the driver."""

    def check(self, options: Mapping[str, str]) -> None:
        """Refuse ``options`` it does not take: ``InvalidParameter``, or ``Unsupported`` for what is not there yet."""

    def mounts(self, options: Mapping[str, str]) -> bool:
        """Whether a volume with these options has to be mounted while it is in use."""

    def mount(self, name: str, options: Mapping[str, str]) -> None:
        """Mount it at its path, where nothing is mounted now. Blocks, perhaps for long. ``SystemFault``."""

    def unmount(self, name: str) -> None:
        """Take away whatever is mounted at its path."""

    def create(self, name: str) -> None:
        """Make the volume's directory if it is not there. Blocks."""

    def path(self, name: str) -> Path:
        """The directory with the volume's files."""

    def take_away(self, name: str) -> None:
        """Hide the volume, so that a new one of the same name would be empty. Nothing happens if it is not there."""

    def discard(self, name: str) -> None:
        """Delete what ``take_away`` has hidden under this name. Blocks, for long when there are many files."""

    def recover(self, names: frozenset[str]) -> None:
        """Bring back what is hidden but still in ``names`` (the records), and delete what is hidden and not.

        An empty volume that no record names is deleted too: its making was cut short.
        """

    def usage(self, name: str) -> int:
        """Bytes in the volume's files, each counted once however many links it has. Blocks."""
