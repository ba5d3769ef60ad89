"""Containers in lists: the fields of ``havre ps`` and of the containers in ``havre system df -v``."""

from __future__ import annotations

from havre.cli.format import Listing, ago, ellipsis, joined_labels
from havre.lib.ids import short
from havre.lib.quoting import quote
from havre.lib.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Row:
    """One container: the API's summary, and whether long texts are cut (``trunc``)."""

    __slots__ = ("summary", "trunc")

    def __init__(self, summary: dict[str, Any], trunc: bool) -> None:
        self.summary = summary
        self.trunc = trunc


def _id(row: Row) -> str:
    identifier: str = row.summary.get("Id", "")
    return short(identifier) if row.trunc else identifier


def _names(row: Row) -> str:
    names = [name.removeprefix("/") for name in row.summary.get("Names") or ()]
    if row.trunc:
        # A name with a slash inside is a link's, not the container's own.
        return next((name for name in names if "/" not in name), "")
    return ",".join(names)


def _image(row: Row) -> str:
    image: str = row.summary.get("Image", "")
    if not image:
        return "<no image>"
    if not row.trunc:
        return image
    if short(row.summary.get("ImageID", "")) == short(image):
        return short(image)
    if "@" not in image and not image.startswith(("docker.io/", "index.docker.io/")):
        return image
    from havre.lib.references import parse

    try:
        reference = parse(image, default_tag=None)
    except ValueError:
        return image
    return f"{reference.familiar_name}:{reference.tag}" if reference.tag else reference.familiar_name


def _command(row: Row) -> str:
    command: str = row.summary.get("Command", "")
    return quote(ellipsis(command, 20) if row.trunc else command)


def _created_at(row: Row) -> str:
    from havre.lib.times import SECOND, go_string

    return go_string(row.summary.get("Created", 0) * SECOND)


def _size(row: Row) -> str:
    own, whole = row.summary.get("SizeRw") or 0, row.summary.get("SizeRootFs") or 0
    shown = human_size(own, 3)
    return f"{shown} (virtual {human_size(whole, 3)})" if whole > 0 else shown


def _mounts(row: Row) -> str:
    names = [mount.get("Name") or mount.get("Source", "") for mount in row.summary.get("Mounts") or ()]
    return ",".join(ellipsis(name, 15) if row.trunc else name for name in names)


def _local_volumes(row: Row) -> str:
    return str(sum(mount.get("Driver") == "local" for mount in row.summary.get("Mounts") or ()))


def _networks(row: Row) -> str:
    return ",".join(sorted((row.summary.get("NetworkSettings") or {}).get("Networks") or {}))


def _platform(row: Row) -> object:
    platform = (row.summary.get("ImageManifestDescriptor") or {}).get("platform")
    if not platform:
        from havre.lib.templates import Nil

        return Nil("*v1.Platform")
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return "/".join(part for part in parts if part)


def ports(mappings: list[dict[str, Any]]) -> str:
    """``0.0.0.0:8080->80/tcp, 443/tcp``: runs of ports that are mapped to themselves or not at all are joined."""
    groups: dict[tuple[str, str], list[int]] = {}
    done: list[str] = []
    others: list[str] = []
    for mapping in sorted(mappings, key=_port_order):
        private, public = mapping["PrivatePort"], mapping.get("PublicPort", 0)
        address, protocol = mapping.get("IP", ""), mapping.get("Type", "")
        if address and public != private:
            others.append(f"{_host(address)}:{public}->{private}/{protocol}")
            continue
        group = groups.get((address, protocol))
        if group is not None and private == group[1] + 1:
            group[1] = private
            continue
        if group is not None:
            done.append(_port_group(address, protocol, *group))
        groups[address, protocol] = [private, private]
    done += [_port_group(address, protocol, *group) for (address, protocol), group in groups.items()]
    return ", ".join(done + others)


def _port_order(mapping: dict[str, Any]) -> tuple[int, str, int, str]:
    return mapping["PrivatePort"], mapping.get("IP", ""), mapping.get("PublicPort", 0), mapping.get("Type", "")


def _port_group(address: str, protocol: str, first: int, last: int) -> str:
    shown = str(first) if first == last else f"{first}-{last}"
    return f"{_host(address)}:{shown}->{shown}/{protocol}" if address else f"{shown}/{protocol}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


FIELDS: dict[str, tuple[str, Any]] = {
    "ID": ("CONTAINER ID", _id),
    "Names": ("NAMES", _names),
    "Image": ("IMAGE", _image),
    "Command": ("COMMAND", _command),
    "CreatedAt": ("CREATED AT", _created_at),
    "RunningFor": ("CREATED", lambda row: ago(row.summary.get("Created", 0))),
    "Ports": ("PORTS", lambda row: ports(row.summary.get("Ports") or [])),
    "State": ("STATE", lambda row: row.summary.get("State", "")),
    "Status": ("STATUS", lambda row: row.summary.get("Status", "")),
    "Size": ("SIZE", _size),
    "Labels": ("LABELS", lambda row: joined_labels(row.summary.get("Labels"))),
    "Mounts": ("MOUNTS", _mounts),
    "LocalVolumes": ("LOCAL VOLUMES", _local_volumes),
    "Networks": ("NETWORKS", _networks),
    "Platform": ("PLATFORM", _platform),
}
RAW = (
    "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\n"
    "state: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\n"
    "ports: {{- pad .Ports 1 0}}\n"
)
COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def listing(columns: tuple[str, ...] = COLUMNS) -> Listing:
    """The list of containers with these columns in its table."""
    return Listing("*formatter.ContainerContext", FIELDS, columns, lambda row: row.summary.get("Labels"))
