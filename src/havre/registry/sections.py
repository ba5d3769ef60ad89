"""Tables of the configuration file as values of their parts: checked, and refused with the place that is wrong."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from havre.errors import InvalidParameter
from havre.lib.sizes import parse_bytes
from havre.lib.times import parse_go_duration

T = TypeVar("T")


class Seconds(float):
    """A span of time, written as ``90s``, ``24h``, ``1h30m``."""


class Size(int):
    """Bytes, written as ``512m``, ``10g`` (powers of 1024), or a number."""


class Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The base of tables: names with hyphens, and none that is not known."""


def read(sections: Mapping[str, Mapping[str, Any]], name: str, kind: type[T]) -> T:
    """The table ``name``, empty if it is not there, as ``kind``. Raises ``InvalidParameter``."""
    try:
        return msgspec.convert(sections.get(name, {}), kind, dec_hook=_made)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidParameter(f"[{name}]: {error}") from None


def _made(kind: type, value: Any) -> Any:
    if kind is Seconds and isinstance(value, str):
        span = Seconds(parse_go_duration(value) / 1e9)
        if span >= 0:
            return span
    if kind is Size and isinstance(value, str | int) and not isinstance(value, bool):
        size = Size(parse_bytes(value) if isinstance(value, str) else value)
        if size >= 0:
            return size
    raise ValueError(f"{value!r} is no {'span of time such as 24h' if kind is Seconds else 'size such as 10g'}")
