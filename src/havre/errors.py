"""The error classes of havre, named by what the caller can do about them.

Every room raises these; each door (REST, CLI, registry) translates them once, in one table. This module imports
nothing, so that any room may use it.
"""


class HavreError(Exception):
    """The base of all errors havre raises on purpose. ``message`` is a sentence for the user and names the object."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidParameter(HavreError):
    """The request is malformed or contradicts itself: change it (HTTP 400)."""


class Unauthorized(HavreError):
    """Credentials are missing or wrong: log in (HTTP 401)."""


class Forbidden(HavreError):
    """The request is understood and refused: it will not be granted (HTTP 403)."""


class NotFound(HavreError):
    """The named object does not exist (HTTP 404)."""


class NotModified(HavreError):
    """The object already is as asked (HTTP 304, no body)."""


class Conflict(HavreError):
    """The object's present state forbids it: change that state first (HTTP 409)."""


class Unsupported(HavreError):
    """havre does not implement this yet; the message names the option (HTTP 501)."""


class Unavailable(HavreError):
    """Something outside (registry, host port, kernel feature) is out of reach now: try again later (HTTP 503)."""


class SystemFault(HavreError):
    """The engine or the host failed in a way the caller cannot mend (HTTP 500)."""


class StartFailed(HavreError):
    """The runtime could not start the process. ``exit_code`` is Docker's: 126 not executable, 127 not found,
    else 128.
    """

    def __init__(self, message: str, exit_code: int = 128) -> None:
        super().__init__(message)
        self.exit_code = exit_code
