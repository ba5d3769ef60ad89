"""The daemon's configuration: flags and daemon.json, merged by dockerd's rules into one immutable value.

A name set in both places is an error, whatever the values; so is a key nobody knows. ``load`` reads it all, ``main``
and ``assemble`` come in for the result.
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from havre.daemon import addresspools, networkopts
from havre.daemon.flags import Flags
from havre.daemon.options import BY_KEY, Option
from havre.errors import HavreError, InvalidParameter
from havre.network.model import check_bridge_name

DEFAULT_FILE = Path("/etc/havre/daemon.json")
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
FIREWALLS = ("docker", "honest")
STORAGE_DRIVERS = ("overlay2", "overlay")
_PATHS = ("data_root", "exec_root", "pidfile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the daemon was told. Paths are absolute; an empty text or tuple means the default of whoever uses it."""

    data_root: Path = Path("/var/lib/havre")
    exec_root: Path = Path("/run/havre")
    hosts: tuple[str, ...] = ()
    pidfile: Path | None = None
    group: str = ""
    debug: bool = False
    log_level: str = "info"
    labels: tuple[str, ...] = ()
    bridge: str = "havre0"
    builder: Mapping[str, Any] = field(default_factory=dict)
    bip: str = ""
    mtu: int = 0
    ip: str = ""
    firewall: str = "docker"
    iptables: bool = True
    ip6tables: bool = True
    icc: bool = True
    default_address_pools: tuple[str, ...] = ()
    default_network_opts: tuple[str, ...] = ()
    cdi_spec_dirs: tuple[str, ...] = ("/etc/cdi", "/var/run/cdi")
    cgroup_parent: str = ""
    cpu_rt_period: int = 0
    cpu_rt_runtime: int = 0
    default_cgroupns_mode: str = ""
    default_ipc_mode: str = ""
    default_shm_size: str = "64m"
    default_ulimits: Mapping[str, str] = field(default_factory=dict)
    exec_opts: tuple[str, ...] = ()
    init: bool = False
    init_path: str = ""
    no_new_privileges: bool = False
    seccomp_profile: str = ""
    dns: tuple[str, ...] = ()
    dns_opts: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    max_concurrent_downloads: int = 3
    max_concurrent_uploads: int = 5
    max_download_attempts: int = 5
    max_partial_age: str = "24h"
    max_partial_size: str = "10g"
    registries: Mapping[str, Any] = field(default_factory=dict)
    registry_mirrors: tuple[str, ...] = ()
    default_runtime: str = ""
    runtimes: Mapping[str, str] = field(default_factory=dict)
    log_driver: str = "json-file"
    log_opts: Mapping[str, str] = field(default_factory=dict)
    storage_driver: str = "overlay2"
    shutdown_timeout: int = 15
    live_restore: bool = True
    tls: bool = False
    tlsverify: bool = False
    tlscacert: str = ""
    tlscert: str = ""
    tlskey: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where to listen: what was asked, else the socket in the exec root."""
        return self.hosts or (f"unix://{self.exec_root}/havre.sock",)

    @property
    def pid_path(self) -> Path:
        return self.pidfile or self.exec_root / "havre.pid"

    @property
    def level(self) -> str:
        """The log level in force: ``debug`` wins over ``log_level``."""
        return "debug" if self.debug else self.log_level


def load(flags: Flags) -> Config:
    """The configuration of a command line and the file it names. ``InvalidParameter`` says what is wrong and where."""
    path = flags.config_file or DEFAULT_FILE
    try:
        stored = _read_file(path, required=flags.config_file is not None)
        _refuse_doubles(flags.values, stored)
        config = _build({**stored, **flags.values})
        _check(config)
    except InvalidParameter as error:
        raise InvalidParameter(f"unable to configure the daemon with file {path}: {error.message}") from None
    return config


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    """The values of daemon.json by field name, each of the kind its option has."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if required:
            raise InvalidParameter(f"open {path}: no such file or directory") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidParameter(str(error)) from None
    try:
        document = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise InvalidParameter(f"invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidParameter("the file must hold one JSON object")
    if unknown := [key for key in document if key not in BY_KEY]:
        raise InvalidParameter(f"the following directives don't match any configuration option: {', '.join(unknown)}")
    return {BY_KEY[key].field: _of_kind(BY_KEY[key], value) for key, value in document.items()}


def _of_kind(option: Option, value: Any) -> Any:
    match option.kind:
        case "text" if isinstance(value, str):
            return value
        case "flag" if isinstance(value, bool):
            return value
        case "number" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "list" if option.key == "default-address-pools" and isinstance(value, list):
            return tuple(addresspools.text_of(item) for item in value)
        case "list" if option.key == "default-network-opts":
            return tuple(networkopts.texts_of(value))
        case "list" if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        case "object" if isinstance(value, dict):
            return value
        case "map" if isinstance(value, dict):
            return {name: _map_value(option, item) for name, item in value.items()}
    wanted = {"text": "a string", "flag": "true or false", "number": "a number", "list": "a list of strings"}
    raise InvalidParameter(f"{option.key} must be {wanted.get(option.kind, 'an object')}, not {json.dumps(value)}")


def _map_value(option: Option, value: Any) -> str:
    """The value of one entry: text, or for a runtime an object with its path."""
    if option.key == "runtimes" and isinstance(value, dict):
        value = _runtime(value)
    if option.key == "default-ulimits" and isinstance(value, dict):
        # Keys in any case, as Go reads them.
        given = {key.lower(): number for key, number in value.items()}
        if set(given) - {"name", "soft", "hard"} or not {"soft", "hard"} <= set(given):
            raise InvalidParameter(f"default-ulimits: Name, Soft and Hard are wanted, not {json.dumps(value)}")
        value = f"{given['soft']}:{given['hard']}"
    if not isinstance(value, str):
        raise InvalidParameter(f"the values of {option.key} must be strings, not {json.dumps(value)}")
    return value


def _runtime(value: dict[str, Any]) -> Any:
    """The path of a runtime and its arguments, joined by what no argument can hold."""
    # NVIDIA's tools write empty "args".
    words = value.get("runtimeArgs") or value.get("args") or []
    if unknown := set(value) - {"path", "runtimeArgs", "args"}:
        raise InvalidParameter(f"{', '.join(sorted(unknown))} of a runtime: havre calls runtimes without shims")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidParameter(f"runtimeArgs must be a list of strings, not {json.dumps(words)}")
    path = value.get("path")
    return "\0".join([path, *words]) if isinstance(path, str) else path


def _refuse_doubles(given: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    doubles = [
        f"{option.key}: (from flag: {_show(given[option.field])}, from file: {_show(stored[option.field])})"
        for option in BY_KEY.values()
        if option.field in given and option.field in stored
    ]
    if doubles:
        raise InvalidParameter(
            "the following directives are specified both as a flag and in the configuration file: " + ", ".join(doubles)
        )


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{' '.join(value)}]"
    if isinstance(value, Mapping):
        return f"[{' '.join(f'{key}={item}' for key, item in value.items())}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _build(values: Mapping[str, Any]) -> Config:
    typed: dict[str, Any] = {
        name: Path(value).absolute() if name in _PATHS else value for name, value in values.items()
    }
    return Config(**typed)


def _check(config: Config) -> None:
    if config.firewall not in FIREWALLS:
        raise InvalidParameter(f'invalid firewall: "{config.firewall}", use one of {", ".join(FIREWALLS)}')
    if config.log_level not in LOG_LEVELS:
        raise InvalidParameter(f'invalid logging level: "{config.log_level}", use one of {", ".join(LOG_LEVELS)}')
    if config.storage_driver not in STORAGE_DRIVERS:
        raise InvalidParameter(f"storage driver {config.storage_driver!r} is not supported, use overlay2")
    check_bridge_name(config.bridge)
    if config.bridge == "none":
        raise InvalidParameter("havre always has a default bridge: bridge none is not supported")
    addresspools.parse(config.default_address_pools)
    networkopts.parse(config.default_network_opts)
    _check_log_driver(config)
    if config.bip:
        _check_network(config.bip)
    for address in (*config.dns, *((config.ip,) if config.ip else ())):
        _check_address(address)
    for label in config.labels:
        if "=" not in label or label.startswith("="):
            raise InvalidParameter(f"bad attribute format: {label}: a label is key=value")
    if config.mtu and not 68 <= config.mtu <= 65_535:
        raise InvalidParameter(f"invalid default MTU: {config.mtu}")
    if config.shutdown_timeout < -1:
        raise InvalidParameter(f"invalid shutdown timeout: {config.shutdown_timeout}")
    if config.default_runtime and config.runtimes and config.default_runtime not in {*config.runtimes, "runc", "crun"}:
        raise InvalidParameter(f"specified default runtime {config.default_runtime!r} does not exist")
    if (config.tls or config.tlsverify) and not (config.tlscert and config.tlskey):
        raise InvalidParameter("TLS needs tlscert and tlskey")
    if config.tlsverify and not config.tlscacert:
        raise InvalidParameter("tlsverify needs tlscacert")


def _check_log_driver(config: Config) -> None:
    # Not for every start of the program: the default needs no check.
    if config.log_driver == "json-file" and not config.log_opts:
        return
    from havre.logs.drivers import find

    try:
        find(config.log_driver).check(config.log_opts)
    except HavreError as error:
        raise InvalidParameter(f"failed to set log opts: {error.message}") from None


def _check_network(text: str) -> None:
    try:
        interface = ipaddress.IPv4Interface(text)
    except ValueError:
        raise InvalidParameter(
            f"invalid bip: {text}: must be an IPv4 address and prefix such as 172.29.0.1/16"
        ) from None
    if "/" not in text or interface.ip == interface.network.network_address:
        raise InvalidParameter(f"invalid bip: {text}: must name the bridge's own address and its prefix")


def _check_address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise InvalidParameter(f"{text} is not an ip address") from None
