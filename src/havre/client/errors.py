"""What can go wrong between a client and the daemon. Every caller of the client catches these."""

from __future__ import annotations

from havre.errors import HavreError


class ApiError(HavreError):
    """The daemon refused the request. ``status`` is the HTTP status, ``message`` the daemon's own sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def __str__(self) -> str:
        return f"Error response from daemon: {self.message}"


class DaemonUnreachable(HavreError):
    """Nothing answers at the daemon's address, or it may not be asked."""


class TooOld(DaemonUnreachable):
    """The daemon's API version lacks something that was asked for: asking would be of no use."""


class ProtocolError(HavreError):
    """What came back is not an answer of the Engine API: malformed, cut off or beyond the client's limits."""
