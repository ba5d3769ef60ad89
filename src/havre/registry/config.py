"""The registry's configuration: flags, and a TOML or JSON file whose keys are the flags' names.

A flag wins over the file. A key nobody knows is an error. Sections (TOML tables) belong to the parts of the registry
that are named like them; they are handed over as they are.
"""

import argparse
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from havre import __version__
from havre.errors import InvalidParameter
from havre.registry import settings
from havre.registry.access.commands import add_commands as commands_of_accounts
from havre.registry.access.settings import AccessSettings
from havre.registry.layout import ROOT
from havre.registry.replication.commands import add_commands as commands_of_replication
from havre.registry.reports.settings import ReportSettings
from havre.registry.upkeep.commands import add_commands as commands_of_upkeep

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:/\[\]]*)):([0-9]{1,5})")
SECTIONS: tuple[str, ...] = ("webhooks", "gc", "retention", "quota", "upstreams", "cache", "s3", "replication")
"""The tables, and lists of tables, the file may have: each is read by the part of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the registry was told."""

    root: Path = ROOT
    addr: str = "127.0.0.1:5000"
    tls_cert: str = ""
    tls_key: str = ""
    log_level: str = "info"
    access: AccessSettings = field(default_factory=AccessSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    sections: Mapping[str, Any] = field(default_factory=dict)

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where to listen; "" as the host means everywhere."""
        found = _ADDRESS.fullmatch(self.addr)
        if found is None or int(found[3]) > 65_535:
            raise InvalidParameter(f"invalid address {self.addr!r}: must be host:port, [host]:port or :port")
        return found[1] or found[2] or "", int(found[3])


_DEFAULTS = Config()
_LEVELS = ("debug", "info", "warning", "error")
_PARTS: Mapping[str, tuple[str, type]] = {
    "access": ("who may do what", AccessSettings),
    "reports": ("what is told of it", ReportSettings),
}
"""Settings that parts of the registry declare themselves: the field here, the title in the help, the class."""
_KEYS = {each.name for each in fields(Config)} - {"sections", *_PARTS}


def load(arguments: argparse.Namespace) -> Config:
    """What the arguments of ``serve`` and the file they name say. Raises ``InvalidParameter``."""
    given = {name: value for name, value in vars(arguments).items() if name != "command" and value is not None}
    file = given.pop("config", None)
    sections: dict[str, Any] = {}
    if file:
        written, sections = _check(_read(file), file)
        given = {**written, **given}
    parts = {name: settings.build(kind, given) for name, (_title, kind) in _PARTS.items()}
    own = {name: value for name, value in given.items() if name in _KEYS}
    config = replace(Config(sections=sections, **parts), **own)
    if bool(config.tls_cert) != bool(config.tls_key):
        raise InvalidParameter("tls-cert and tls-key are needed together")
    if config.log_level not in _LEVELS:
        raise InvalidParameter(f"invalid log-level {config.log_level!r}: must be one of {', '.join(_LEVELS)}")
    config.reports.check()
    config.access.check(config.host_and_port[0], tls=bool(config.tls_cert))
    return config


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="havre-registry", description="A private registry for container images")
    whole.add_argument("-v", "--version", action="version", version=f"havre-registry {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the registry", description="Run the registry until it is stopped")
    serve.add_argument("--config", metavar="FILE", help="a TOML or JSON file with the same names as keys")
    serve.add_argument("--root", type=Path, metavar="DIR", help=f"where everything is kept (default {_DEFAULTS.root})")
    serve.add_argument("--addr", metavar="HOST:PORT", help=f"where to listen (default {_DEFAULTS.addr})")
    serve.add_argument("--tls-cert", metavar="FILE", help="the certificate (PEM) to serve HTTPS with")
    serve.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    serve.add_argument("--log-level", choices=_LEVELS, help=f"what to log (default {_DEFAULTS.log_level})")
    for title, kind in _PARTS.values():
        settings.add_flags(serve, title, kind)
    commands_of_accounts(commands)
    commands_of_upkeep(commands)
    commands_of_replication(commands)
    return whole


def _read(file: str) -> dict[str, Any]:
    try:
        data = Path(file).read_bytes()
        document = json.loads(data) if file.endswith(".json") else tomllib.loads(data.decode())
    except OSError as error:
        raise InvalidParameter(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidParameter(f"cannot read {file}: {error}") from None
    if not isinstance(document, dict):
        raise InvalidParameter(f"{file} holds no table of settings")
    return document


def _check(document: dict[str, Any], file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings and the sections in the file."""
    found: dict[str, Any] = {}
    sections: dict[str, Any] = {}
    for key, value in document.items():
        name = key.replace("-", "_")
        if key in SECTIONS and isinstance(value, dict | list):
            sections[key] = value
        elif "_" not in key and name in _KEYS and isinstance(value, str):
            found[name] = Path(value) if key == "root" else value
        elif "_" not in key and any(
            name in settings.names(kind) and settings.fits(kind, name, value) for _title, kind in _PARTS.values()
        ):
            found[name] = value
        else:
            raise InvalidParameter(f"{file}: {key!r} is not known, or not of the right kind")
    return found, sections
