"""What instructions make of an image's configuration: ENV, CMD, LABEL and the others that touch no files.

A configuration is the JSON object that images keep under ``config``: ``Env``, ``Cmd``, ``ExposedPorts``…
"""

import posixpath
import signal
from typing import Any

from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import (
    Cmd,
    Command,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Onbuild,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)

Settings = dict[str, Any]
DEFAULT_SHELL = ("/bin/sh", "-c")
_PROTOCOLS = ("tcp", "udp", "sctp")
_TIMES = (
    ("Interval", "interval"),
    ("Timeout", "timeout"),
    ("StartPeriod", "start_period"),
    ("StartInterval", "start_interval"),
    ("Retries", "retries"),
)


def copied(settings: Settings) -> Settings:
    """A configuration that can be changed without changing ``settings``."""
    return {key: value.copy() if isinstance(value, dict | list) else value for key, value in settings.items()}


def variables(settings: Settings) -> dict[str, str]:
    """The environment as names and values."""
    return dict(entry.partition("=")[::2] for entry in settings.get("Env") or ())


def shell(settings: Settings) -> list[str]:
    """What reads commands in shell form."""
    return list(settings.get("Shell") or DEFAULT_SHELL)


def apply(instruction: Instruction, settings: Settings, commanded: bool = False) -> bool:
    """Change ``settings`` as ``instruction``, whose variables have been replaced, says; False if it is of another kind.

    ``commanded``: there was a CMD before it in the same file, so that an ENTRYPOINT leaves that alone. Raises
    ``DockerfileError`` for ports and signals that are none.
    """
    if isinstance(instruction, Cmd):
        settings["Cmd"] = _words(instruction.command, settings)
    elif isinstance(instruction, Entrypoint):
        settings["Entrypoint"] = _words(instruction.command, settings)
        if not commanded:
            # The arguments were for the old one.
            settings["Cmd"] = None
    elif isinstance(instruction, Env):
        entries = {entry.partition("=")[0]: entry for entry in settings.get("Env") or ()}
        entries.update((name, f"{name}={value}") for name, value in instruction.pairs)
        _all_named("ENV", instruction.pairs)
        settings["Env"] = list(entries.values())
    elif isinstance(instruction, Label):
        _all_named("LABEL", instruction.pairs)
        settings["Labels"] = {**(settings.get("Labels") or {}), **dict(instruction.pairs)}
    elif isinstance(instruction, Expose):
        ports: Settings = {port: {} for text in instruction.ports for port in _ports(text)}
        settings["ExposedPorts"] = {**(settings.get("ExposedPorts") or {}), **ports}
    elif isinstance(instruction, Volume):
        if not all(path.strip() for path in instruction.paths):
            raise DockerfileError("VOLUME specified can not be an empty string")
        settings["Volumes"] = {**(settings.get("Volumes") or {}), **{path: {} for path in instruction.paths}}
    elif isinstance(instruction, User):
        settings["User"] = instruction.user
    elif isinstance(instruction, Workdir):
        settings["WorkingDir"] = directory(settings, instruction.path)
    elif isinstance(instruction, StopSignal):
        settings["StopSignal"] = _signal(instruction.signal)
    elif isinstance(instruction, Healthcheck):
        times = ((key, getattr(instruction, name)) for key, name in _TIMES)
        settings["Healthcheck"] = {"Test": list(instruction.test), **{key: value for key, value in times if value}}
    elif isinstance(instruction, Shell):
        settings["Shell"] = list(instruction.words)
    elif isinstance(instruction, Onbuild):
        settings["OnBuild"] = [*(settings.get("OnBuild") or ()), instruction.text]
    else:
        return False
    return True


def directory(settings: Settings, path: str) -> str:
    """``path`` as the working directory makes it absolute."""
    return posixpath.normpath(posixpath.join("/", settings.get("WorkingDir") or "/", path)).replace("//", "/")


def _words(command: Command, settings: Settings) -> list[str]:
    return [*shell(settings), *command.words] if command.shell else list(command.words)


def _all_named(keyword: str, pairs: tuple[tuple[str, str], ...]) -> None:
    if not all(name for name, _ in pairs):
        raise DockerfileError(f"{keyword} names can not be blank")


def _ports(text: str) -> list[str]:
    """``80``, ``80/udp``, ``80-82``, each as ``port/protocol``; what stands before a colon is of the host."""
    numbers, _, protocol = text.rpartition(":")[2].partition("/")
    protocol = protocol.lower() or "tcp"
    first, dash, last = numbers.partition("-")
    last = last if dash else first
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 65536):
        raise DockerfileError(f"Invalid containerPort: {numbers}")
    if protocol not in _PROTOCOLS:
        raise DockerfileError(f"Invalid proto: {protocol}")
    return [f"{port}/{protocol}" for port in range(int(first), int(last) + 1)]


def _signal(name: str) -> str:
    number = int(name) if name.isdecimal() else getattr(signal, "SIG" + name.upper().removeprefix("SIG"), None)
    if number is None or not 0 < int(number) <= signal.SIGRTMAX:
        raise DockerfileError(f"invalid signal: {name}")
    return name
