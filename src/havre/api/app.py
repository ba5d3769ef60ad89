"""The door itself: every request comes in here, finds its route, and leaves as an answer or an error."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

from havre import __version__
from havre.api import errors, routes
from havre.api.call import Call
from havre.api.connection import Connection
from havre.api.router import Route, Router, check_version, prints_bodies, split_version
from havre.wire import versions

if TYPE_CHECKING:
    from havre.builder.doors import Builds
    from havre.engine import Engine

log = logging.getLogger(__name__)

# Sent with every answer, as dockerd does: clients negotiate on Api-Version and choose their look by the rest.
HEADERS = {
    "Api-Version": versions.MAX,
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"Docker/{__version__} (linux)",
}


class Request(BaseRequest):
    """A request whose response gets the headers every answer has."""

    async def _prepare_hook(self, resp: StreamResponse) -> None:
        resp.headers.update(HEADERS)


class Door(Server):
    """The HTTP server of the Engine API. ``daemon.serve`` gives it to the event loop as the factory of protocols."""

    def __init__(self, engine: "Engine", builds: "Builds") -> None:
        super().__init__(
            self._answer,
            request_factory=self._request,
            access_log=None,
            # Bodies are passed on as they are: an archive says by its own first bytes how it is compressed.
            auto_decompress=False,
            read_bufsize=256 * 1024,
            # Registry credentials and build options travel in headers and queries.
            max_line_size=64 * 1024,
            max_field_size=64 * 1024,
        )
        self._engine = engine
        self._builds = builds
        self._router = Router(routes.ALL)

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def end_streams(self) -> None:
        """Cancel what only serves its client: events, logs, waits would else go on for as long as the client stays."""
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.end_stream()

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Request:
        return Request(message, payload, protocol, writer, task, self._loop)

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        version, path = split_version(unquote(request.rel_url.raw_path))
        found = self._router.find(request.method, path)
        if found is None:
            return errors.error_response(404, "page not found")
        route, names = found
        what = f"{request.method} {request.rel_url.raw_path}"
        log.debug("calling %s", what)
        try:
            return await self._handle(route, request, version, names)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            response = errors.response_to(error, what)
            if request.writer.output_size > 0:
                raise
            return _plain(response, error) if prints_bodies(version) else response

    async def _handle(
        self, route: Route, request: BaseRequest, version: str | None, names: dict[str, str]
    ) -> StreamResponse:
        call = Call(request, self._engine, self._builds, check_version(version, route), names)
        if route.client_only and isinstance(request.protocol, Connection):
            request.protocol.serves_client_only = True
        if request.headers.get("Expect", "").lower() == "100-continue":
            # The client holds its body back until it is asked for.
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        return await route.handler(call)


def _plain(response: Response, error: Exception) -> Response:
    return Response(status=response.status, text=f"{errors.message_of(error)}\n")
