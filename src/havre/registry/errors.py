"""What the registry refuses, in the distribution-spec's codes, and the one table from errors to answers.

The body of every error is ``{"errors": [{"code", "message", "detail"}]}``. Handlers raise the classes below; what other
rooms raise becomes an answer in ``response_to``.
"""

import errno
import logging
import os
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from aiohttp.web_response import Response

from havre.errors import HavreError, InvalidParameter, NotFound, SystemFault, Unavailable

log = logging.getLogger(__name__)


class Refusal(HavreError):
    """A request that is refused. ``detail`` is any JSON for programs, ``headers`` go out with the answer."""

    code: ClassVar[str] = "UNSUPPORTED"
    status: ClassVar[int] = 405

    def __init__(self, message: str, *, detail: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.detail = detail
        self.headers = dict(headers or {})


class Unsupported(Refusal):
    """This registry does not do that."""


class PageUnknown(Refusal):
    """There is nothing at this path."""

    code, status = "NOT_FOUND", 404


class BlobUnknown(Refusal):
    """No such blob in this repository."""

    code, status = "BLOB_UNKNOWN", 404


class UploadInvalid(Refusal):
    """The upload request is malformed."""

    code, status = "BLOB_UPLOAD_INVALID", 400


class UploadOutOfStep(UploadInvalid):
    """The chunk does not begin where the upload stands; ``headers`` say where that is."""

    status = 416


class UploadUnknown(Refusal):
    """No such upload session in this repository: begin again."""

    code, status = "BLOB_UPLOAD_UNKNOWN", 404


class DigestInvalid(Refusal):
    """What was given is no digest, or not that of the content."""

    code, status = "DIGEST_INVALID", 400


class ManifestBlobUnknown(Refusal):
    """The manifest names what is not stored in its repository."""

    code, status = "MANIFEST_BLOB_UNKNOWN", 404


class ManifestInvalid(Refusal):
    """The manifest does not parse, or contradicts itself."""

    code, status = "MANIFEST_INVALID", 400


class ManifestTooLarge(ManifestInvalid):
    """The manifest is larger than any may be."""

    status = 413


class ManifestUnknown(Refusal):
    """No such manifest or tag in this repository."""

    code, status = "MANIFEST_UNKNOWN", 404


class NameInvalid(Refusal):
    """The repository's name breaks the rule for names."""

    code, status = "NAME_INVALID", 400


class NameUnknown(Refusal):
    """No such repository."""

    code, status = "NAME_UNKNOWN", 404


class SizeInvalid(Refusal):
    """The length that was promised is not that of the content."""

    code, status = "SIZE_INVALID", 400


class PaginationInvalid(Refusal):
    """The number of results asked for is no number."""

    code, status = "PAGINATION_NUMBER_INVALID", 400


class Unauthorized(Refusal):
    """Credentials are needed, or were wrong. ``challenge`` is the WWW-Authenticate header: how to get in."""

    code, status = "UNAUTHORIZED", 401

    def __init__(self, message: str, challenge: str, *, detail: Any = None) -> None:
        super().__init__(message, detail=detail, headers={"WWW-Authenticate": challenge})


class TokenRequestInvalid(Refusal):
    """A token was asked for in a way that makes no sense."""

    code, status = "UNKNOWN", 400


class Denied(Refusal):
    """The credentials, or the quota, do not allow this."""

    code, status = "DENIED", 403


class InUse(Denied):
    """What is to be deleted is part of a manifest that stays."""

    status = 405


class TooManyRequests(Refusal):
    """The rate limit is reached: try again after ``seconds``."""

    code, status = "TOOMANYREQUESTS", 429

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message, headers={"Retry-After": str(seconds)})


class TooSlow(UploadInvalid):
    """The client has not sent anything for a long time; what it did send is kept."""

    status = 408


# What other rooms raise, and a client can do something about.
_OTHERS: dict[type[HavreError], tuple[int, str]] = {
    NotFound: (404, "UNKNOWN"),
    InvalidParameter: (400, "UNKNOWN"),
    Unavailable: (503, "UNAVAILABLE"),
    SystemFault: (500, "UNKNOWN"),
}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def response_to(error: Exception, what: str) -> Response:
    """The answer to the request ``what`` that ended in ``error``; accidents are logged with their trace."""
    if isinstance(error, Refusal):
        return error_response(error.status, error.code, error.message, error.detail, error.headers)
    if isinstance(error, HavreError):
        status, code = next((_OTHERS[kind] for kind in type(error).__mro__ if kind in _OTHERS), (500, "UNKNOWN"))
        if status >= 500:
            log.error("%s: %s", what, error.message)
        return error_response(status, code, error.message)
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        log.error("%s: %s", what, error)
        return error_response(507, "UNKNOWN", os.strerror(error.errno).lower())
    log.error("%s failed", what, exc_info=error)
    return error_response(500, "UNKNOWN", "internal error")


def error_response(
    status: int, code: str, message: str, detail: Any = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A response in the shape of every error."""
    fault = {"code": code, "message": message}
    body = msgspec.json.encode({"errors": [fault if detail is None else {**fault, "detail": detail}]})
    return Response(status=status, body=body + b"\n", content_type="application/json", headers=headers)
