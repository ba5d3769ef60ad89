"""Device, GPU, block-IO and ulimit notations of ``run`` and ``create``; all raise ValueError with Docker's texts."""

from __future__ import annotations

from havre.cli import csvline
from havre.cli.parser import convert, go_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ULIMITS = frozenset(
    {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"}
    | {"rttime", "sigpending", "stack"}
)


def parse_device(text: str) -> dict[str, str]:
    """``/dev/a[:/dev/b][:rwm]`` → the API's DeviceMapping."""
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise ValueError(f"bad format for path: {text}")
    paths, mode = parts[:2], "rwm"
    if len(parts) == 3:
        mode = parts[2]
        if not _is_mode(mode):
            raise ValueError(f"bad mode specified: {mode}")
    elif len(parts) == 2 and _is_mode(parts[1]):
        paths, mode = parts[:1], parts[1]
    if not paths[-1].startswith("/"):
        raise ValueError(f"{paths[-1]} is not an absolute path")
    if len(parts) < 3:
        paths[-1] = _clean(paths[-1])
    return {"PathOnHost": paths[0], "PathInContainer": paths[-1], "CgroupPermissions": mode}


def _is_mode(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)


def _clean(path: str) -> str:
    import posixpath

    return posixpath.normpath(path)


def is_cdi_name(text: str) -> bool:
    """Whether a ``--device`` value is a CDI name, ``vendor.com/class=name``, and not a path."""
    kind, equals, name = text.partition("=")
    vendor, slash, class_ = kind.partition("/")
    return bool(
        equals
        and slash
        and name
        and vendor[:1].isalpha()
        and class_[:1].isalpha()
        and ":" not in kind
        and name[0].isalnum()
    )


def check_cgroup_rule(text: str) -> str:
    """``c 1:3 rwm``, ``a *:* m``…"""
    words = text.split(" ")
    numbers = words[1].split(":") if len(words) == 3 else []
    plain = len(numbers) == 2 and all(n == "*" or (n.isascii() and n.isdigit()) for n in numbers)
    if not (plain and words[0] in ("a", "b", "c") and 1 <= len(words[2]) <= 3 and set(words[2]) <= set("rwm")):
        raise ValueError(f"invalid device cgroup format '{text}'")
    return text


def parse_rate_bytes(text: str) -> dict[str, Any]:
    """``/dev/sda:1mb`` → the API's ThrottleDevice in bytes a second."""
    path, rate = _path_and_number(text)
    try:
        return {"Path": path, "Rate": convert("bytes", rate)}
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. "
            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def parse_rate_operations(text: str) -> dict[str, Any]:
    """``/dev/sda:1000`` → the API's ThrottleDevice in operations a second."""
    path, rate = _path_and_number(text)
    if not (rate.isascii() and rate.isdigit() and int(rate) < 1 << 64):
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>. "
            "Number must be a positive integer"
        )
    return {"Path": path, "Rate": int(rate)}


def parse_weight(text: str) -> dict[str, Any]:
    """``/dev/sda:500`` → the API's WeightDevice; 10 to 1000, or 0."""
    path, weight = _path_and_number(text)
    number = int(weight) if weight.isascii() and weight.isdigit() else -1
    if not (number == 0 or 10 <= number <= 1000):
        raise ValueError(f"invalid weight for device: {text}")
    return {"Path": path, "Weight": number}


def _path_and_number(text: str) -> tuple[str, str]:
    path, colon, number = text.partition(":")
    if not colon or not path:
        raise ValueError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {text}")
    return path, number


def parse_ulimit(text: str) -> dict[str, Any]:
    """``nofile=1024[:2048]`` → the API's Ulimit; -1 is unlimited."""
    name, equals, values = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    if name not in ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    limits = values.split(":")
    if len(limits) > 2:
        raise ValueError(f"too many limit value arguments - {values}, can only have up to two, `soft[:hard]`")
    numbers = [_decimal(limit) for limit in reversed(limits)]
    hard, soft = numbers[0], numbers[-1]
    if hard != -1 and soft == -1:
        raise ValueError(
            f"ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: {hard}"
        )
    if hard != -1 and soft > hard:
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return {"Name": name, "Soft": soft, "Hard": hard}


def _decimal(text: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"strconv.ParseInt: parsing {go_quoted(text)}: invalid syntax")
    if not -(1 << 63) <= int(text) < 1 << 63:
        raise ValueError(f"strconv.ParseInt: parsing {go_quoted(text)}: value out of range")
    return int(text)


def parse_gpus(text: str) -> dict[str, Any]:
    """``all``, ``2``, ``device=0``, ``driver=…,capabilities=…,options=…`` → the API's DeviceRequest."""
    request: dict[str, Any] = {}
    seen: set[str] = set()
    for field in csvline.split(text):
        key, equals, value = field.partition("=")
        if key in seen:
            raise ValueError(f"gpu request key '{key}' can be specified only once")
        seen.add(key)
        if not equals:
            seen.add("count")
            request["Count"] = _count(key)
        elif key == "driver":
            request["Driver"] = value
        elif key == "count":
            request["Count"] = _count(value)
        elif key == "device":
            request["DeviceIDs"] = value.split(",")
        elif key == "capabilities":
            request["Capabilities"] = [[*value.split(","), "gpu"]]
        elif key == "options":
            request["Options"] = _options(value)
        else:
            raise ValueError(f"unexpected key '{key}' in '{field}'")
    if "count" not in seen and "DeviceIDs" not in request:
        request["Count"] = 1
    request.setdefault("Capabilities", [["gpu"]])
    return request


def _options(text: str) -> dict[str, str]:
    try:
        options = csvline.split(text)
    except ValueError as error:
        raise ValueError(f"failed to read gpu options: {error}") from None
    return {name: value for name, _, value in (option.partition("=") for option in options)}


def _count(text: str) -> int:
    if text == "all":
        return -1
    try:
        return _decimal(text)
    except ValueError:
        raise ValueError(f'invalid count ({text}): value must be either "all" or an integer: invalid syntax') from None
