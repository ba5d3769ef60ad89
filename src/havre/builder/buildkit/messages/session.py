"""What the daemon asks a client for over its session: files, secrets, keys, credentials."""

from dataclasses import dataclass

from havre.lib.protobuf import Message, field, one, pairs, text


@dataclass(slots=True)
class Stat(Message):
    """fsutil.types.Stat: a file. ``mode`` has Go's bits."""

    path: str = text(1)
    mode: int = field(2)
    uid: int = field(3)
    gid: int = field(4)
    size: int = field(5)
    mtime: int = field(6)
    linkname: str = text(7)
    devmajor: int = field(8)
    devminor: int = field(9)
    xattrs: dict[str, bytes] = pairs(10)


@dataclass(slots=True)
class Packet(Message):
    """fsutil.types.Packet."""

    type: int = field(1)
    stat: Stat | None = one(2)
    id: int = field(3)
    data: bytes = field(4, b"")


STAT, REQUEST, DATA, FINISH, ERROR = range(5)


@dataclass(slots=True)
class Bytes(Message):
    """A piece of a stream of bytes."""

    data: bytes = field(1, b"")


@dataclass(slots=True)
class CredentialsRequest(Message):
    host: str = text(1)


@dataclass(slots=True)
class CredentialsResponse(Message):
    username: str = text(1)
    secret: str = text(2)


@dataclass(slots=True)
class GetSecretRequest(Message):
    id: str = text(1)
    annotations: dict[str, str] = pairs(2)


@dataclass(slots=True)
class GetSecretResponse(Message):
    data: bytes = field(1, b"")


@dataclass(slots=True)
class CheckAgentRequest(Message):
    id: str = text(1)


@dataclass(slots=True)
class CheckAgentResponse(Message):
    pass
