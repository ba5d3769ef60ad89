"""A registry in memory that misbehaves on request: what Debian's real one never does, and the internet's do every day.

``FakeRegistry`` serves the reading half of the distribution protocol on a free loopback port. ``fail`` lays faults (of
``registry_faults``) over the next requests whose path holds a given word; ``credentials`` and ``token_realm`` make it
ask for authentication. ``found`` is what a search gives.
"""

import asyncio
import base64
import gzip
import hashlib
import io
import json
import queue
import ssl
import tarfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Answer = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Answer], Awaitable[web.StreamResponse]]


def digest(data: bytes) -> str:
    """``sha256:<hex>``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Seen:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FakeImage:
    """An image the registry serves: digests of its manifest, config and layers (as compressed blobs)."""

    manifest: str
    config: str
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...]


def layer_tar(*files: tuple[str, bytes]) -> bytes:
    """A plain tar with ``files``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class FakeRegistry:
    """One server. ``host`` is ``127.0.0.1:<port>``; everything else may be changed between requests."""

    def __init__(self) -> None:
        self.host = ""
        self.loop = asyncio.get_running_loop()
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.requests: list[Seen] = []
        self.credentials: tuple[str, str] | None = None
        self.identity_token = ""
        self.refresh_token = ""
        self.token_realm: str | None = None
        self.tokens: set[str] = set()
        self.tag_page = 100
        self.found: list[dict[str, Any]] = []
        self._faults: list[tuple[str, Fault, int]] = []

    def fail(self, word: str, fault: Fault, times: int = 1) -> None:
        """Answer the next ``times`` requests whose path holds ``word`` with ``fault``."""
        self._faults.append((word, fault, times))

    def asked(self, word: str) -> list[Seen]:
        """The requests so far whose path holds ``word``."""
        return [seen for seen in self.requests if word in seen.path]

    def ask_for_token(self) -> None:
        """From now on, want a bearer token from this server's own ``/token``."""
        self.token_realm = f"http://{self.host}/token"

    def add_blob(self, data: bytes) -> str:
        self.blobs[digest(data)] = data
        return digest(data)

    def add_manifest(self, repository: str, tag: str | None, body: Any, media_type: str = OCI_MANIFEST) -> str:
        """Serve a manifest under its digest and, unless None, under ``tag``; ``body`` is bytes or becomes JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        for name in filter(None, (tag, digest(data))):
            self.manifests[repository, name] = (data, media_type)
        return digest(data)

    def add_image(
        self,
        repository: str,
        tag: str | None,
        *layers: bytes,
        config: dict[str, Any] | None = None,
        manifest: dict[str, Any] | None = None,
    ) -> FakeImage:
        """Serve an image of plain tars; ``config`` and ``manifest`` overlay what is made of them."""
        blobs = [gzip.compress(layer, 6, mtime=0) for layer in layers]
        diff_ids = tuple(digest(layer) for layer in layers)
        settings = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            **(config or {}),
        }
        data = json.dumps(settings).encode()
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": self.add_blob(data), "size": len(data)},
            "layers": [{"mediaType": OCI_LAYER, "digest": self.add_blob(blob), "size": len(blob)} for blob in blobs],
            **(manifest or {}),
        }
        made = self.add_manifest(repository, tag, document, document["mediaType"])
        return FakeImage(made, digest(data), tuple(digest(blob) for blob in blobs), diff_ids)

    def add_index(self, repository: str, tag: str, entries: dict[str, str]) -> str:
        """Serve an index over manifests that are served already: ``{"linux/arm64/v8": "sha256:…"}``."""
        manifests = []
        for platform, entry in entries.items():
            system, architecture, *variant = platform.split("/")
            described = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
            body, media_type = self.manifests[repository, entry]
            manifests.append({"mediaType": media_type, "digest": entry, "size": len(body), "platform": described})
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
        return self.add_manifest(repository, tag, index, OCI_INDEX)

    # -- answering ----------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(Seen(request.method, str(request.rel_url), dict(request.headers), form))
        for number, (word, fault, times) in enumerate(self._faults):
            if word in request.path:
                if times > 1:
                    self._faults[number] = (word, fault, times - 1)
                else:
                    del self._faults[number]
                return await fault(request, lambda: self._answer(request))
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return await self._token(request)
        if not self._allowed(request):
            return self._challenge()
        if request.path == "/v1/search":
            return web.json_response({"num_results": len(self.found), "results": self.found})
        match request.path.removeprefix("/v2/").rsplit("/", 2):
            case [""]:
                return web.json_response({})
            case [repository, "manifests", name] if (repository, name) in self.manifests:
                body, media_type = self.manifests[repository, name]
                headers = {"Content-Type": media_type, "Docker-Content-Digest": digest(body)}
                return web.Response(body=body, headers=headers)
            case [_, "manifests", _]:
                return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
            case [_, "blobs", name] if name in self.blobs:
                return self._blob(request, self.blobs[name])
            case [_, "blobs", _]:
                return refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")
            case [repository, "tags", "list"]:
                return self._tags(request, repository)
        return web.Response(status=404)

    def _blob(self, request: web.Request, data: bytes) -> web.StreamResponse:
        span = request.headers.get("Range")
        if span is None:
            return web.Response(body=data)
        start = int(span.removeprefix("bytes=").partition("-")[0])
        if start >= len(data):
            return web.Response(status=416)
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return web.Response(status=206, body=data[start:], headers=headers)

    def _tags(self, request: web.Request, repository: str) -> web.StreamResponse:
        tags = sorted(name for where, name in self.manifests if where == repository and ":" not in name)
        if not tags:
            return refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
        last = request.query.get("last", "")
        page = [tag for tag in tags if tag > last][: self.tag_page]
        headers = {}
        if page and page[-1] != tags[-1]:
            headers["Link"] = f'</v2/{repository}/tags/list?n={self.tag_page}&last={page[-1]}>; rel="next"'
        return web.json_response({"name": repository, "tags": page}, headers=headers)

    # -- authentication -----------------------------------------------------------------------------------------------

    def _allowed(self, request: web.Request) -> bool:
        sent = request.headers.get("Authorization", "")
        if self.token_realm is not None:
            return sent.removeprefix("Bearer ") in self.tokens
        return self.credentials is None or sent == self._basic()

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(":".join(self.credentials or ()).encode()).decode()

    def _challenge(self) -> web.StreamResponse:
        challenge = 'Basic realm="fake"'
        if self.token_realm is not None:
            challenge = f'Bearer realm="{self.token_realm}",service="fake",scope="ignored"'
        return refusal(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})

    async def _token(self, request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            granted = (await request.post()).get("refresh_token") == self.identity_token != ""
        else:
            sent = request.headers.get("Authorization", "")
            granted = self.credentials is None or sent == self._basic()
        if not granted:
            return web.json_response({"details": "incorrect username or password"}, status=401)
        token = f"token-{len(self.asked('/token'))}"
        self.tokens.add(token)
        answer: dict[str, Any] = {"token": token, "expires_in": 300}
        if request.query.get("offline_token") == "true" and self.refresh_token:
            answer["refresh_token"] = self.refresh_token
        return web.json_response(answer)


R = TypeVar("R", bound=FakeRegistry)


@contextmanager
def serving_aside() -> Iterator[FakeRegistry]:
    """``serving`` for tests without an event loop: in a thread of its own. ``loop`` is the registry's."""
    started: queue.Queue[tuple[FakeRegistry, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        async with serving() as registry:
            end = asyncio.Event()
            started.put((registry, end))
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    registry, end = started.get()
    try:
        yield registry
    finally:
        registry.loop.call_soon_threadsafe(end.set)
        thread.join()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None, kind: type[R] = FakeRegistry) -> AsyncIterator[R]:  # type: ignore[assignment]
    """A registry that answers until the end of the block."""
    registry = kind()
    application = web.Application(client_max_size=1 << 20)
    application.router.add_route("*", "/{path:.*}", registry.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    registry.host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield registry
    finally:
        await runner.cleanup()


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error as the distribution protocol words it."""
    return web.json_response({"errors": [{"code": code, "message": message}]}, status=status, headers=headers)
