"""Paths and query strings, percent-encoded without ``urllib`` (whose import alone costs several milliseconds)."""

from __future__ import annotations

from havre.client.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str, safe: str = "") -> str:
    """Percent-encode everything but letters, digits, ``-._~`` and the characters in ``safe`` (UTF-8)."""
    if text.isascii() and text.isalnum():
        return text
    kept = _PLAIN.union(safe.encode())
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


def encode(query: Mapping[str, Any]) -> str:
    """A query string. None is left out, booleans are 1 and 0, a list repeats its name, a dict travels as JSON."""
    parts: list[str] = []
    for name, value in query.items():
        if value is None:
            continue
        for item in value if isinstance(value, list | tuple) else (value,):
            parts.append(f"{quote(name)}={quote(_text(item))}")
    return "&".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return dumps(value) if isinstance(value, dict) else str(value)
