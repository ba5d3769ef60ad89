"""The registry itself: every request comes in here, passes the gate, finds its handler, and leaves as an answer."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from havre import __version__
from havre.lib.turns import Turns
from havre.registry import errors, names
from havre.registry.call import Call
from havre.registry.catalog import Catalog
from havre.registry.connection import Connection
from havre.registry.errors import Refusal
from havre.registry.routes import Handler, Routes
from havre.registry.seams import (
    Action,
    Gate,
    NoQuota,
    NoUpstream,
    Observer,
    OpenGate,
    Quota,
    Upstream,
)
from havre.registry.storage import ContentStorage
from havre.registry.upkeep.leases import Leases
from havre.registry.uploads import Uploads

log = logging.getLogger(__name__)

# By this older clients know that the server speaks the second version of the protocol.
VERSION_HEADERS = {"Docker-Distribution-Api-Version": "registry/2.0", "Server": f"havre-registry/{__version__}"}
# A connection on which no request begins, or one does not get its head together, for so long is closed (seconds).
_IDLE = 75.0
# What a client still sends behind a refusal is read for so long: it would not hear of it else (seconds).
_LINGER = 10.0


class Registry:
    """The parts of one registry. ``assemble`` makes it; policy and the life of content replace the parts that are
    attributes here, and add pages."""

    def __init__(self, catalog: Catalog, storage: ContentStorage) -> None:
        self.catalog = catalog
        self.storage = storage
        # Of digests. Whoever gives a blob to a repository has its turn from the moment it finds the blob stored until
        # the catalog says so; whoever removes one from the storage, from the moment it finds that nobody has it.
        self.turns = Turns()
        self.leases = Leases(0)
        self.uploads = Uploads(catalog, storage, self.turns)
        self.gate: Gate = OpenGate()
        self.upstream: Upstream = NoUpstream()
        self.quota: Quota = NoQuota()
        self.observers: list[Observer] = []
        self.routes = Routes()
        self.in_flight = 0

    def add(self, method: str, path: str, handler: Handler, action: Action = "open") -> None:
        """Add a page: ``/metrics``, or ``/ui/*`` for all below ``/ui/``. The gate is asked for ``action`` first."""
        self.routes.add(method, path, handler, action)

    async def answer(self, request: BaseRequest) -> StreamResponse:
        """Answer one request. Only what cannot be answered any more is raised."""
        call = Call(request, self)
        begun = time.monotonic()
        status = 499
        response: StreamResponse | None = None
        self.in_flight += 1
        try:
            response = await self._answer(call)
            status = response.status
            return response
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            response = errors.response_to(error, f"{request.method} {request.rel_url.raw_path}")
            status = response.status
            if request.writer.output_size > 0:
                # The head is out and cannot be taken back: an end before its time is what tells the client.
                raise ConnectionAbortedError("failed in the middle of a response") from error
            return response
        finally:
            self.in_flight -= 1
            _note_headers(call)
            for observer in self.observers:
                observer.answered(call, status, _sent(request, response), time.monotonic() - begun)

    async def _answer(self, call: Call) -> StreamResponse:
        request = call.request
        path = unquote(request.rel_url.raw_path)
        found = self.routes.find(request.method, path)
        if found is None:
            raise self._nowhere(path)
        call.action = found.route.action
        call.reference = found.reference
        if found.repository:
            name = names.repository(found.repository)
            call.repository = await self.upstream.localized(call, name)
        call.identity = await self.gate.admit(call, call.action, call.repository or None)
        _note_headers(call)
        if call.action == "push":
            self.upstream.refuse_push(call.repository)
        if request.headers.get("Expect", "").lower() == "100-continue":
            # The client holds its body back until it is asked for.
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        return await found.route.handler(call)

    def _nowhere(self, path: str) -> Refusal:
        allowed = self.routes.methods(path)
        if allowed:
            return errors.Unsupported("the operation is unsupported", headers={"Allow": ", ".join(allowed)})
        return errors.PageUnknown("no such page")


def _note_headers(call: Call) -> None:
    if isinstance(call.request, _Request):
        call.request.answer_headers = call.answer_headers


def _sent(request: BaseRequest, response: StreamResponse | None) -> int:
    """The bytes of the answer; one that is whole in memory goes out after the handler has returned it."""
    if response is None or response.prepared:
        return request.writer.output_size
    return 0 if request.method == "HEAD" else response.content_length or 0


class _Request(BaseRequest):
    ATTRS = BaseRequest.ATTRS | frozenset({"answer_headers"})
    # Those of its call: a request that knew the call, which knows it, would be garbage only a collector finds.
    answer_headers: Mapping[str, str] | None = None

    async def _prepare_hook(self, resp: StreamResponse) -> None:
        resp.headers.update(VERSION_HEADERS)
        if self.answer_headers:
            resp.headers.update(self.answer_headers)


class Door(Server):
    """The HTTP server of a registry: ``serve`` gives it to the event loop as the factory of protocols."""

    def __init__(self, registry: Registry, idle: float = _IDLE) -> None:
        super().__init__(
            registry.answer,
            request_factory=self._request,
            access_log=None,
            # Blobs are stored as they are sent, whatever Content-Encoding says.
            auto_decompress=False,
            read_bufsize=128 * 1024,
            keepalive_timeout=idle,
            lingering_time=min(idle, _LINGER),
            # Tokens travel in one header.
            max_field_size=32 * 1024,
        )

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> _Request:
        return _Request(message, payload, protocol, writer, task, self._loop)
