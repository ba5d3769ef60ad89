"""Log options: which a driver knows, and what their values mean, in dockerd's words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from havre.errors import InvalidParameter
from havre.lib.booleans import parse_bool
from havre.lib.patterns import PatternError, pattern
from havre.lib.sizes import parse_bytes
from havre.lib.templates import Template, TemplateError

# Those of every driver.
MODE, BUFFER = "mode", "max-buffer-size"
CACHE = ("cache-disabled", "cache-max-size", "cache-max-file", "cache-compress")
_COMMON = (MODE, BUFFER, *CACHE)
_DEFAULT_BUFFER = 1_000_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """How files are kept small: bytes of one (-1 for no end), how many, and whether those but the newest are packed."""

    max_size: int
    max_file: int
    compress: bool

    def document(self) -> dict[str, Any]:
        """For a plan."""
        return {"max_size": self.max_size, "max_file": self.max_file, "compress": self.compress}


# conmon's files where they only wait to be taken on: each is dropped when it was.
PASSING = Rotation(2 << 20, 0, compress=False)


def check_names(driver: str, options: Mapping[str, str], known: tuple[str, ...]) -> None:
    """``InvalidParameter`` for an option that is not the driver's, and for a bad value of those all drivers have."""
    mode = options.get(MODE, "")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidParameter(f"logger: logging mode not supported: {mode}")
    if BUFFER in options:
        if mode != "non-blocking":
            raise InvalidParameter("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
        try:
            parse_bytes(options[BUFFER])
        except ValueError as error:
            raise InvalidParameter(f"error parsing option max-buffer-size: {error}") from None
    for option in options:
        if option not in known and option not in _COMMON:
            what = "log driver local" if driver == "local" else f"{driver} log driver"
            raise InvalidParameter(f"unknown log opt '{option}' for {what}")
    if "cache-disabled" in options and parse_bool(options["cache-disabled"]) is None:
        raise InvalidParameter(f"invalid value for option cache-disabled: {options['cache-disabled']}")
    cache_rotation(options)


def bound(options: Mapping[str, str]) -> int:
    """How many bytes may wait for a slow receiver; 0 for all that files keep."""
    if options.get(MODE) != "non-blocking":
        return 0
    return parse_bytes(options[BUFFER]) if BUFFER in options else _DEFAULT_BUFFER


def cached(options: Mapping[str, str]) -> bool:
    """Whether what goes to a receiver is kept here too, for ``docker logs``."""
    return not parse_bool(options.get("cache-disabled", "false"))


def cache_rotation(options: Mapping[str, str]) -> Rotation:
    """The limits of that copy."""
    named = {name.removeprefix("cache-"): value for name, value in options.items() if name in CACHE[1:]}
    return local_rotation(named)


def local_rotation(options: Mapping[str, str]) -> Rotation:
    """The limits of the driver ``local``: Docker's 5 files of 20 MB, compressed."""
    try:
        size = parse_bytes(options.get("max-size", "20m"))
    except ValueError as error:
        raise InvalidParameter(f"invalid value for max-size: {options['max-size']}: {error}") from None
    files = _integer(options.get("max-file", "5"), "invalid value for max-file: {value}: ")
    compress = _flag(options.get("compress", "true"), "error reading compress log option: ")
    if files < 2 and compress:
        raise InvalidParameter("compression cannot be enabled when max file count is 1")
    # 0 is no number of bytes to rotate at: dockerd takes it for no limit.
    return Rotation(size or 1 << 62, max(files, 1), compress)


def json_rotation(options: Mapping[str, str]) -> Rotation:
    """The limits of ``json-file``: none, unless asked for."""
    size = -1
    if "max-size" in options:
        try:
            size = parse_bytes(options["max-size"])
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        if size == 0:
            raise InvalidParameter("max-size must be a positive number")
    files = _integer(options.get("max-file", "1"), "")
    if files < 1:
        raise InvalidParameter("max-file cannot be less than 1")
    compress = _flag(options.get("compress", "false"), "")
    if compress and (files < 2 or size < 0):
        raise InvalidParameter("compress cannot be true when max-file is less than 2 or max-size is not set")
    return Rotation(size, files, compress)


def check_attributes(options: Mapping[str, str]) -> None:
    """The options ``tag``, ``labels-regex`` and ``env-regex``."""
    try:
        Template(options.get("tag", ""), name="log-tag")
    except TemplateError as error:
        raise InvalidParameter(str(error)) from None
    for name in ("labels-regex", "env-regex"):
        try:
            pattern(options.get(name, ""))
        except PatternError as error:
            raise InvalidParameter(str(error)) from None


def _integer(text: str, context: str) -> int:
    if re.fullmatch("[+-]?[0-9]{1,18}", text, re.ASCII):
        return int(text)
    raise InvalidParameter(f'{context.format(value=text)}strconv.Atoi: parsing "{text}": invalid syntax')


def _flag(text: str, context: str) -> bool:
    value = parse_bool(text)
    if value is None:
        raise InvalidParameter(f'{context}strconv.ParseBool: parsing "{text}": invalid syntax')
    return value
