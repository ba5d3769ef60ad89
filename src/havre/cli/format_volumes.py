"""Volumes in lists: the fields of ``havre volume ls`` and of the volumes in ``havre system df -v``."""

from __future__ import annotations

from havre.cli.format import Listing, joined_labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Volume = dict[str, Any]


def _links(volume: Volume) -> str:
    usage = volume.get("UsageData")
    return str(usage["RefCount"]) if usage else "N/A"


def _size(volume: Volume) -> str:
    from havre.lib.sizes import human_size

    usage = volume.get("UsageData")
    return human_size(usage["Size"]) if usage else "N/A"


# Group, availability and status belong to the volumes of a cluster.
FIELDS: dict[str, tuple[str, Any]] = {
    "Name": ("VOLUME NAME", lambda volume: volume["Name"]),
    "Driver": ("DRIVER", lambda volume: volume.get("Driver", "")),
    "Scope": ("SCOPE", lambda volume: volume.get("Scope", "")),
    "Mountpoint": ("MOUNTPOINT", lambda volume: volume.get("Mountpoint", "")),
    "Labels": ("LABELS", lambda volume: joined_labels(volume.get("Labels"))),
    "Links": ("LINKS", _links),
    "Size": ("SIZE", _size),
    "Group": ("GROUP", lambda _: "N/A"),
    "Availability": ("AVAILABILITY", lambda _: "N/A"),
    "Status": ("STATUS", lambda _: "N/A"),
}

RAW = "name: {{.Name}}\ndriver: {{.Driver}}\n"


def listing(columns: tuple[str, ...] = ("Driver", "Name")) -> Listing:
    """The list of volumes with these columns in its table. A row is a volume as the API gives it."""
    return Listing("*formatter.volumeContext", FIELDS, columns, lambda volume: volume.get("Labels"))
