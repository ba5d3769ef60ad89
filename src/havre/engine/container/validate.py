"""Whether a create request can be fulfilled: malformed values are the client's error, options not there yet a clear
501.

Nothing is ever ignored: each field of ``HostConfig`` is either used somewhere or refused here when it is set.
"""

import ipaddress
import os
import re
import signal
from collections.abc import Callable
from typing import Any

import msgspec

from havre.engine.container import network
from havre.errors import InvalidParameter, Unsupported
from havre.logs.drivers import ALL as DRIVERS
from havre.wire.containers import ContainerConfig, HostConfig, LogConfig

_NAME = re.compile(r"^/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$")
_MINIMUM_MEMORY = 6 * 1024 * 1024
_BEYOND = 1 << 63
_CPU_LIST = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")
_LONGEST_HOSTNAME = 64
_ULIMITS = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
)


def name(text: str) -> str:
    """A container name without its slash; ``InvalidParameter`` with Docker's text."""
    if not _NAME.match(text):
        raise InvalidParameter(f"Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return text.removeprefix("/")


def _choice(*allowed: str) -> Callable[[Any], bool]:
    return lambda value: value in allowed


# Field: which values are implemented. An empty value (None, "", 0, False, [] or {}) always is.
_IMPLEMENTED: dict[str, Callable[[Any], bool]] = {
    "volume_driver": _choice("local"),
    "volumes_from": lambda value: False,
    "links": lambda value: False,
    "cgroup": lambda value: False,
    "cgroupns_mode": _choice("private", "host"),
    "ipc_mode": _choice("private", "host"),
    "pid_mode": _choice("host"),
    "uts_mode": _choice("host"),
    "userns_mode": _choice("host"),
    "isolation": _choice("default"),
    "storage_opt": lambda value: False,
    "blkio_weight_device": lambda value: False,
    "blkio_device_read_bps": lambda value: False,
    "blkio_device_write_bps": lambda value: False,
    "blkio_device_read_iops": lambda value: False,
    "blkio_device_write_iops": lambda value: False,
    "cpu_realtime_period": lambda value: False,
    "cpu_realtime_runtime": lambda value: False,
    "device_cgroup_rules": lambda value: False,
    "device_requests": lambda value: False,
    "cpu_count": lambda value: False,
    "cpu_percent": lambda value: False,
    "io_maximum_iops": lambda value: False,
    "io_maximum_bandwidth": lambda value: False,
}
_WIRE_NAMES = {"storage_opt": "StorageOpt", "uts_mode": "UTSMode"}


def create(config: ContainerConfig, host: HostConfig) -> list[str]:
    """Check everything that needs no image; return warnings for the client."""
    for field, implemented in _IMPLEMENTED.items():
        value = getattr(host, field)
        if value and not implemented(value):
            wire = _WIRE_NAMES.get(field) or "".join(part.capitalize() for part in field.split("_"))
            shown = msgspec.json.encode(value).decode()
            raise Unsupported(f"havre does not implement HostConfig.{wire} = {shown} yet")
    _representable(msgspec.to_builtins([config, host]))
    for option in host.security_opt or ():
        security_option(option)
    if config.healthcheck is not None and config.healthcheck.test not in (None, [], ["NONE"]):
        raise Unsupported("havre does not implement Healthcheck yet")
    _limits(host)
    _cpus(host)
    _restart(host)
    _log(host.log_config)
    _names(config, host)
    console_size(host.console_size)
    network.check_ports(config, host)
    for variable in config.env or ():
        if not variable or variable.startswith("="):
            raise InvalidParameter(f"invalid environment variable: {variable}")
    if config.stop_signal:
        signal_number(config.stop_signal)
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidParameter(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    if host.network_mode in ("host", "none") and (host.port_bindings or host.publish_all_ports):
        return [f"Published ports are discarded when using {host.network_mode} network mode"]
    return []


def _representable(value: Any) -> None:
    """Refuse what JSON can say and neither Go's int64 nor a C string can hold."""
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidParameter(f"invalid value {value!r}: it has a NUL in it")
    elif isinstance(value, int):
        if not -_BEYOND <= value < _BEYOND:
            raise InvalidParameter(f"invalid value {value}: the number is out of range")
    elif isinstance(value, dict):
        for pair in value.items():
            _representable(pair)
    elif isinstance(value, list | tuple):
        for one in value:
            _representable(one)


def _limits(host: HostConfig) -> None:
    if 0 < host.memory < _MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")
    if host.memory_swap > 0 and not host.memory:
        raise InvalidParameter("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < host.memory_swap < host.memory:
        raise InvalidParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < host.memory < host.memory_reservation:
        raise InvalidParameter("Minimum memory limit can not be less than memory reservation limit, see usage")
    if host.memory_swappiness is not None and not -1 <= host.memory_swappiness <= 100:
        raise InvalidParameter(f"Invalid value: {host.memory_swappiness}, valid memory swappiness range is 0-100")
    if host.shm_size < 0:
        raise InvalidParameter("SHM size can not be less than 0")
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidParameter(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidParameter("Range of blkio weight is from 10 to 1000")
    for limit in host.ulimits or ():
        if limit.name not in _ULIMITS:
            raise InvalidParameter(f"invalid ulimit type: {limit.name}")
        if limit.soft > limit.hard >= 0:
            raise InvalidParameter(
                f"ulimit soft limit must be less than or equal to hard limit: {limit.soft} > {limit.hard}"
            )


def _cpus(host: HostConfig) -> None:
    if host.nano_cpus and (host.cpu_period or host.cpu_quota):
        other = "CPU Period" if host.cpu_period else "CPU Quota"
        raise InvalidParameter(f"Conflicting options: Nano CPUs and {other} cannot both be set")
    cpus = os.cpu_count() or 1
    if host.nano_cpus and not 10**7 <= host.nano_cpus <= cpus * 10**9:
        raise InvalidParameter(f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available")
    if host.cpu_period and not 1000 <= host.cpu_period <= 1_000_000:
        raise InvalidParameter("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if host.cpu_shares < 0:
        raise InvalidParameter(f"invalid CPU shares: {host.cpu_shares}")
    if 0 < host.cpu_quota < 1000:
        raise InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    for kind, numbers in (("cpus", host.cpuset_cpus), ("mems", host.cpuset_mems)):
        if numbers and not _CPU_LIST.fullmatch(numbers):
            raise InvalidParameter(f"Invalid value {numbers} for cpuset {kind}")


def _names(config: ContainerConfig, host: HostConfig) -> None:
    """What is written into ``/etc/hosts`` and ``/etc/resolv.conf``: a word is a word there, and a line a line."""
    for word in (config.hostname, config.domainname):
        if len(word.encode()) > _LONGEST_HOSTNAME or not _is_word(word):
            raise InvalidParameter(f"invalid hostname or domain name: {word!r}")
    if host.uts_mode == "host" and config.hostname:
        raise InvalidParameter("conflicting options: hostname and the UTS mode")
    for entry in host.extra_hosts or ():
        word, _, address = entry.partition(":")
        if not word or not address or not _is_word(word):
            raise InvalidParameter(f'bad format for add-host: "{entry}"')
        if address != "host-gateway" and not _is_address(address.strip("[]")):
            raise InvalidParameter(f'invalid IP address in add-host: "{address}"')
    for address in host.dns or ():
        if not _is_address(address):
            raise InvalidParameter(f"bad nameserver address: {address}")
    for word in [*(host.dns_search or ()), *(host.dns_options or ())]:
        if not _is_word(word):
            raise InvalidParameter(f"invalid DNS search domain or option: {word!r}")


def _is_word(text: str) -> bool:
    return not any(letter.isspace() or not letter.isprintable() for letter in text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def console_size(given: list[int] | None) -> tuple[int, int] | None:
    """The rows and columns of a terminal; None when they are not given (or 0, as clients without a terminal say)."""
    if not given or len(given) != 2 or not any(given):
        return None
    if not all(0 <= number <= 0xFFFF for number in given):
        raise InvalidParameter(f"invalid console size: {given[0]} by {given[1]}")
    return given[0], given[1]


def _restart(host: HostConfig) -> None:
    policy = host.restart_policy
    if policy.name not in ("", "no", "always", "on-failure", "unless-stopped"):
        raise InvalidParameter(
            f"invalid restart policy: unknown policy '{policy.name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    if policy.maximum_retry_count < 0:
        raise InvalidParameter("invalid restart policy: maximum retry count cannot be negative")
    if policy.maximum_retry_count and policy.name != "on-failure":
        raise InvalidParameter("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if host.auto_remove and policy.name not in ("", "no"):
        raise InvalidParameter("can't create 'AutoRemove' container with restart policy")


def _log(log: LogConfig) -> None:
    if not log.type:
        return
    driver = DRIVERS.get(log.type)
    if driver is None:
        known = ", ".join(sorted(DRIVERS))
        raise Unsupported(f"havre does not implement the log driver {log.type!r} yet: use one of {known}")
    driver.check(log.config or {})


def security_option(option: str) -> tuple[str, str]:
    """``name=value`` (or the old ``name:value``) of ``--security-opt``."""
    if option in ("no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"):
        return "no-new-privileges", "true"
    if option in ("no-new-privileges=false", "no-new-privileges:false"):
        return "no-new-privileges", "false"
    separator = "=" if "=" in option else ":"
    key, found, value = option.partition(separator)
    if not found:
        raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
    if key == "seccomp":
        return key, value
    if key in ("apparmor", "label", "writable-cgroups"):
        raise Unsupported(f"havre does not implement --security-opt {key} yet")
    raise InvalidParameter(f'invalid --security-opt 2: "{option}"')


def signal_number(text: str) -> int:
    """A signal by number or name (``KILL``, ``SIGKILL``, ``RTMIN+3``); ``InvalidParameter`` otherwise."""
    if re.fullmatch("[0-9]+", text):
        number = int(text[:10])
        if number == 0 or number > 64:
            raise InvalidParameter(f"invalid signal: {text}")
        return number
    word = text.upper().removeprefix("SIG")
    if match := re.fullmatch(r"RTM(IN|AX)([+-][0-9]{1,2})?", word):
        # The C library keeps 32 and 33 to itself: RTMIN is 34.
        number = (34 if match[1] == "IN" else 64) + int(match[2] or 0)
        if 34 <= number <= 64:
            return number
    try:
        return int(signal.Signals[f"SIG{word}"])
    except KeyError:
        raise InvalidParameter(f"invalid signal: {text}") from None
