"""The tags of a repository."""

from bisect import bisect_right

from aiohttp.web_response import Response

from havre.registry.call import Call
from havre.registry.errors import NameUnknown
from havre.registry.handlers import answers

_MOST = 10_000


async def list_tags(call: Call) -> Response:
    """GET …/tags/list: in byte order, ``n`` of them behind ``last``."""
    count = answers.page_size(call, _MOST)
    last = call.query("last") or ""
    found = await call.registry.upstream.tags(call.repository)
    if found is not None:
        first = bisect_right(found, last)
        found = found[first : first + count + 1]
    else:
        found = await call.registry.catalog.tags(call.repository, last, count + 1)
    if found is None:
        raise NameUnknown("repository name not known to registry", detail={"name": call.repository})
    page = found[:count]
    headers = answers.next_page(call, page[-1], n=str(count)) if page and len(found) > count else {}
    return answers.json({"name": call.repository, "tags": page}, headers)
