"""Times and durations between numbers and words, as Docker and Go read and print them.

A moment is an int of nanoseconds since 1970 (UTC). Go's zero time, 0001-01-01T00:00:00Z, is ``ZERO``; Docker
prints it for "never".
"""

import time

SECOND = 1_000_000_000
ZERO = -62_135_596_800 * SECOND

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MAX_DURATION = 2**63 - 1


def rfc3339nano(ns: int) -> str:
    """``2025-01-31T12:00:00.5Z``: UTC, the fraction without its trailing zeros, as Go's RFC3339Nano."""
    seconds, fraction = divmod(ns, SECOND)
    return f"{_clock(time.gmtime(seconds))}{_trimmed(fraction)}Z"


def rfc3339_local(ns: int, *, fraction: bool = False) -> str:
    """The moment in local time with its offset; with ``fraction`` always nine digits (Docker's RFC3339NanoFixed)."""
    seconds, rest = divmod(ns, SECOND)
    local = time.localtime(seconds)
    zone = _offset(local.tm_gmtoff, ":") if local.tm_gmtoff else "Z"
    return f"{_clock(local)}{f'.{rest:09d}' if fraction else ''}{zone}"


def go_string(ns: int, *, utc: bool = False) -> str:
    """What Go prints for a ``time.Time``: ``2025-01-31 12:00:00.5 +0100 CET``, in local time unless ``utc``."""
    seconds, fraction = divmod(ns, SECOND)
    moment = time.gmtime(seconds) if utc else time.localtime(seconds)
    zone = "UTC" if utc else moment.tm_zone
    return f"{_clock(moment, ' ')}{_trimmed(fraction)} {_offset(moment.tm_gmtoff, '')} {zone}"


