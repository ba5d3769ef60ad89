"""Strings between quotes, as Go writes and reads them (``strconv.Quote``, ``Unquote``): so Docker shows commands."""

from __future__ import annotations

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"'}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}


def quote(text: str, mark: str = '"') -> str:
    """``text`` between ``mark``s, with everything escaped that does not print; bytes that are no UTF-8 as ``\\xff``."""
    if text.isascii() and text.isprintable() and "\\" not in text and mark not in text:
        return f"{mark}{text}{mark}"
    return mark + "".join(f"\\{mark}" if char == mark else _escaped(char) for char in text) + mark


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte Python could not decode (surrogateescape)
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable():
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(text: str) -> str:
    """The string a Go literal means, its quotes (``"``, ``'`` or a backtick) included in ``text``.

    Raises ValueError (``invalid syntax``). A ``'`` literal holds exactly one character.
    """
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "\"'`":
        raise ValueError("invalid syntax")
    mark, inner = text[0], text[1:-1]
    if mark == "`":
        if "`" in inner:
            raise ValueError("invalid syntax")
        return inner.replace("\r", "")
    if "\n" in inner:
        raise ValueError("invalid syntax")
    parts: list[str] = []
    i = 0
    while i < len(inner):
        if inner[i] == mark:
            raise ValueError("invalid syntax")
        if inner[i] != "\\":
            parts.append(inner[i])
            i += 1
        else:
            char, i = _unescaped(inner, i + 1, mark)
            parts.append(char)
    if mark == "'" and len(parts) != 1:
        raise ValueError("invalid syntax")
    return "".join(parts)


def _unescaped(text: str, i: int, mark: str) -> tuple[str, int]:
    kind = text[i : i + 1]
    if kind in _SIMPLE:
        if kind in "\"'" and kind != mark:
            raise ValueError("invalid syntax")
        return _SIMPLE[kind], i + 1
    if kind in _HEX_DIGITS:
        start, base = i + 1, 16
        end = start + _HEX_DIGITS[kind]
    elif kind and kind in "01234567":
        start, end, base = i, i + 3, 8
    else:
        raise ValueError("invalid syntax")
    digits = text[start:end]
    if len(digits) != end - start or not digits.isalnum() or not digits.isascii():
        raise ValueError("invalid syntax")
    code = int(digits, base)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (base == 8 and code > 255):
        raise ValueError("invalid syntax")
    return chr(code), end
