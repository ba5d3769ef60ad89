"""The container's configuration: what the user asked, completed by the image's. Pure; Docker's rules."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from havre.engine.container import health, workdir
from havre.errors import InvalidParameter
from havre.image.config import ImageConfig
from havre.wire.containers import ContainerConfig

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def merge(asked: ContainerConfig, image: ImageConfig) -> ContainerConfig:
    """``asked`` with the image's values where the user gave none. Raises ``InvalidParameter`` when no command
    is left.
    """
    entrypoint, command = _words(asked.entrypoint), _words(asked.cmd)
    if not entrypoint:
        if not command and entrypoint is None:
            command = _list(image.cmd)
        if entrypoint is None:
            entrypoint = _list(image.entrypoint)
    if entrypoint == [""]:
        # ``--entrypoint ""`` takes the image's away and puts nothing in its place.
        entrypoint = None
    if not entrypoint and not command:
        raise InvalidParameter("no command specified")
    return msgspec.structs.replace(
        asked,
        entrypoint=entrypoint,
        cmd=command,
        user=asked.user or image.user,
        env=_environment(asked.env or [], image.env),
        working_dir=workdir.absolute(asked.working_dir or image.working_dir),
        labels={**(image.labels or {}), **(asked.labels or {})},
        exposed_ports=_union(image.exposed_ports, asked.exposed_ports),
        volumes=_union(image.volumes, asked.volumes),
        stop_signal=asked.stop_signal or image.stop_signal,
        stop_timeout=asked.stop_timeout if asked.stop_timeout is not None else image.stop_timeout,
        shell=asked.shell or _list(image.shell),
        on_build=asked.on_build or list(image.on_build) or None,
        healthcheck=health.merged(asked.healthcheck, image.healthcheck),
    )


def command_line(config: ContainerConfig) -> tuple[str, tuple[str, ...]]:
    """The program and its arguments, as inspect shows them."""
    words = [*(_words(config.entrypoint) or []), *(_words(config.cmd) or [])]
    return words[0], tuple(words[1:])


def environment(config: ContainerConfig, links: Sequence[str] = ()) -> list[str]:
    """The environment of the first process: the configured one with PATH, HOSTNAME and TERM as Docker adds them, and
    what ``links`` tell.
    """
    added = [DEFAULT_PATH, f"HOSTNAME={config.hostname}", *(("TERM=xterm",) if config.tty else ()), *links]
    return replaced(added, config.env or ())


def replaced(entries: Iterable[str], later: Iterable[str]) -> list[str]:
    """``entries`` with those of ``later``, each in the place of the one of its name; one without "=" takes it away."""
    merged = {entry.partition("=")[0]: entry for entry in entries}
    for entry in later:
        name, is_pair, _ = entry.partition("=")
        if is_pair:
            merged[name] = entry
        else:
            merged.pop(name, None)
    return list(merged.values())


def _environment(asked: Iterable[str], image: Iterable[str]) -> list[str]:
    asked = list(asked)
    given = {entry.partition("=")[0] for entry in asked}
    merged = asked + [entry for entry in image if entry.partition("=")[0] not in given]
    if not any(entry.startswith("PATH=") for entry in merged) and "PATH" not in given:
        merged.append(DEFAULT_PATH)
    return merged


def _union(image: Iterable[str], asked: dict[str, dict[str, Any]] | None) -> dict[str, dict[str, Any]] | None:
    union: dict[str, dict[str, Any]] = {**{key: {} for key in image}, **(asked or {})}
    return union or None


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)


def _words(value: list[str] | str | None) -> list[str] | None:
    return [value] if isinstance(value, str) else value
