"""Gives a JSON value the type Docker's client has for it (``format_types``), for templates to look at."""

from __future__ import annotations

from havre.cli.format_types import TYPES
from havre.lib.templates import List, Map, Nil, Number, Record
from havre.lib.times import SECOND, ZERO, go_duration, go_string, parse_rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    # Name → (its name in JSON, its kind, its mark: ``?``, ``!`` or none).
    Fields = dict[str, tuple[str, str, str]]

_SCALARS: dict[str, tuple[str, object]] = {"s": ("string", ""), "i": ("int", 0), "b": ("bool", False)}


class Struct(Record):
    """A JSON object under one of ``TYPES``; what it has beyond the type's fields is not seen, as in Docker."""

    def __init__(self, kind: str, source: dict[str, Any], *, pointer: bool = False) -> None:
        """``pointer``: the struct is behind a pointer, which error texts say."""
        self.type_name = f"*{kind}" if pointer else kind
        self._kind = kind
        self._source = source

    def get(self, name: str) -> object:
        key, kind, _ = _found(self._kind)[name]
        return self._embedded(kind) if kind[0] == "&" else typed(kind, self._source.get(key))

    def items(self) -> Iterable[tuple[str, object]]:
        return [(name, self.get(name)) for name in fields(self._kind)]

    def to_json(self) -> object:
        return self.members()

    def members(self) -> dict[str, object]:
        """What JSON shows: the fields the source has, those of embedded structs among them."""
        shown: dict[str, object] = {}
        for key, kind, mark in fields(self._kind).values():
            value = self._source.get(key)
            if kind[0] == "&":
                shown |= self._embedded(kind).members()
            elif mark == "!" or (key in self._source and (value or mark != "?")):
                shown[key] = typed(kind, value)
        return shown

    def _embedded(self, kind: str) -> Struct:
        return Struct(kind[1:], self._source)


class Time(Record):
    """A moment, which prints as Go prints a ``time.Time``."""

    type_name = "time.Time"

    def __init__(self, source: str) -> None:
        self._source = source

    def text(self) -> str:
        try:
            moment = parse_rfc3339(self._source) if self._source else ZERO
        except ValueError:
            return self._source
        zone = self._source[-6:].replace(":", "")
        if self._source.endswith("Z") or not self._source:
            return go_string(moment, utc=True)
        local = go_string(moment)
        # Go names the zone when it is the local one, and repeats the offset otherwise.
        if local.split(" ")[2] == zone:
            return local
        shift = (int(zone[1:3]) * 3600 + int(zone[3:]) * 60) * (-1 if zone[0] == "-" else 1) * SECOND
        return f"{go_string(moment + shift, utc=True).rpartition(' +0000')[0]} {zone} {zone}"

    def to_json(self) -> object:
        return self._source


_FIELDS: dict[str, Fields] = {}


def fields(type_name: str) -> Fields:
    """The fields of a type, in Go's order."""
    if type_name not in _FIELDS:
        table: Fields = {}
        for word in TYPES[type_name].split():
            names, _, kind = word.partition(":")
            name, _, key = names.partition("=")
            mark = kind[-1] if kind.endswith(("?", "!")) else ""
            table[name] = (key or name, kind.removesuffix(mark) or "s", mark)
        _FIELDS[type_name] = table
    return _FIELDS[type_name]


def _found(type_name: str) -> Fields:
    """``fields`` and the fields of the structs embedded in it."""
    found: Fields = {}
    for _, kind, _ in fields(type_name).values():
        if kind[0] == "&":
            found |= _found(kind[1:])
    return found | fields(type_name)


def typed(kind: str, value: Any) -> object:
    """``value`` as the kind says; None becomes the kind's zero value."""
    if kind == "any":
        return value
    if kind in _SCALARS:
        return _SCALARS[kind][1] if value is None else value
    inner = kind[1:]
    if kind[0] == "[":
        items = value if isinstance(value, list) else []
        return List(go_name(kind), [typed(inner, item) for item in items], source=value)
    if kind == "{any" and value is not None:
        return value
    if kind[0] == "{":
        pairs = value.items() if isinstance(value, dict) else ()
        return Map(go_name(kind), {key: typed(inner, item) for key, item in pairs}, typed(inner, None), source=value)
    if kind[0] == "*":
        if value is None:
            return Nil(go_name(kind), frozenset(fields(inner)) if inner in TYPES else frozenset())
        return typed(inner, value)
    if kind == "d":
        length = value if isinstance(value, int) else 0
        return Number(length, go_name(kind), go_duration(length))
    if kind == "t":
        return Time(value if isinstance(value, str) else "")
    return Struct(kind, value if isinstance(value, dict) else {}) if kind != "_" else _Empty()


class _Empty(Record):
    """``struct {}``, the values of a set."""


def go_name(kind: str) -> str:
    """Go's name of a kind's type."""
    if kind in _SCALARS:
        return _SCALARS[kind][0]
    if kind[0] in "[{*":
        return {"[": "[]", "{": "map[string]", "*": "*"}[kind[0]] + go_name(kind[1:])
    return {"t": "time.Time", "d": "time.Duration", "_": "struct {}", "any": "interface {}"}.get(kind, kind)
