"""Errors as gRPC and BuildKit tell them."""

from dataclasses import dataclass

from havre.lib.protobuf import Message, field, many, text


@dataclass(slots=True)
class Any(Message):
    """A value with its type's name."""

    type_url: str = text(1)
    value: bytes = field(2, b"")


@dataclass(slots=True)
class RpcStatus(Message):
    """google.rpc.Status."""

    code: int = field(1)
    message: str = text(2)
    details: list[Any] = many(3)
