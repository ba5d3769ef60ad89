"""How a call ends: gRPC's codes, and the errors that carry them."""

import base64
from urllib.parse import quote, unquote

from havre.builder.buildkit.messages.errors import RpcStatus
from havre.errors import (
    Conflict,
    Forbidden,
    HavreError,
    InvalidParameter,
    NotFound,
    Unauthorized,
    Unavailable,
    Unsupported,
)

OK, CANCELLED, UNKNOWN, INVALID, DEADLINE, NOT_FOUND, EXISTS, DENIED, EXHAUSTED, UNIMPLEMENTED, INTERNAL = (
    *(0, 1, 2, 3, 4, 5, 6, 7, 8),
    *(12, 13),
)
UNAVAILABLE, UNAUTHENTICATED = 14, 16

_CODES: dict[type[HavreError], int] = {
    InvalidParameter: INVALID,
    NotFound: NOT_FOUND,
    Conflict: EXISTS,
    Forbidden: DENIED,
    Unsupported: UNIMPLEMENTED,
    Unavailable: UNAVAILABLE,
    Unauthorized: UNAUTHENTICATED,
}
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class RpcError(HavreError):
    """A call that failed with ``code``. ``details``: an encoded ``RpcStatus`` with all that is known."""

    def __init__(self, code: int, message: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.details = details

    @property
    def status(self) -> RpcStatus:
        """The whole of it as a message."""
        return RpcStatus.decoded(self.details) if self.details else RpcStatus(self.code, self.message)


def of_status(status: RpcStatus) -> RpcError:
    """The error that a message tells of."""
    return RpcError(status.code or UNKNOWN, status.message, status.encoded())


def of_error(error: Exception) -> RpcError:
    """The error as a call's end. What havre did not raise on purpose is told by its kind and text."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, HavreError):
        code = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), UNKNOWN)
        return RpcError(code, error.message)
    return RpcError(INTERNAL, f"{type(error).__name__}: {error}")


def trailers(error: RpcError | None) -> list[tuple[str, str]]:
    """The headers at the end of a call; None: it went well."""
    if error is None:
        return [("grpc-status", "0")]
    found = [("grpc-status", str(error.code)), ("grpc-message", quote(error.message, safe=_PLAIN))]
    if error.details:
        found.append(("grpc-status-details-bin", base64.b64encode(error.details).decode().rstrip("=")))
    return found


def of_trailers(headers: dict[str, str]) -> RpcError | None:
    """How a call went, by the headers at its end."""
    text = headers.get("grpc-status", "")
    if not text.isdecimal():
        return RpcError(UNKNOWN, f"the answer ends without a status (HTTP {headers.get(':status', '?')})")
    return RpcError(int(text), unquote(headers.get("grpc-message", ""))) if int(text) else None
