"""What daemon.json says of the builder: the disk budget under ``builder`` ``gc``, in dockerd's words."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from havre.builder.upkeep import Limits
from havre.errors import InvalidParameter
from havre.lib.sizes import parse_bytes

_RESERVED, _USED, _FREE = 10, 60, 20  # percent of the disk, as BuildKit's defaults
_NAMES = {
    "defaultKeepStorage": "reserved",
    "defaultReservedSpace": "reserved",
    "defaultMaxUsedSpace": "used",
    "defaultMinFreeSpace": "free",
}


def limits(builder: Mapping[str, Any], data_root: Path) -> Limits | None:
    """How much builds may keep; None for no budget. Raises ``InvalidParameter``."""
    if unknown := ", ".join(name for name in builder if name != "gc"):
        raise InvalidParameter(f"builder: unknown {unknown}")
    said = builder.get("gc", {})
    if not isinstance(said, dict):
        raise InvalidParameter("builder: gc must be an object")
    if unknown := ", ".join(name for name in said if name not in ("enabled", *_NAMES)):
        raise InvalidParameter(f"builder: havre does not know {unknown} of gc")
    enabled = said.get("enabled", True)
    if not isinstance(enabled, bool):
        raise InvalidParameter("builder: gc.enabled must be true or false")
    given: dict[str, int] = {}
    for name, text in said.items():
        if name in _NAMES:
            try:
                given[_NAMES[name]] = parse_bytes(text)
            except (ValueError, TypeError, AttributeError):
                raise InvalidParameter(f"builder: gc.{name} must be a size, not {text!r}") from None
    if not enabled:
        return None
    if given:
        # As with dockerd, room that is reserved and nothing else is all that may be used.
        return Limits(**{"used": given.get("reserved", 0), **given})
    disk = shutil.disk_usage(data_root).total // 100
    return Limits(disk * _RESERVED, disk * _USED, disk * _FREE)
