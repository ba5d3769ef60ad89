"""What the configuration says of registries and downloads, read into values. ``main`` checks them, ``assemble`` takes
them.
"""

import json
from pathlib import Path
from typing import Any

from havre.daemon.config import Config
from havre.errors import InvalidParameter
from havre.image.partials import PartialLimits
from havre.image.remote.config import HostSettings, RegistryConfig
from havre.image.remote.retry import RetryPolicy
from havre.lib.sizes import parse_bytes
from havre.lib.times import SECOND, parse_go_duration

_TEXTS = ("ca", "cert", "key")
_KEYS = ("mirrors", "insecure", *_TEXTS)


def check(config: Config) -> None:
    """``InvalidParameter`` for what cannot be read or used, before the daemon does anything."""
    for host, settings in registries(config).hosts.items():
        try:
            settings.trust.context(verify=True)
        except InvalidParameter as error:
            raise InvalidParameter(f"registries: {host}: {error.message}") from None
    partial_limits(config)
    retries(config)
    if config.max_concurrent_uploads < 1:
        raise InvalidParameter(f"invalid max concurrent uploads: {config.max_concurrent_uploads}")


def registries(config: Config) -> RegistryConfig:
    """Which registries are asked where, and how."""
    return RegistryConfig(
        insecure=config.insecure_registries,
        mirrors=config.registry_mirrors,
        downloads=config.max_concurrent_downloads,
        hosts={host: _host(host, value) for host, value in config.registries.items()},
    )


def retries(config: Config) -> RetryPolicy:
    """How often a download is tried."""
    if config.max_download_attempts < 1:
        raise InvalidParameter(f"invalid max download attempts: {config.max_download_attempts}")
    return RetryPolicy(attempts=config.max_download_attempts)


def partial_limits(config: Config) -> PartialLimits:
    """What is kept of downloads that broke off."""
    try:
        size = parse_bytes(config.max_partial_size)
    except ValueError as error:
        raise InvalidParameter(f"invalid max-partial-size {config.max_partial_size!r}: {error}") from None
    try:
        age = parse_go_duration(config.max_partial_age)
    except ValueError as error:
        raise InvalidParameter(f"invalid max-partial-age {config.max_partial_age!r}: {error}") from None
    if age < 0:
        raise InvalidParameter(f"invalid max-partial-age {config.max_partial_age!r}: it cannot be negative")
    return PartialLimits(size, age / SECOND)


def _host(host: str, value: Any) -> HostSettings:
    if not isinstance(value, dict):
        raise InvalidParameter(f"registries: {host}: an object is wanted, not {json.dumps(value)}")
    if unknown := [key for key in value if key not in _KEYS]:
        raise InvalidParameter(f"registries: {host}: unknown {', '.join(unknown)}: there are {', '.join(_KEYS)}")
    mirrors, insecure = value.get("mirrors", []), value.get("insecure", False)
    if not isinstance(mirrors, list) or not all(isinstance(mirror, str) for mirror in mirrors):
        raise InvalidParameter(f"registries: {host}: mirrors must be a list of strings, not {json.dumps(mirrors)}")
    if not isinstance(insecure, bool):
        raise InvalidParameter(f"registries: {host}: insecure must be true or false, not {json.dumps(insecure)}")
    files = {key: value.get(key, "") for key in _TEXTS}
    for key, file in files.items():
        if not isinstance(file, str) or (file and not Path(file).is_absolute()):
            raise InvalidParameter(f"registries: {host}: {key} must be an absolute path, not {json.dumps(file)}")
    return HostSettings(tuple(mirrors), insecure, **files)
