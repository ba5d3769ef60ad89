"""moby.buildkit.v1.frontend: what a client's own build function asks the daemon."""

from dataclasses import dataclass

from havre.builder.buildkit.messages.control import CacheEntry
from havre.builder.buildkit.messages.errors import RpcStatus
from havre.builder.buildkit.messages.shared import Capability, Definition, WorkerRecord
from havre.lib.protobuf import Message, field, many, one, pairs, text


@dataclass(slots=True)
class Ref(Message):
    id: str = text(1)
    definition: Definition | None = one(2)


@dataclass(slots=True)
class RefMap(Message):
    refs: dict[str, Ref] = pairs(1)


@dataclass(slots=True)
class Result(Message):
    ref_deprecated: str = text(1)
    ref: Ref | None = one(3)
    refs: RefMap | None = one(4)
    metadata: dict[str, bytes] = pairs(10)


@dataclass(slots=True)
class FrontendSolveRequest(Message):
    definition: Definition | None = one(1)
    frontend: str = text(2)
    options: dict[str, str] = pairs(3)
    cache_imports: list[CacheEntry] = many(12)
    inputs: dict[str, Definition] = pairs(13)
    evaluate: bool = field(14, False)


@dataclass(slots=True)
class FrontendSolveResponse(Message):
    ref: str = text(1)
    result: Result | None = one(3)


@dataclass(slots=True)
class ReturnRequest(Message):
    result: Result | None = one(1)
    error: RpcStatus | None = one(2)


@dataclass(slots=True)
class ReturnResponse(Message):
    pass


@dataclass(slots=True)
class PingRequest(Message):
    pass


@dataclass(slots=True)
class PongResponse(Message):
    frontend_capabilities: list[Capability] = many(1)
    llb_capabilities: list[Capability] = many(2)
    workers: list[WorkerRecord] = many(3)


@dataclass(slots=True)
class EvaluateRequest(Message):
    ref: str = text(1)


@dataclass(slots=True)
class EvaluateResponse(Message):
    pass
