"""``default-address-pools``: on the command line ``base=10.0.0.0/8,size=24``, in daemon.json objects of the same."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from havre.errors import InvalidParameter
from havre.network.ipam import BasePool


def text_of(entry: Any) -> str:
    """An entry of daemon.json as the command line has it."""
    if isinstance(entry, dict) and set(entry) <= {"base", "size"}:
        return ",".join(f"{key}={value}" for key, value in entry.items())
    raise InvalidParameter(f"default-address-pools must be a list of objects with base and size, not {entry!r}")


def parse(entries: Sequence[str]) -> tuple[BasePool, ...]:
    """The pools. ``InvalidParameter`` for one that is none."""
    return tuple(_parse(entry) for entry in entries)


def _parse(entry: str) -> BasePool:
    words = {}
    for word in entry.split(","):
        key, _, value = word.partition("=")
        if key.strip() not in ("base", "size") or not value:
            raise InvalidParameter(f"invalid default address pool {entry!r}: base=cidr,size=bits is wanted")
        words[key.strip()] = value.strip()
    try:
        base, size = ipaddress.ip_network(words["base"], strict=False), int(words["size"])
    except (KeyError, ValueError):
        raise InvalidParameter(f"invalid default address pool {entry!r}: base=cidr,size=bits is wanted") from None
    if not base.prefixlen <= size <= base.max_prefixlen - 2:
        raise InvalidParameter(
            f"invalid default address pool {entry!r}: no subnet of {size} bits can be cut from {base}"
        )
    return BasePool(base, size)
