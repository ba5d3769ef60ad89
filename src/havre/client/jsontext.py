"""JSON for the client's hot path: the stdlib's C scanner and encoder without the ``json`` package around them.

``import json`` compiles regular expressions and costs about a third of a whole ``havre ps``; the C half (``_json``)
does the same work and imports in microseconds. Where an interpreter has no ``_json`` or has changed it, and for every
malformed text, the real ``json`` takes over, so results and errors are always the stdlib's own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WHITESPACE = " \t\n\r"


class _Scanning:
    """The settings the C scanner reads off its context: those of a plain ``json.loads``."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 - the C side only clears it


def _c_scanner() -> Callable[[str, int], tuple[Any, int]] | None:
    try:
        from _json import make_scanner
    except ImportError:
        return None
    try:
        scan: Callable[[str, int], tuple[Any, int]] = make_scanner(_Scanning)  # type: ignore[arg-type]
        return scan if scan('{"a":[1]}', 0) == ({"a": [1]}, 9) else None
    except Exception:
        return None


_scan = _c_scanner()


def loads(data: bytes | str) -> Any:
    """Decode one JSON value, as ``json.loads``. Raises ValueError (``json.JSONDecodeError``) on malformed text."""
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogatepass")
    if _scan is not None:
        start = len(text) - len(text.lstrip(_WHITESPACE))
        try:
            value, end = _scan(text, start)
        except (StopIteration, SystemError, ValueError):
            pass
        else:
            if not text[end:].strip(_WHITESPACE):
                return value
    import json

    return json.loads(text)


def dumps(value: Any) -> str:
    """Encode plain values (dict with str keys, list, tuple, str, int, float, bool, None) compactly."""
    try:
        from _json import encode_basestring_ascii as quote
    except ImportError:
        import json

        return json.dumps(value, separators=(",", ":"))
    out: list[str] = []
    _encode(value, out.append, quote)
    return "".join(out)


def _encode(value: Any, put: Callable[[str], object], quote: Callable[[str], str]) -> None:
    if isinstance(value, str):
        put(quote(value))
    elif value is None:
        put("null")
    elif value is True:
        put("true")
    elif value is False:
        put("false")
    elif isinstance(value, int):
        put(int.__repr__(value))
    elif isinstance(value, dict):
        separator = "{"
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a JSON object's keys are strings, not {type(key).__name__}")
            put(separator + quote(key) + ":")
            _encode(item, put, quote)
            separator = ","
        put("{}" if separator == "{" else "}")
    elif isinstance(value, list | tuple):
        separator = "["
        for item in value:
            put(separator)
            _encode(item, put, quote)
            separator = ","
        put("[]" if separator == "[" else "]")
    else:
        import json

        put(json.dumps(value, allow_nan=False))
