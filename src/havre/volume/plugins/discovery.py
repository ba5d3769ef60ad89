"""Where plugins listen: sockets in one directory, and files (.spec, .json) that tell of an address in others."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from havre.errors import InvalidParameter
from havre.volume.plugins import PluginSettings

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_SPECS = (".spec", ".json")


class Tls(msgspec.Struct, frozen=True, rename="pascal"):
    """How to speak TLS with a plugin; without ``ca_file`` its certificate is not looked at, as Docker."""

    insecure_skip_verify: bool = False
    ca_file: str = msgspec.field(name="CAFile", default="")
    cert_file: str = ""
    key_file: str = ""


class Address(msgspec.Struct, frozen=True, rename="pascal"):
    """Where a plugin listens: ``addr`` is a URL. This is the form of the .json files, too."""

    name: str
    addr: str
    tls: Tls | None = msgspec.field(name="TLSConfig", default=None)


def find(settings: PluginSettings, name: str) -> Address | None:
    """The address of the plugin ``name``; ``InvalidParameter`` for a file that tells of none."""
    if not _NAME.fullmatch(name):
        return None
    for path in _places(settings.sockets, name, ".sock"):
        if _is_socket(path):
            return Address(name, f"unix://{path}")
    for directory in settings.specs:
        for suffix in _SPECS:
            for path in _places(directory, name, suffix):
                if path.exists():
                    return _read(path, name)
    return None


def names(settings: PluginSettings) -> list[str]:
    """The plugins there are, whether they answer or not."""
    found = {path.stem for path in _files(settings.sockets) if path.suffix == ".sock" and _is_socket(path)}
    for directory in settings.specs:
        found |= {path.stem for path in _files(directory) if path.suffix in _SPECS}
    return sorted(name for name in found if _NAME.fullmatch(name))


def _places(directory: Path, name: str, suffix: str) -> tuple[Path, Path]:
    return directory / f"{name}{suffix}", directory / name / f"{name}{suffix}"


def _files(directory: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from (path for path in _places_of(Path(entry.path)) if path.exists())
        else:
            yield Path(entry.path)


def _places_of(directory: Path) -> list[Path]:
    return [directory / f"{directory.name}{suffix}" for suffix in (".sock", *_SPECS)]


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _read(path: Path, name: str) -> Address:
    try:
        content = path.read_bytes()
        if path.suffix == ".json":
            told = msgspec.json.decode(content, type=Address)
            address = msgspec.structs.replace(told, name=name)
        else:
            address = Address(name, content.decode().strip())
        url = urlsplit(address.addr)
        port = url.port
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidParameter(f"{path}: {error}") from None
    if url.scheme not in ("unix", "tcp", "http", "https"):
        raise InvalidParameter(f"unknown protocol in {path}: {address.addr}")
    if url.scheme != "unix" and (not url.hostname or port is None):
        raise InvalidParameter(f"{path}: the address has no host or no port: {address.addr}")
    return address
