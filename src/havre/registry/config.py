"""The registry's configuration: flags, and a TOML or JSON file whose keys are the flags' names.

A flag wins over the file. A key nobody knows is an error. Sections (TOML tables) belong to the parts of the registry
that are named like them; they are handed over as they are.
"""

import argparse
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from havre import __version__
from havre.errors import InvalidParameter

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:/\[\]]*)):([0-9]{1,5})")
SECTIONS: tuple[str, ...] = ()
"""The tables the file may have, each read by the part of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the registry was told."""

    root: Path = Path("/var/lib/havre-registry")
    addr: str = "127.0.0.1:5000"
    tls_cert: str = ""
    tls_key: str = ""
    log_level: str = "info"
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where to listen; "" as the host means everywhere."""
        found = _ADDRESS.fullmatch(self.addr)
        if found is None or int(found[3]) > 65_535:
            raise InvalidParameter(f"invalid address {self.addr!r}: must be host:port, [host]:port or :port")
        return found[1] or found[2] or "", int(found[3])


_DEFAULTS = Config()
_LEVELS = ("debug", "info", "warning", "error")
_KEYS = {each.name.replace("_", "-") for each in fields(Config)} - {"sections"}


def load(arguments: Sequence[str] | None) -> Config:
    """Read the command line and the file it names. Raises ``InvalidParameter``."""
    given = vars(parser().parse_args(arguments))
    given.pop("command")
    file = given.pop("config")
    config = Config(**_check(_read(file), file)) if file else Config()
    config = replace(config, **{name: value for name, value in given.items() if value is not None})
    if bool(config.tls_cert) != bool(config.tls_key):
        raise InvalidParameter("tls-cert and tls-key are needed together")
    if config.log_level not in _LEVELS:
        raise InvalidParameter(f"invalid log-level {config.log_level!r}: must be one of {', '.join(_LEVELS)}")
    config.host_and_port  # noqa: B018 - told now, not when it is used
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


def _check(document: dict[str, Any], file: str) -> dict[str, Any]:
    found: dict[str, Any] = {"sections": {}}
    for key, value in document.items():
        if key in SECTIONS and isinstance(value, dict):
            found["sections"][key] = value
        elif key in _KEYS and isinstance(value, str):
            found[key.replace("-", "_")] = Path(value) if key == "root" else value
        else:
            raise InvalidParameter(f"{file}: {key!r} is not known, or not of the right kind")
    return found
