"""Whether a create request can be fulfilled on any host: malformed values and contradictions are the client's error.

What depends on this kernel and this daemon's configuration is judged in ``rules``.
"""

import re
import signal
from typing import Any

import msgspec

from havre.engine.container import health, modes, names, network, workdir
from havre.errors import InvalidParameter
from havre.logs.drivers import find as find_log_driver
from havre.wire.containers import ContainerConfig, HostConfig, LogConfig, RestartPolicy

_NAME = re.compile(r"^/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$")
_BEYOND = 1 << 63
_LAST_SIGNAL = 64


def name(text: str) -> str:
    """A container name without its slash; ``InvalidParameter`` with Docker's text."""
    if not _NAME.match(text):
        raise InvalidParameter(f"Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return text.removeprefix("/")


def create(config: ContainerConfig, host: HostConfig) -> list[str]:
    """Check everything that needs no image; return warnings for the client."""
    _representable(msgspec.to_builtins([config, host]))
    modes.check(config, host)
    health.check(config.healthcheck)
    restart_policy(host.restart_policy, host.auto_remove)
    _log(host.log_config)
    names.check(config, host)
    console_size(host.console_size)
    network.check_ports(config, host)
    if "" in (host.annotations or {}):
        raise InvalidParameter("invalid Annotations: the empty string is not permitted as an annotation key")
    for variable in config.env or ():
        if not variable or variable.startswith("="):
            raise InvalidParameter(f"invalid environment variable: {variable}")
    if config.stop_signal:
        signal_number(config.stop_signal)
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidParameter(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    workdir.check(config.working_dir)
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


def console_size(given: list[int] | None) -> tuple[int, int] | None:
    """The rows and columns of a terminal; None when they are not given (or 0, as clients without a terminal say)."""
    if not given or len(given) != 2 or not any(given):
        return None
    if not all(0 <= number <= 0xFFFF for number in given):
        raise InvalidParameter(f"invalid console size: {given[0]} by {given[1]}")
    return given[0], given[1]


def restart_policy(policy: RestartPolicy, auto_remove: bool) -> None:
    """``InvalidParameter`` for a policy Docker does not know, or one a container that removes itself cannot have."""
    if policy.name not in ("", "no", "always", "on-failure", "unless-stopped"):
        raise InvalidParameter(
            f"invalid restart policy: unknown policy '{policy.name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    negative = policy.maximum_retry_count < 0
    if policy.maximum_retry_count and policy.name != "on-failure":
        raise InvalidParameter(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'"
            + (" and cannot be negative" if negative else "")
        )
    if negative:
        raise InvalidParameter("invalid restart policy: maximum retry count cannot be negative")
    if auto_remove and policy.name not in ("", "no"):
        raise InvalidParameter("can't create 'AutoRemove' container with restart policy")


def _log(log: LogConfig) -> None:
    if not log.type:
        return
    find_log_driver(log.type).check(log.config or {})


def signal_to_send(text: str) -> int:
    """As ``signal_number``; a number that is no signal is refused in other words."""
    if re.fullmatch("-?[0-9]{1,18}", text) and not 0 <= int(text) <= _LAST_SIGNAL:
        raise InvalidParameter(f"the linux daemon does not support signal {text}")
    return signal_number(text)


def signal_number(text: str) -> int:
    """A signal by number or name (``KILL``, ``SIGKILL``, ``RTMIN+3``); ``InvalidParameter`` otherwise."""
    if re.fullmatch("[0-9]+", text):
        number = int(text[:10])
        if number == 0 or number > _LAST_SIGNAL:
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
