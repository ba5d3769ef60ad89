"""The options of local volumes that are mounted from somewhere: ``type``, ``device``, ``o``; and ``size``, a quota.

``check`` is asked at create, ``mount`` at the first use. Words and errors are those of mount(8) and Docker.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from havre.errors import InvalidParameter, SystemFault
from havre.kernel import mounts

_KNOWN = ("type", "device", "o", "size")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKmMgGtTpP])?(?:i?[bB])?")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_NETWORK_TYPES = ("cifs", "nfs", "nfs3", "nfs4")
_SECRETS = ("username", "password")
_PROPAGATION = mounts.MS_SHARED | mounts.MS_PRIVATE | mounts.MS_SLAVE | mounts.MS_UNBINDABLE

# Each word: whether it takes its flags away, and the flags. All other words go to the file system.
_FLAGS = {
    "defaults": (False, 0),
    "async": (True, 16),
    "atime": (True, 1024),
    "bind": (False, mounts.MS_BIND),
    "dev": (True, mounts.MS_NODEV),
    "diratime": (True, 2048),
    "dirsync": (False, 128),
    "exec": (True, mounts.MS_NOEXEC),
    "mand": (False, 64),
    "noatime": (False, 1024),
    "nodev": (False, mounts.MS_NODEV),
    "nodiratime": (False, 2048),
    "noexec": (False, mounts.MS_NOEXEC),
    "nomand": (True, 64),
    "norelatime": (True, mounts.MS_RELATIME),
    "nostrictatime": (True, 1 << 24),
    "nosuid": (False, mounts.MS_NOSUID),
    "private": (False, mounts.MS_PRIVATE),
    "rbind": (False, mounts.MS_BIND | mounts.MS_REC),
    "relatime": (False, mounts.MS_RELATIME),
    "remount": (False, mounts.MS_REMOUNT),
    "ro": (False, mounts.MS_RDONLY),
    "rprivate": (False, mounts.MS_PRIVATE | mounts.MS_REC),
    "rshared": (False, mounts.MS_SHARED | mounts.MS_REC),
    "rslave": (False, mounts.MS_SLAVE | mounts.MS_REC),
    "runbindable": (False, mounts.MS_UNBINDABLE | mounts.MS_REC),
    "rw": (True, mounts.MS_RDONLY),
    "shared": (False, mounts.MS_SHARED),
    "slave": (False, mounts.MS_SLAVE),
    "strictatime": (False, 1 << 24),
    "suid": (True, mounts.MS_NOSUID),
    "sync": (False, 16),
    "unbindable": (False, mounts.MS_UNBINDABLE),
}


def check(options: Mapping[str, str]) -> None:
    """Refuse what is unknown, incomplete, or cannot be: ``InvalidParameter`` in Docker's words."""
    for option in options:
        if option not in _KNOWN:
            raise InvalidParameter(f'invalid option: "{option}"')
        if "\0" in options[option]:
            raise InvalidParameter(f"invalid value of option {option}: {options[option]!r}")
    if "size" in options and _size(options["size"]):
        raise InvalidParameter("quota size requested but no quota support")
    if mounted(options):
        for needed in ("device", "type"):
            if needed not in options:
                raise InvalidParameter(f'missing required option: "{needed}"')


def mounted(options: Mapping[str, str]) -> bool:
    """Whether a volume with these options is mounted from somewhere."""
    return any(option in options for option in ("type", "device", "o"))


def mount(options: Mapping[str, str], target: Path) -> None:
    """Mount what ``options`` say at ``target``. Blocks, on a network's file system for long. ``SystemFault``."""
    try:
        _mount(options, target)
    except SystemFault as error:
        raise SystemFault(f"error while mounting volume '{target}': {error.message}") from None


def words_of(text: str) -> tuple[int, str]:
    """The options of mount(8), divided into the flags of mount(2) and what is left for the file system."""
    flags, data = 0, []
    for word in text.split(","):
        if word in _FLAGS:
            clear, bits = _FLAGS[word]
            flags = flags & ~bits if clear else flags | bits
        elif word:
            data.append(word)
    return flags, ",".join(data)


def _mount(options: Mapping[str, str], target: Path) -> None:
    kind, device, words = options.get("type", ""), options.get("device", ""), options.get("o", "")
    if kind in _NETWORK_TYPES:
        device, words = _resolved(kind, device, words)
    flags, data = words_of(words)
    plain = flags & ~_PROPAGATION
    _call("mount", device, target, kind, plain, data)
    try:
        if flags & _PROPAGATION:
            _call("remount", "none", target, "", flags & (_PROPAGATION | mounts.MS_REC), "")
        if plain & mounts.MS_BIND and plain & mounts.MS_RDONLY:
            _call("remount-ro", "none", target, "", plain | mounts.MS_REMOUNT, "")
    except SystemFault:
        mounts.unmount(target, detach=True)
        raise


def _call(what: str, source: str, target: Path, kind: str, flags: int, data: str) -> None:
    try:
        mounts.mount(source, target, kind, flags, data)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        place = f"{source}:{target}" if source and source != "none" else str(target)
        told = f", flags: {flags:#x}" if flags else ""
        told += f", data: {_without_secrets(data)}" if data else ""
        raise SystemFault(f"failed to mount local volume: {what} {place}{told}: {reason}") from None


def _resolved(kind: str, device: str, words: str) -> tuple[str, str]:
    """The kernel takes addresses only: names of servers are resolved here."""
    given = words.split(",")
    for index, word in enumerate(given):
        if word.startswith("addr=") and (name := word.removeprefix("addr=")):
            given[index] = f"addr={_address(name)}"
            return device, ",".join(given)
    if kind == "cifs":
        try:
            url = urlsplit(device)
            port = url.port
        except ValueError as error:
            raise SystemFault(f"error parsing mount device url: {device}: {error}") from None
        if url.hostname:
            place = _address(url.hostname) + (f":{port}" if port else "")
            device = urlunsplit((url.scheme, place, url.path, url.query, url.fragment))
    return device, words


def _address(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        # IPv4 first, as Docker.
        found = sorted(socket.getaddrinfo(name, None), key=lambda one: one[0] != socket.AF_INET)
    except UnicodeError:
        reason = "no such host"
    except OSError as error:
        reason = "no such host" if error.errno == socket.EAI_NONAME else f"{error.strerror}".lower()
    else:
        return str(found[0][4][0])
    raise SystemFault(f"error resolving passed in network volume address: lookup {name}: {reason}")


def _without_secrets(data: str) -> str:
    words = data.split(",")
    return ",".join(f"{key}=********" if (key := word.partition("=")[0]) in _SECRETS else word for word in words)


def _size(text: str) -> float:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InvalidParameter(f"invalid size: '{text}'")
    return float(match[1]) * _UNITS[(match[2] or "").lower()]
