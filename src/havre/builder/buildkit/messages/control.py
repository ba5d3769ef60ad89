"""moby.buildkit.v1: the control interface."""

from dataclasses import dataclass

from havre.builder.buildkit.messages.shared import Definition, Range, SourceInfo, Timestamp, Version, WorkerRecord
from havre.lib.protobuf import Message, field, many, one, pairs, text


@dataclass(slots=True)
class Exporter(Message):
    type: str = text(1)
    attributes: dict[str, str] = pairs(2)


@dataclass(slots=True)
class CacheEntry(Message):
    type: str = text(1)
    attributes: dict[str, str] = pairs(2)


@dataclass(slots=True)
class CacheOptions(Message):
    exports: list[CacheEntry] = many(4)
    imports: list[CacheEntry] = many(5)


@dataclass(slots=True)
class SolveRequest(Message):
    ref: str = text(1)
    definition: Definition | None = one(2)
    exporter_deprecated: str = text(3)
    exporter_attributes_deprecated: dict[str, str] = pairs(4)
    session: str = text(5)
    frontend: str = text(6)
    attributes: dict[str, str] = pairs(7)
    cache: CacheOptions | None = one(8)
    entitlements: list[str] = many(9)
    inputs: dict[str, Definition] = pairs(10)
    internal: bool = field(11, False)
    policy: bytes = field(12, b"")
    exporters: list[Exporter] = many(13)
    policy_session: str = text(15)


@dataclass(slots=True)
class SolveResponse(Message):
    exporter_response: dict[str, str] = pairs(1)


@dataclass(slots=True)
class StatusRequest(Message):
    ref: str = text(1)


@dataclass(slots=True)
class VertexMessage(Message):
    digest: str = text(1)
    inputs: list[str] = many(2)
    name: str = text(3)
    cached: bool = field(4, False)
    started: Timestamp | None = one(5)
    completed: Timestamp | None = one(6)
    error: str = text(7)


@dataclass(slots=True)
class VertexStatus(Message):
    id: str = text(1)
    vertex: str = text(2)
    name: str = text(3)
    current: int = field(4)
    total: int = field(5)
    timestamp: Timestamp | None = one(6)
    started: Timestamp | None = one(7)
    completed: Timestamp | None = one(8)


@dataclass(slots=True)
class VertexLog(Message):
    vertex: str = text(1)
    timestamp: Timestamp | None = one(2)
    stream: int = field(3)
    data: bytes = field(4, b"")


@dataclass(slots=True)
class VertexWarning(Message):
    vertex: str = text(1)
    level: int = field(2)
    short: bytes = field(3, b"")
    detail: list[bytes] = many(4)
    url: str = text(5)
    info: SourceInfo | None = one(6)
    ranges: list[Range] = many(7)


@dataclass(slots=True)
class StatusResponse(Message):
    vertexes: list[VertexMessage] = many(1)
    statuses: list[VertexStatus] = many(2)
    logs: list[VertexLog] = many(3)
    warnings: list[VertexWarning] = many(4)


@dataclass(slots=True)
class ListWorkersRequest(Message):
    filter: list[str] = many(1)


@dataclass(slots=True)
class ListWorkersResponse(Message):
    record: list[WorkerRecord] = many(1)


@dataclass(slots=True)
class InfoRequest(Message):
    pass


@dataclass(slots=True)
class InfoResponse(Message):
    version: Version | None = one(1)


@dataclass(slots=True)
class DiskUsageRequest(Message):
    filter: list[str] = many(1)
    age_limit: int = field(2)


@dataclass(slots=True)
class UsageRecord(Message):
    id: str = text(1)
    mutable: bool = field(2, False)
    in_use: bool = field(3, False)
    size: int = field(4)
    created: Timestamp | None = one(6)
    used: Timestamp | None = one(7)
    count: int = field(8)
    description: str = text(9)
    type: str = text(10)
    shared: bool = field(11, False)
    parents: list[str] = many(12)


@dataclass(slots=True)
class DiskUsageResponse(Message):
    record: list[UsageRecord] = many(1)


@dataclass(slots=True)
class PruneRequest(Message):
    filter: list[str] = many(1)
    all: bool = field(2, False)
    keep_duration: int = field(3)
    reserved_space: int = field(4)
    max_used_space: int = field(5)
    min_free_space: int = field(6)


@dataclass(slots=True)
class HistoryRequest(Message):
    active_only: bool = field(1, False)
    ref: str = text(2)
    early_exit: bool = field(3, False)
