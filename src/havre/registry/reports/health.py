"""``/healthz``: whether the registry can do its work, for load balancers and supervisors."""

import asyncio
import logging
import shutil
from pathlib import Path

from aiohttp.web_response import Response

from havre.registry.call import Call
from havre.registry.handlers import answers

log = logging.getLogger(__name__)
_PATIENCE = 5


class Health:
    """Asks the catalog, and looks for room on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def page(self, call: Call) -> Response:
        """GET /healthz: 200, or 503 with what is wrong."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await call.registry.catalog.database.read(lambda connection: connection.execute("SELECT 1").fetchone())
            problem = "" if shutil.disk_usage(self._root).free else "the disk is full"
        except Exception as error:
            log.error("the registry is not healthy: %r", error)
            problem = "the catalog does not answer"
        if problem:
            response = answers.json({"status": "unhealthy", "problem": problem})
            response.set_status(503)
            return response
        return answers.json({"status": "ok"})
