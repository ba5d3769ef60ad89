"""What may go wrong with a registry, as one exception inside this room, and its translation into Docker's words."""

from collections.abc import Callable
from http import HTTPStatus

import msgspec

from havre.errors import Forbidden, HavreError, NotFound, SystemFault, Unauthorized, Unavailable
from havre.lib.challenges import Challenge
from havre.lib.references import Reference


class RemoteFailure(Exception):
    """A registry, or the way to it, failed.

    ``code`` is the registry's error code in Docker's spelling ("manifest unknown") or "" when the failure is not the
    registry's word; ``transient`` says that the same request may succeed later, ``retry_after`` in how many seconds;
    ``cut`` that somebody was there, and the connection broke off.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        transient: bool = False,
        retry_after: float | None = None,
        cut: bool = False,
    ) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.status = status
        self.code = code
        self.transient = transient
        self.retry_after = retry_after
        self.cut = cut

    @property
    def text(self) -> str:
        return str(self)


def from_response(
    status: int, body: bytes, challenges: tuple[Challenge, ...] = (), retry_after: float | None = None
) -> RemoteFailure:
    """Read an error answer: the distribution protocol's ``errors`` list, a token server's ``details``, or neither."""
    transient = status in (408, 425, 429) or status >= 500
    code, message = _refusal(challenges) if status == HTTPStatus.UNAUTHORIZED else ("", "")
    if not code:
        code, message = _parse(status, body)
    return RemoteFailure(message, status=status, code=code, transient=transient, retry_after=retry_after)


def translated(failure: RemoteFailure, reference: Reference) -> HavreError:
    """The error a pull of ``reference`` ends with, in the words of dockerd (clients match on them)."""
    name, text = reference.familiar_name, failure.text
    if failure.code == "denied":
        return NotFound(
            f"pull access denied for {name}, repository does not exist or may require 'docker login': {text}"
        )
    if failure.code == "manifest unknown":
        return NotFound(f"manifest for {reference.familiar()} not found: {text}")
    if failure.code == "name unknown":
        return NotFound(f"repository {name} not found: {text}")
    return _by_status(failure, Forbidden)


def remote_refused(failure: RemoteFailure, refused: Callable[[str], HavreError] = Forbidden) -> HavreError:
    """The error of what says no more than the registry: a push, a look at what is there."""
    return _by_status(failure, refused)


def login_refused(failure: RemoteFailure) -> HavreError:
    """The error an attempt to log in ends with."""
    return _by_status(failure, Unauthorized)


def failed(failure: RemoteFailure) -> HavreError:
    """The error of a question that is neither a pull nor a login: what the registry refuses is a failure here."""
    return Unavailable(failure.text) if failure.transient else SystemFault(failure.text)


def _by_status(failure: RemoteFailure, refused: Callable[[str], HavreError]) -> HavreError:
    if failure.status in (401, 403):
        return refused(failure.text)
    if failure.status == 404:
        return NotFound(failure.text)
    if failure.transient:
        return Unavailable(failure.text)
    return SystemFault(failure.text)


class _Error(msgspec.Struct):
    code: str = "UNKNOWN"
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] | None = None
    details: str = ""


_PLAIN = {
    401: ("unauthorized", "authentication required"),
    403: ("denied", "requested access to the resource is denied"),
    429: ("toomanyrequests", "too many requests"),
}


def _parse(status: int, body: bytes) -> tuple[str, str]:
    try:
        found = msgspec.json.decode(body, type=_Errors)
    except (msgspec.MsgspecError, RecursionError):
        found = _Errors()
    if found.errors:
        first = found.errors[0]
        code = first.code.lower().replace("_", " ")
        return code, first.message or code
    if status in _PLAIN:
        code, message = _PLAIN[status]
        return code, found.details or message
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "unknown status"
    excerpt = body[:200].decode(errors="replace").strip()
    return "", f"received unexpected HTTP status: {status} {phrase}" + (f": {excerpt}" if excerpt else "")


def _refusal(challenges: tuple[Challenge, ...]) -> tuple[str, str]:
    # RFC 6750, section 3.1: the bearer challenge itself says why a token was refused. Docker Hub answers so for
    # repositories that do not exist.
    for challenge in challenges:
        description = challenge.parameters.get("error_description", "")
        match challenge.parameters.get("error"):
            case "insufficient_scope":
                return "denied", description or "requested access to the resource is denied"
            case "invalid_token":
                return "unauthorized", description or "authentication required"
    return "", ""
