"""The version probe, and the list of all repositories (Docker's, not OCI's)."""

from aiohttp.web_response import Response

from havre.registry import listing
from havre.registry.call import Call
from havre.registry.handlers import answers

_MOST = 1000


async def version(call: Call) -> Response:
    """GET /v2/: yes, this is a registry, and you are let in."""
    return answers.json({})


async def catalog(call: Call) -> Response:
    """GET /v2/_catalog: names of repositories the client may read, ``n`` of them behind ``last``."""
    count = answers.page_size(call, _MOST)
    found = await listing.readable(call, call.query("last") or "", count + 1)
    page = found[:count]
    headers = answers.next_page(call, page[-1], n=str(count)) if page and len(found) > count else {}
    return answers.json({"repositories": page}, headers)
