"""Mount notations: ``--mount type=bind,src=…``, ``-v SRC:DST:opts`` and ``--tmpfs DST:opts``."""

from __future__ import annotations

import os

from havre.cli import csvline
from havre.cli.parser import convert

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RECURSION = {
    "enabled": None,
    "disabled": "NonRecursive",
    "writable": "ReadOnlyNonRecursive",
    "readonly": "ReadOnlyForceRecursive",
}
_OPTIONS = {"volume": "VolumeOptions", "image": "ImageOptions", "bind": "BindOptions", "tmpfs": "TmpfsOptions"}


def parse_mount(text: str) -> dict[str, Any]:
    """One ``--mount`` value → the API's Mount. Raises ValueError with Docker's text."""
    mount: dict[str, Any] = {"Type": "volume"}
    for field in csvline.split(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        if equals:
            _set(mount, key, value, field)
        elif key in ("readonly", "ro"):
            mount["ReadOnly"] = True
        elif key == "volume-nocopy":
            _options(mount, "volume")["NoCopy"] = True
        elif key == "bind-nonrecursive":
            _options(mount, "bind")["NonRecursive"] = True
        else:
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
    _check(mount)
    return mount


def _options(mount: dict[str, Any], kind: str) -> dict[str, Any]:
    options: dict[str, Any] = mount.setdefault(_OPTIONS[kind], {})
    return options


def _set(mount: dict[str, Any], key: str, value: str, field: str) -> None:
    if key == "type":
        mount["Type"] = value.lower()
    elif key in ("source", "src"):
        mount["Source"] = os.path.abspath(value) if value.startswith(".") else value
    elif key in ("target", "dst", "destination"):
        mount["Target"] = value
    elif key in ("readonly", "ro"):
        mount["ReadOnly"] = _boolean(key, value)
    elif key == "consistency":
        mount["Consistency"] = value.lower()
    elif key.startswith("bind-"):
        _set_bind(mount, key, value, field)
    elif key.startswith("volume-"):
        _set_volume(mount, key, value, field)
    elif key == "image-subpath":
        _options(mount, "image")["Subpath"] = value
    elif key in ("tmpfs-size", "tmpfs-mode"):
        _set_tmpfs(mount, key, value)
    else:
        raise ValueError(f"unexpected key '{key}' in '{field}'")


def _set_bind(mount: dict[str, Any], key: str, value: str, field: str) -> None:
    if key == "bind-propagation":
        _options(mount, "bind")["Propagation"] = value.lower()
    elif key == "bind-nonrecursive":
        _options(mount, "bind")["NonRecursive"] = _boolean(key, value)
    elif key == "bind-recursive":
        if value not in _RECURSION:
            raise ValueError(
                f'invalid value for {key}: {value} (must be "enabled", "disabled", "writable", or "readonly")'
            )
        if (name := _RECURSION[value]) is not None:
            _options(mount, "bind")[name] = True
    else:
        raise ValueError(f"unexpected key '{key}' in '{field}'")


def _set_volume(mount: dict[str, Any], key: str, value: str, field: str) -> None:
    if key == "volume-subpath":
        _options(mount, "volume")["Subpath"] = value
    elif key == "volume-nocopy":
        _options(mount, "volume")["NoCopy"] = _boolean(key, value)
    elif key == "volume-label":
        _add_pair(_options(mount, "volume").setdefault("Labels", {}), value)
    elif key == "volume-driver":
        _options(mount, "volume").setdefault("DriverConfig", {})["Name"] = value
    elif key == "volume-opt":
        _add_pair(_options(mount, "volume").setdefault("DriverConfig", {}).setdefault("Options", {}), value)
    else:
        raise ValueError(f"unexpected key '{key}' in '{field}'")


def _set_tmpfs(mount: dict[str, Any], key: str, value: str) -> None:
    try:
        if key == "tmpfs-size":
            _options(mount, "tmpfs")["SizeBytes"] = convert("bytes", value)
        elif value and not value.strip("01234567"):
            _options(mount, "tmpfs")["Mode"] = int(value, 8)
        else:
            raise ValueError(value)
    except ValueError:
        raise ValueError(f"invalid value for {key}: {value}") from None


def _add_pair(table: dict[str, str], text: str) -> None:
    name, _, value = text.partition("=")
    if name:
        table[name] = value


def _boolean(key: str, value: str) -> bool:
    try:
        return bool(convert("bool", value))
    except ValueError:
        raise ValueError(f"invalid value for {key}: {value}") from None


def _check(mount: dict[str, Any]) -> None:
    kind = mount["Type"]
    if not kind:
        raise ValueError("type is required")
    if not mount.get("Target"):
        raise ValueError("target is required")
    for other, name in _OPTIONS.items():
        if name in mount and other != kind:
            raise ValueError(f"cannot mix '{other}-*' options with mount type '{kind}'")
    bind = mount.get("BindOptions", {})
    if bind.get("ReadOnlyNonRecursive") and not mount.get("ReadOnly"):
        raise ValueError("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction")
    if bind.get("ReadOnlyForceRecursive"):
        if not mount.get("ReadOnly"):
            raise ValueError("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction")
        if bind.get("Propagation") != "rprivate":
            raise ValueError(
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
            )


def split_volumes(specs: list[str]) -> tuple[list[str], list[str]]:
    """``-v`` values → (the API's Binds, targets of anonymous volumes). A relative source (``./x``) becomes absolute.

    The daemon checks the options. Raises ValueError with Docker's text for a malformed value.
    """
    binds: list[str] = []
    anonymous: list[str] = []
    for spec in dict.fromkeys(specs):
        source = _source(spec)
        if not source:
            anonymous.append(spec)
        elif source.startswith("."):
            host, _, rest = spec.partition(":")
            binds.append(f"{os.path.abspath(host)}:{rest}")
        else:
            binds.append(spec)
    return binds, anonymous


def _source(spec: str) -> str:
    if not spec:
        raise ValueError("invalid empty volume spec")
    if len(spec.encode()) <= 2:
        return ""
    parts = _sections(spec)
    if any(not part for part in parts):
        raise ValueError(f"invalid spec: {spec}: empty section between colons")
    if len(parts) > 3:
        raise ValueError(f"invalid spec: {spec}: too many colons")
    return parts[0] if len(parts) > 1 else ""


def _sections(spec: str) -> list[str]:
    """Split at colons, but not after a lone letter: Docker takes that for a Windows drive even here."""
    parts = [""]
    for char in spec:
        if char == ":" and not (len(parts[-1]) == 1 and parts[-1].isalpha()):
            parts.append("")
        else:
            parts[-1] += char
    return parts


def tmpfs(specs: list[str]) -> dict[str, str]:
    """``--tmpfs`` values → the API's Tmpfs: ``{"/run": "size=64m"}``."""
    return {target: options for target, _, options in (spec.partition(":") for spec in specs)}
