"""The kinds of volumes there are."""

from pathlib import Path

from havre.volume import VolumeDriver
from havre.volume.drivers.local import LocalDriver


def all_drivers(volumes: Path) -> dict[str, VolumeDriver]:
    """The drivers by name, each given the directory of local volumes."""
    return {driver.name: driver for driver in (LocalDriver(volumes),)}
