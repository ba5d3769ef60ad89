"""Messages that several of BuildKit's interfaces share."""

import time
from dataclasses import dataclass

from havre.lib.protobuf import Message, field, many, one, pairs, text

_SECOND = 1_000_000_000


@dataclass(slots=True)
class Timestamp(Message):
    """google.protobuf.Timestamp."""

    seconds: int = field(1)
    nanos: int = field(2)


def timestamp(nanoseconds: int | None = None) -> Timestamp:
    """A time in nanoseconds since 1970, or now."""
    return Timestamp(*divmod(time.time_ns() if nanoseconds is None else nanoseconds, _SECOND))


@dataclass(slots=True)
class PlatformMessage(Message):
    """pb.Platform."""

    architecture: str = text(1)
    os: str = text(2)
    variant: str = text(3)


@dataclass(slots=True)
class Definition(Message):
    """pb.Definition: steps in BuildKit's own low-level form, encoded."""

    steps: list[bytes] = many(1)


@dataclass(slots=True)
class SourceInfo(Message):
    """pb.SourceInfo: a file that a build was read from."""

    filename: str = text(1)
    data: bytes = field(2, b"")
    language: str = text(4)


@dataclass(slots=True)
class Position(Message):
    """pb.Position."""

    line: int = field(1)
    character: int = field(2)


@dataclass(slots=True)
class Range(Message):
    """pb.Range."""

    start: Position | None = one(1)
    end: Position | None = one(2)


@dataclass(slots=True)
class Version(Message):
    """moby.buildkit.v1.types.BuildkitVersion."""

    package: str = text(1)
    version: str = text(2)
    revision: str = text(3)


@dataclass(slots=True)
class WorkerRecord(Message):
    """moby.buildkit.v1.types.WorkerRecord."""

    id: str = text(1)
    labels: dict[str, str] = pairs(2)
    platforms: list[PlatformMessage] = many(3)
    version: Version | None = one(5)


@dataclass(slots=True)
class Capability(Message):
    """moby.buildkit.v1.apicaps.APICap."""

    id: str = text(1)
    enabled: bool = field(2, False)
    disabled_reason_message: str = text(5)
