"""Sizes between numbers and words, as Docker reads and prints them (the rules of go-units)."""

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_MAX = 2**63 - 1


def parse_bytes(text: str) -> int:
    """Bytes meant by ``512m``, ``1.5 GiB``, ``1024``: units are binary whatever their spelling (``1kb`` is 1024).

    Raises ValueError with Docker's text for anything else, negative sizes included.
    """
    end = max((i for i, char in enumerate(text) if char in "0123456789. "), default=-1)
    if end == -1:
        raise ValueError(f"invalid size: '{text}'")
    number, suffix = (text[:end] if text[end] == " " else text[: end + 1]), text[end + 1 :].lower()
    size = _number(number)
    if size < 0:
        raise ValueError(f"invalid size: '{text}'")
    if suffix not in ("", "b"):
        power = _POWERS.get(suffix[0])
        if power is None or suffix[1:] not in ("", "b", "ib"):
            raise ValueError(f"invalid suffix: '{suffix}'")
        size *= 1024**power
    return min(int(size), _MAX)


def human_size(size: float, precision: int = 4) -> str:
    """Decimal units with ``precision`` significant digits: ``1.235MB``. Docker prints images and layers with three."""
    return _scaled(size, 1000.0, _DECIMAL, precision)


def bytes_size(size: float) -> str:
    """Binary units with four significant digits: ``1.5MiB``."""
    return _scaled(size, 1024.0, _BINARY, 4)


def _scaled(size: float, base: float, units: tuple[str, ...], precision: int) -> str:
    value, unit = float(size), 0
    while value >= base and unit < len(units) - 1:
        value /= base
        unit += 1
    return f"{value:.{precision}g}{units[unit]}"


def _number(text: str) -> float:
    if (text and not text.isascii()) or any(char not in "0123456789.+-eE" for char in text):
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax')
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None
    if value in (float("inf"), float("-inf")):
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": value out of range')
    return value
