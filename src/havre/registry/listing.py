"""Lists of repositories, which show nobody more than they may read."""

from havre.registry.call import Call

_PAGE = 1000


async def readable(call: Call, after: str, limit: int, containing: str = "") -> list[str]:
    """At most ``limit`` names of repositories that hold a manifest and that the client may read, behind ``after``, in
    byte order; with ``containing``, only those in which it stands."""
    registry = call.registry
    found: list[str] = []
    while len(found) < limit:
        page = await registry.catalog.repositories(after, _PAGE)
        found += [name for name in page if containing in name and registry.gate.may_read(call, name)]
        if len(page) < _PAGE:
            break
        after = page[-1]
    return found[:limit]