def ansic(ns: int) -> str:
    """Go's ANSIC layout, UTC: ``Fri Jan 31 12:00:00 2025``, the day padded with a space."""
    return time.asctime(time.gmtime(ns // SECOND))


def parse_rfc3339(text: str) -> int:
    """Nanoseconds of ``2025-01-31T12:00:00.123+01:00``. Raises ValueError."""
    date, mark, clock = text.partition("T")
    clock, offset = _split_zone(clock)
    if not mark or offset is None or clock.count(":") != 2:
        raise ValueError(f'cannot parse "{text}" as an RFC 3339 time')
    return _moment(text, date, clock) - offset * SECOND


def parse_timestamp(text: str, now_ns: int) -> int:
    """Nanoseconds of what ``--since`` and ``--until`` accept.

    Unix seconds with a fraction, a Go duration before now, or an RFC 3339 time whose end may be missing
    (``2025-01-31``, ``2025-01-31T12``, …); one without a zone is local time. Raises ValueError with Docker's text.
    """
    if text != "0":
        try:
            return now_ns - parse_go_duration(text)
        except ValueError:
            pass
    if "-" in text[1:]:
        date, _, clock = text.partition("T")
        clock, offset = _split_zone(clock)
        if not clock and offset is None:
            date, offset = _split_zone(date)
        if offset is None:
            offset = time.localtime(now_ns // SECOND).tm_gmtoff
        return _moment(text, date, clock) - offset * SECOND
    seconds, dot, fraction = text.partition(".")
    sign = seconds[:1] if seconds[:1] in ("-", "+") else ""
    digits = seconds[len(sign) :]
    if not _digits(digits) or (dot and not _digits(fraction)):
        raise ValueError(f'failed to parse value as time or duration: "{text}"')
    return int(seconds) * SECOND + (int(fraction[:9].ljust(9, "0")) if dot else 0)


def api_timestamp(text: str, now_ns: int) -> str:
    """What ``parse_timestamp`` accepts, as the API takes it: seconds, perhaps with a fraction. A number goes as it is,
    a duration is whole seconds before now. Raises ValueError with Docker's text.
    """
    seconds, fraction = divmod(parse_timestamp(text, now_ns), SECOND)
    if "-" in text[1:]:
        return f"{seconds}.{fraction:09d}"
    return text if _digits(text.replace(".", "", 1).lstrip("+-")) else str(seconds)


def parse_go_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as ``1h2m3.5s`` or ``-300ms``. Raises ValueError with Go's text."""
    rest, negative = text, False
    if rest[:1] in ("-", "+"):
        negative, rest = rest[0] == "-", rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        whole = rest[: _span(rest, "0123456789")]
        rest = rest[len(whole) :]
        fraction = rest[1 : 1 + _span(rest[1:], "0123456789")] if rest[:1] == "." else ""
        rest = rest[len(fraction) + 1 :] if rest[:1] == "." else rest
        if not (whole or fraction):
            raise ValueError(f'time: invalid duration "{text}"')
        unit = rest[: _span_not(rest, "0123456789.")]
        rest = rest[len(unit) :]
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        scale = _UNITS.get(unit)
        if scale is None:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += int(whole or "0") * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)
        if total > _MAX_DURATION:
            raise ValueError(f'time: invalid duration "{text}"')
    return -total if negative else total


def go_duration(ns: int) -> str:
    """A duration as Go prints it: ``1h0m2.5s``, ``300ms``, ``0s``."""
    if ns < 0:
        return f"-{go_duration(-ns)}"
    if 0 < ns < SECOND:
        unit = "ms" if ns >= _UNITS["ms"] else "µs" if ns >= _UNITS["µs"] else "ns"
        scale = _UNITS[unit]
        return f"{ns // scale}{_trimmed(ns % scale * (SECOND // scale))}{unit}"
    minutes, rest = divmod(ns, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{text}{rest // SECOND}{_trimmed(rest % SECOND)}s"


def human_duration(seconds: float) -> str:
    """About how long: ``Less than a second``, ``About a minute``, ``3 hours``, ``2 weeks`` (the steps of go-units)."""
    whole = int(seconds)
    if whole < 60:
        return "Less than a second" if whole < 1 else "1 second" if whole == 1 else f"{whole} seconds"
    minutes = whole // 60
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / 3600) // 24 // 365} years"


def _clock(moment: time.struct_time, between: str = "T") -> str:
    return (
        f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}{between}"
        f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"
    )


def _trimmed(fraction: int) -> str:
    return f".{fraction:09d}".rstrip("0") if fraction else ""


def _offset(seconds: int, colon: str) -> str:
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}{colon}{minutes % 60:02d}"


def _split_zone(text: str) -> tuple[str, int | None]:
    """``12:00+01:00`` → (``12:00``, 3600); a missing or malformed zone gives None and the text as it was."""
    if text[-1:] in ("Z", "z"):
        return text[:-1], 0
    if len(text) >= 6 and text[-6] in "+-" and text[-3] == ":" and _digits(text[-5:-3]) and _digits(text[-2:]):
        hours, minutes = int(text[-5:-3]), int(text[-2:])
        if hours < 24 and minutes < 60:
            return text[:-6], (hours * 3600 + minutes * 60) * (-1 if text[-6] == "-" else 1)
    return text, None


def _moment(text: str, date: str, clock: str) -> int:
    """Nanoseconds of a date and an (incomplete) clock, read as UTC."""
    clock, _, fraction = clock.partition(".")
    days, parts = date.split("-"), clock.split(":") if clock else []
    if len(days) != 3 or len(days[0]) != 4 or len(parts) > 3 or not all(_digits(part) for part in (*days, *parts)):
        raise ValueError(f'cannot parse "{text}" as a time')
    if any(len(part) > 2 for part in (*days[1:], *parts)) or (fraction and (len(parts) < 3 or not _digits(fraction))):
        raise ValueError(f'cannot parse "{text}" as a time')
    year, month, day = map(int, days)
    hour, minute, second = (int(parts[i]) if i < len(parts) else 0 for i in range(3))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= _MONTH_DAYS[month - 1] + (leap and month == 2):
        raise ValueError(f'parsing time "{text}": day out of range')
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f'parsing time "{text}": hour, minute or second out of range')
    seconds = _days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    return seconds * SECOND + int(fraction[:9].ljust(9, "0") if fraction else "0")


def _days_since_epoch(year: int, month: int, day: int) -> int:
    # The year is counted from March, so that the leap day comes last.
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719_469


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _span(text: str, chars: str) -> int:
    return len(text) - len(text.lstrip(chars))


def _span_not(text: str, chars: str) -> int:
    return next((i for i, char in enumerate(text) if char in chars), len(text))
