"""What a door asks of the verbs that stream, as values: attach and logs. The API and the engine both come in here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """Which streams to join. ``logs`` replays what was written, ``stream`` goes on live; ``multiplex`` asks for frames.

    ``detach_keys`` is the client's sequence ("ctrl-p,ctrl-q"), empty for the default.
    """

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    stream: bool = False
    logs: bool = False
    detach_keys: str = ""
    multiplex: bool = True


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which lines of a log. ``tail`` counts lines from the end, None for all; times are nanoseconds since 1970."""

    stdout: bool = False
    stderr: bool = False
    follow: bool = False
    since_ns: int | None = None
    until_ns: int | None = None
    timestamps: bool = False
    tail: int | None = None
    details: bool = False
