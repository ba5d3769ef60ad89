"""Every endpoint of the distribution protocol, in one table: method and kind of resource → what it wants, who does it.

A path is ``/v2/<repository>/<kind>/<reference>``; only the last kind in it counts, because a repository may be called
``a/blobs/b``. Pages that others add (``Registry.add``) are looked up by their whole path.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp.web_response import StreamResponse

from havre.registry.call import Call
from havre.registry.handlers import blobs, manifests, repositories, tags, uploads
from havre.registry.seams import Action

Handler = Callable[[Call], Awaitable[StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: what a request to it wants, and its handler."""

    action: Action
    handler: Handler


@dataclass(frozen=True, slots=True)
class Found:
    """A route, and the names in the path as they stand there."""

    route: Route
    repository: str = ""
    reference: str = ""


_PATH = re.compile(r"/v2/(.+)/(?:(manifests|blobs|referrers)/([^/]+)|(tags)/(list)|blobs/(uploads)/([^/]*))", re.DOTALL)

_FIXED: dict[tuple[str, str], Route] = {
    ("GET", "/v2/"): Route("open", repositories.version),
    ("HEAD", "/v2/"): Route("open", repositories.version),
    ("GET", "/v2"): Route("open", repositories.version),
    ("GET", "/v2/_catalog"): Route("catalog", repositories.catalog),
}

_NAMED: dict[tuple[str, str], Route] = {
    ("GET", "blobs"): Route("pull", blobs.get),
    ("HEAD", "blobs"): Route("pull", blobs.get),
    ("DELETE", "blobs"): Route("delete", blobs.delete),
    ("GET", "manifests"): Route("pull", manifests.get),
    ("HEAD", "manifests"): Route("pull", manifests.get),
    ("PUT", "manifests"): Route("push", manifests.put),
    ("DELETE", "manifests"): Route("delete", manifests.delete),
    ("GET", "tags"): Route("pull", tags.list_tags),
    ("GET", "referrers"): Route("pull", manifests.referrers),
    ("POST", "uploads"): Route("push", uploads.begin),
    ("GET", "uploads"): Route("push", uploads.status),
    ("HEAD", "uploads"): Route("push", uploads.status),
    ("PATCH", "uploads"): Route("push", uploads.append),
    ("PUT", "uploads"): Route("push", uploads.finish),
    ("DELETE", "uploads"): Route("push", uploads.drop),
}


class Routes:
    """The table, and what was added to it."""

    def __init__(self) -> None:
        self._fixed = dict(_FIXED)
        self._below: dict[tuple[str, str], Route] = {}

    def add(self, method: str, path: str, handler: Handler, action: Action) -> None:
        """Add a page. A ``path`` that ends in ``/*`` has all pages below it; what the star stands for is the call's
        ``reference``."""
        if path.endswith("/*"):
            self._below[method, path[:-1]] = Route(action, handler)
        else:
            self._fixed[method, path] = Route(action, handler)

    def find(self, method: str, path: str) -> Found | None:
        """The route of the decoded ``path``; None when there is none."""
        named = _PATH.fullmatch(path)
        if named is not None:
            repository, kind, reference, tags_kind, listed, uploads_kind, upload = named.groups()
            route = _NAMED.get((method, kind or tags_kind or uploads_kind))
            return Found(route, repository, reference or listed or upload) if route is not None else None
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return Found(fixed)
        for (verb, prefix), route in self._below.items():
            if verb == method and path.startswith(prefix):
                return Found(route, reference=path[len(prefix) :])
        return None

    def methods(self, path: str) -> list[str]:
        """The methods that ``path`` knows."""
        return [method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") if self.find(method, path)]
