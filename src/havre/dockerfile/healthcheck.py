"""HEALTHCHECK: a command, or NONE, and when it is run."""

from havre.dockerfile import flags as known
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.flags import Flags
from havre.dockerfile.instructions import Healthcheck
from havre.dockerfile.lines import Line, json_words
from havre.lib.quoting import quote
from havre.lib.times import go_duration, parse_go_duration

_SHORTEST = 1_000_000  # nanoseconds: what the engine takes


def read_healthcheck(line: Line, escape: str) -> Healthcheck:
    """The instruction of ``line``."""
    flags = Flags(line.flags, known.HEALTHCHECK)
    kind, _, command = line.rest.strip().partition(" ")
    if not kind:
        raise DockerfileError("HEALTHCHECK requires at least one argument")
    kind = kind.upper()
    if kind == "NONE":
        if command.strip():
            raise DockerfileError("HEALTHCHECK NONE takes no arguments")
        if line.flags:
            raise DockerfileError("HEALTHCHECK NONE takes no flags")
        return Healthcheck(line=line, test=("NONE",))
    if kind != "CMD":
        raise DockerfileError(f"Unknown type {quote(kind)} in HEALTHCHECK (try CMD)")
    return Healthcheck(
        line=line,
        test=_test(command.strip()),
        interval=_duration(flags, "interval"),
        timeout=_duration(flags, "timeout"),
        start_period=_duration(flags, "start-period"),
        start_interval=_duration(flags, "start-interval"),
        retries=_retries(flags.text("retries")),
    )


def _test(command: str) -> tuple[str, ...]:
    if not command:
        raise DockerfileError("Missing command after HEALTHCHECK CMD")
    words = json_words(command)
    return ("CMD", *words) if words else ("CMD-SHELL", command)


def _duration(flags: Flags, name: str) -> int:
    text = flags.text(name)
    if not text:
        return 0
    try:
        value = parse_go_duration(text)
    except ValueError as error:
        raise DockerfileError(str(error)) from None
    if value and value < _SHORTEST:
        raise DockerfileError(f"Interval {quote(name)} cannot be less than {go_duration(_SHORTEST)}")
    return value


def _retries(text: str) -> int:
    if not text:
        return 0
    try:
        value = int(text, 10)
    except ValueError:
        raise DockerfileError(f"--retries must be a number, not {quote(text)}") from None
    if value < 0:
        raise DockerfileError(f"--retries cannot be negative ({value})")
    return value
