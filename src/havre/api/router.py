"""From a request line to a route: the version in front of the path, then the first route that matches."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp.web_response import StreamResponse

from havre.api.call import Call
from havre.errors import InvalidParameter
from havre.wire import versions

Handler = Callable[[Call], Awaitable[StreamResponse]]
Version = tuple[int, ...]

CLIENT_ONLY: Final = True
NEWEST: Version = versions.parse(versions.MAX)
OLDEST: Version = versions.parse(versions.MIN)

_ANY = "{name}"
_PREFIX = re.compile(r"/v([0-9.]+)(/.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. ``client_only`` handlers are cancelled when their client goes."""

    method: str
    path: str
    handler: Handler
    client_only: bool = False
    since: Version = OLDEST


def get(path: str, handler: Handler, client_only: bool = False, *, since: Version = OLDEST) -> Route:
    return Route("GET", path, handler, client_only, since)


def head(path: str, handler: Handler, client_only: bool = False, *, since: Version = OLDEST) -> Route:
    return Route("HEAD", path, handler, client_only, since)


def options(path: str, handler: Handler) -> Route:
    return Route("OPTIONS", path, handler)


def post(path: str, handler: Handler, client_only: bool = False, *, since: Version = OLDEST) -> Route:
    return Route("POST", path, handler, client_only, since)


def put(path: str, handler: Handler, client_only: bool = False, *, since: Version = OLDEST) -> Route:
    return Route("PUT", path, handler, client_only, since)


def delete(path: str, handler: Handler, client_only: bool = False, *, since: Version = OLDEST) -> Route:
    return Route("DELETE", path, handler, client_only, since)


class Router:
    """Finds routes: fixed paths by a dictionary, paths with names by their patterns in the order of the table."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[tuple[str, str], Route] = {}
        self._named: dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            if "{" in route.path:
                self._named.setdefault((route.method, _first_part(route.path)), []).append(
                    (_pattern(route.path), route)
                )
            else:
                self._fixed.setdefault((route.method, route.path), route)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of ``path`` (decoded, without version) and the names in it, or None."""
        if (route := self._fixed.get((method, path))) is not None:
            return route, {}
        named = self._named
        for pattern, route in (*named.get((method, _first_part(path)), ()), *named.get((method, _ANY), ())):
            if (match := pattern.fullmatch(path)) is not None:
                return route, match.groupdict()
        return None


def split_version(path: str) -> tuple[str | None, str]:
    """``/v1.43/info`` → (``1.43``, ``/info``); without a version (None, path)."""
    match = _PREFIX.fullmatch(path)
    return (match[1], match[2]) if match else (None, path)


def check_version(given: str | None, route: Route) -> Version:
    """The version to answer in: the one asked for, else the newest. ``InvalidParameter`` outside the range."""
    if given is None:
        return NEWEST
    version = _numbers(given)
    if version < OLDEST:
        raise InvalidParameter(
            f"client version {given} is too old. Minimum supported API version is {versions.MIN}, "
            "please upgrade your client to a newer version"
        )
    if version > NEWEST:
        raise InvalidParameter(f"client version {given} is too new. Maximum supported API version is {versions.MAX}")
    if version < route.since:
        needed = ".".join(map(str, route.since))
        raise InvalidParameter(f"{route.method} {route.path} requires minimum API version {needed}")
    return version


def prints_bodies(given: str | None) -> bool:
    """Whether a client of this version shows the body of an error as it is: those before 1.24 do."""
    return given is not None and _numbers(given) < OLDEST


def _numbers(version: str) -> Version:
    return tuple(int(part[:9] or "0") for part in version.split("."))


def _first_part(path: str) -> str:
    return path[1:].partition("/")[0]


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.*)", re.escape(path)), re.DOTALL)
