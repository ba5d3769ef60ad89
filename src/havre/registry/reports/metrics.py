"""``/metrics``: what Prometheus reads. Labels are few and bounded: no client can make new ones."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from aiohttp.web_response import Response

from havre.registry.app import Registry
from havre.registry.call import Call
from havre.registry.reports.exposition import CONTENT_TYPE, Counter, Gauge, Histogram
from havre.registry.seams import Event
from havre.store.db import Connection

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_ROUTES = frozenset({"manifests", "blobs", "uploads", "referrers", "tags"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
# Counting what is stored reads whole tables.
_CONTENT_SECONDS = 60.0
_CONTENT = """
    SELECT (SELECT count(*) FROM repositories r WHERE EXISTS (SELECT 1 FROM manifests WHERE repository = r.id)),
           (SELECT count(*) FROM tags), (SELECT count(*) FROM bodies), (SELECT count(DISTINCT digest) FROM blobs),
           (SELECT coalesce(sum(size), 0) FROM (SELECT DISTINCT digest, size FROM blobs)),
           (SELECT count(*) FROM uploads)
"""
_CONTENT_NAMES = ("repositories", "tags", "manifests", "blobs", "blob_bytes", "uploads")

Metric = Counter | Gauge | Histogram


class Metrics:
    """An observer of the registry, and the page that shows what it has seen; ``more`` are others' metrics."""

    def __init__(self, registry: Registry, root: Path, more: Sequence[Metric] = ()) -> None:
        self._registry = registry
        self._content: Mapping[str, float] = {}
        self._content_until = 0.0
        # Two scrapes at once count what is stored once.
        self._counting = asyncio.Lock()
        self._requests = Counter("havre_registry_requests_total", "Requests answered.", ("method", "route", "code"))
        self._seconds = Histogram(
            "havre_registry_request_duration_seconds",
            "Time until a request was answered.",
            _SECONDS,
            ("method", "route"),
        )
        self._sent = Counter("havre_registry_sent_bytes_total", "Bytes of answers.", ("route",))
        self._received = Counter("havre_registry_received_bytes_total", "Bytes of requests' bodies.", ("route",))
        self._events = Counter("havre_registry_events_total", "What happened to content.", ("happening", "kind"))
        self._all: tuple[Metric, ...] = (
            *(self._requests, self._seconds, self._sent, self._received, self._events, *more),
            _gauge("havre_registry_in_flight_requests", "Requests being answered.", lambda: registry.in_flight),
            *(self._content_gauge(name) for name in _CONTENT_NAMES),
            _gauge(
                "havre_registry_disk_free_bytes", "Room left where the root is.", lambda: shutil.disk_usage(root).free
            ),
            _gauge("process_resident_memory_bytes", "Resident memory.", _resident),
            _gauge("process_cpu_seconds_total", "Time on processors.", time.process_time),
            _gauge("process_open_fds", "Open descriptors.", lambda: len(os.listdir("/proc/self/fd"))),
        )

    def told(self, event: Event) -> None:
        """Count what happened."""
        self._events.add(1, event.happening, event.kind)

    def answered(self, call: Call, status: int, sent: int, seconds: float) -> None:
        """Count a request."""
        method = call.method if call.method in _METHODS else "other"
        route = _route(call)
        self._requests.add(1, method, route, str(status))
        self._seconds.observe(seconds, method, route)
        self._sent.add(sent, route)
        if received := call.request.content.total_bytes:
            self._received.add(received, route)

    async def page(self, call: Call) -> Response:
        """GET /metrics."""
        await self._count_content()
        return Response(
            body="".join(f"{line}\n" for line in self._lines()).encode(), headers={"Content-Type": CONTENT_TYPE}
        )

    def _lines(self) -> Iterator[str]:
        for metric in self._all:
            yield from metric.lines()

    def _content_gauge(self, name: str) -> Gauge:
        text = f"Stored in the registry: {name.replace('_', ' ')}."
        return _gauge(f"havre_registry_{name}", text, lambda: self._content.get(name, 0))

    async def _count_content(self) -> None:
        async with self._counting:
            if time.monotonic() < self._content_until:
                return
            self._content = await self._registry.catalog.database.read(_read_content)
            self._content_until = time.monotonic() + _CONTENT_SECONDS


def _read_content(connection: Connection) -> Mapping[str, float]:
    return dict(zip(_CONTENT_NAMES, connection.execute(_CONTENT).fetchone(), strict=True))


def _route(call: Call) -> str:
    if not call.repository:
        return call.action if call.request.path.startswith("/v2") else "page"
    # …/manifests/<reference>, …/blobs/uploads/<upload>, …/tags/list
    kind = call.request.path.rsplit("/", 2)[-2]
    return kind if kind in _ROUTES else "other"


def _gauge(name: str, text: str, read: Callable[[], float]) -> Gauge:
    return Gauge(name, text, lambda: {(): read()})


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
