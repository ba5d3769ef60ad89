"""containerd's ``hosts.toml``, in a registry's directory below certs.d: its mirrors, and where the registry itself is.

``config`` comes in here. Format: https://github.com/containerd/containerd/blob/main/docs/hosts.md
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from havre.errors import InvalidParameter
from havre.image.remote.trust import Trust

_HOST_KEYS = frozenset({"capabilities", "ca", "client", "skip_verify", "override_path"})
_NEEDED = frozenset({"pull", "resolve"})


@dataclass(frozen=True, slots=True)
class Host:
    """One address: its TLS files, and whether certificates are verified."""

    url: str
    verify: bool
    trust: Trust


@dataclass(frozen=True, slots=True)
class Hosts:
    """``mirrors`` in the order they are asked; ``server`` in place of the registry's own address, if it is named."""

    mirrors: tuple[Host, ...] = ()
    server: Host | None = None


def read(directory: Path) -> Hosts:
    """What ``hosts.toml`` in ``directory`` says; nothing where there is none.

    Raises ``InvalidParameter`` for what it asks and cannot be done.
    """
    file = directory / "hosts.toml"
    try:
        document = tomllib.loads(file.read_text())
        mirrors = tuple(
            host for url, entry in document.pop("host", {}).items() if (host := _host(url, entry, directory))
        )
        server = document.pop("server", "")
        found = _host(server, document, directory) if server else None
    except FileNotFoundError:
        return Hosts()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InvalidParameter(f"invalid {file}: {error}") from None
    return Hosts(mirrors, found)


def _host(url: str, entry: Mapping[str, Any], directory: Path) -> Host | None:
    """None for an address that only images are pushed to."""
    if unknown := set(entry) - _HOST_KEYS:
        raise ValueError(f"{', '.join(sorted(unknown))} of {url}: not supported")
    if not set(entry.get("capabilities", _NEEDED)) >= _NEEDED:
        return None
    url = (url if "://" in url else f"https://{url}").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ValueError(f"{url} is no address of a registry")
    if entry.get("override_path") and not url.endswith("/v2"):
        raise ValueError(f"override_path of {url}: only of addresses that end in /v2")
    url = url.removesuffix("/v2")
    cert, key = _client(entry.get("client"), directory)
    return Host(
        url, not entry.get("skip_verify", False), Trust(None, _path(_one(entry.get("ca")), directory), cert, key)
    )


def _client(value: Any, directory: Path) -> tuple[str, str]:
    value = _one(value)
    cert, key = value if isinstance(value, list) else (value, value)
    return _path(cert, directory), _path(key, directory)


def _one(value: Any) -> Any:
    """Lists of one are as good as what is in them; more have no place here."""
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    if isinstance(value, list) and not (len(value) == 2 and all(isinstance(item, str) for item in value)):
        raise ValueError("one ca and one client certificate a host are supported")
    return value


def _path(value: Any, directory: Path) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"a path is wanted, not {value!r}")
    return str(directory / value)
