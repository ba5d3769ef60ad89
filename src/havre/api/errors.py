"""The one table from errors to HTTP statuses, and the body every error has: ``{"message": …}``."""

import errno
import logging
import os

import msgspec
from aiohttp.web_response import Response

from havre.errors import (
    Conflict,
    Forbidden,
    HavreError,
    InvalidParameter,
    NotFound,
    NotModified,
    StartFailed,
    SystemFault,
    Unauthorized,
    Unavailable,
    Unsupported,
)

log = logging.getLogger(__name__)


class BodyTooLarge(InvalidParameter):
    """The request's JSON is larger than the door reads (HTTP 413)."""


STATUS: dict[type[HavreError], int] = {
    InvalidParameter: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    BodyTooLarge: 413,
    NotModified: 304,
    Unsupported: 501,
    Unavailable: 503,
    SystemFault: 500,
}


def status_of(error: BaseException) -> int:
    """The HTTP status of ``error``; 500 for what havre did not raise on purpose."""
    if isinstance(error, StartFailed):
        # A command that cannot be run (126) or found (127) is the caller's mistake, all else the runtime's.
        return 400 if error.exit_code in (126, 127) else 500
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def message_of(error: BaseException) -> str:
    """What the client is told: the sentence of an error raised on purpose, or of a full disk, else the kind and text of
    the accident.
    """
    if isinstance(error, HavreError):
        return error.message
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return os.strerror(error.errno).lower()
    return f"internal error: {type(error).__name__}: {error}"


def response_to(error: Exception, what: str) -> Response:
    """The answer to the request ``what`` that ended in ``error``; the log gets server faults, accidents with trace."""
    status = status_of(error)
    if not isinstance(error, HavreError):
        log.error("%s failed", what, exc_info=error)
    elif status >= 500:
        log.error("%s: %s", what, error.message)
    if status == 304:
        return Response(status=status)
    return error_response(status, message_of(error))


def error_response(status: int, message: str) -> Response:
    """A response in the shape of every error."""
    body = msgspec.json.encode({"message": message}) + b"\n"
    return Response(status=status, body=body, content_type="application/json")
