"""What ``docker search HOST/TERM`` asks: the ping and the search of the registry's first protocol."""

import re

from aiohttp.web_response import Response

from havre.registry import listing
from havre.registry.access.gate import AccessGate
from havre.registry.call import Call
from havre.registry.handlers import answers

_NUMBER = re.compile("[0-9]{1,6}")
_MOST = 100
_USUAL = 25


class Search:
    """``/v1/_ping`` and ``/v1/search``."""

    def __init__(self, gate: AccessGate) -> None:
        self._gate = gate

    async def ping(self, call: Call) -> Response:
        """GET /v1/_ping. "Standalone" lets Docker send names and passwords here itself."""
        headers = {"X-Docker-Registry-Version": "0.6.0", "X-Docker-Registry-Standalone": "true"}
        return answers.json({"standalone": True, "version": "0.6.0"}, headers)

    async def search(self, call: Call) -> Response:
        """GET /v1/search?q=…&n=…: names the reader may pull from in which it stands."""
        call.identity = await self._gate.admit(call, "catalog", None)
        query = (call.query("q") or "")[:255]
        count = _NUMBER.fullmatch(call.query("n") or "")
        limit = min(int(count[0]), _MOST) if count else _USUAL
        found = await listing.readable(call, "", limit, query.strip().lower())
        results = [
            {"name": name, "description": "", "star_count": 0, "is_official": False, "is_automated": False}
            for name in found
        ]
        return answers.json({"query": query, "num_results": len(results), "results": results})
