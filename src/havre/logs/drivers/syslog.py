"""The driver ``syslog``: to the host's own daemon or one on the network. ``docker logs`` reads the copy kept here."""

import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from havre.errors import InvalidParameter, Unsupported
from havre.logs import Facts, Follow, Selection, settings
from havre.logs.drivers.local import read_segments
from havre.logs.drivers.none import UNREADABLE
from havre.logs.facts import ATTRIBUTES, tag
from havre.logs.segments import NEWEST

_OPTIONS = ("syslog-address", "syslog-facility", "syslog-format")
_TLS = ("syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify")
_NAMES = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp"
_FACILITIES = {name: number for number, name in enumerate(_NAMES.split())} | {
    f"local{number}": 16 + number for number in range(8)
}
_FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
_UNIX, _NETWORK = ("unix", "unixgram"), ("udp", "tcp", "tcp+tls")


class SyslogDriver:
    """``--log-driver syslog``."""

    name = "syslog"
    connects = True

    def check(self, options: Mapping[str, str]) -> None:
        settings.check_names(self.name, options, (*_OPTIONS, *_TLS, *ATTRIBUTES))
        settings.check_attributes(options)
        protocol, address = _address(options.get("syslog-address", ""))
        if protocol in _UNIX and not os.path.exists(str(address)):
            raise InvalidParameter(f"stat {address}: no such file or directory")
        _facility(options.get("syslog-facility", ""))
        if options.get("syslog-format", "") not in _FORMATS:
            raise InvalidParameter("Invalid syslog format")

    def path(self, directory: Path) -> Path | None:
        return directory / NEWEST

    def log_path(self, directory: Path) -> Path | None:
        return None

    def plan(self, facts: Facts, options: Mapping[str, str]) -> dict[str, Any] | None:
        protocol, address = _address(options.get("syslog-address", ""))
        target = {
            "protocol": protocol,
            "address": address,
            "facility": _facility(options.get("syslog-facility", "")),
            "format": options.get("syslog-format", ""),
            "tag": tag(facts, options),
            "ca": options.get("syslog-tls-ca-cert", ""),
            "cert": options.get("syslog-tls-cert", ""),
            "key": options.get("syslog-tls-key", ""),
            # As in dockerd, whatever the value.
            "skip_verify": "syslog-tls-skip-verify" in options,
        }
        return remote_plan("syslog", facts, options, target)

    def read(
        self, directory: Path, options: Mapping[str, str], selection: Selection, follow: Follow | None
    ) -> AsyncIterator[bytes]:
        return read_copy(directory, options, selection, follow)


def remote_plan(kind: str, facts: Facts, options: Mapping[str, str], target: dict[str, Any]) -> dict[str, Any]:
    """The plan of a driver whose messages go to a receiver."""
    rotation = settings.cache_rotation(options) if settings.cached(options) else settings.PASSING
    target = {"bound": settings.bound(options), **target}
    return {"kind": kind, "name": facts.name, "rotation": rotation.document(), "target": target}


def read_copy(
    directory: Path, options: Mapping[str, str], selection: Selection, follow: Follow | None
) -> AsyncIterator[bytes]:
    """What went to a receiver, from the copy; ``Unsupported`` when none is kept."""
    if not settings.cached(options):
        raise Unsupported(UNREADABLE)
    return read_segments(directory, selection, follow)


def _address(text: str) -> tuple[str, list[Any] | str]:
    """The protocol and where: a path, or host and port. An empty text is the host's own syslog."""
    if not text:
        return "", ""
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", text, re.IGNORECASE)
    protocol = scheme[1].lower() if scheme else ""
    if protocol in _UNIX:
        return protocol, text.partition("://")[2]
    if protocol not in _NETWORK:
        raise InvalidParameter(f"unsupported scheme: '{protocol}'")
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        word = parts.netloc.rpartition(":")[2]
        raise InvalidParameter(f'parse "{text}": invalid port ":{word}" after host') from None
    return protocol, [parts.hostname or "127.0.0.1", 514 if port is None else port]


def _facility(text: str) -> int:
    if not text:
        return _FACILITIES["daemon"]
    if text in _FACILITIES:
        return _FACILITIES[text]
    if re.fullmatch("[0-9]{1,2}", text) and int(text) <= 23:
        return int(text)
    raise InvalidParameter("invalid syslog facility")
