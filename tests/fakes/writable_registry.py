"""A ``FakeRegistry`` that takes pushes: blobs belong to repositories, uploads have sessions that can be broken.

``break_uploads`` lists after how many bytes the next PATCH requests lose their connection; what they brought is kept
unless ``forgetful``. The next ``speechless`` questions how far an upload is, and the next ``mute_ends`` ends of
uploads in several requests, get no answer. ``upload_host`` sends uploads to another host.
"""

import asyncio

from aiohttp import web

from tests.fakes.registry import FakeRegistry, digest, refusal


class WritableRegistry(FakeRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.members: set[tuple[str, str]] = set()
        self.sessions: dict[str, bytearray] = {}
        self.break_uploads: list[int] = []
        self.forgetful = False
        self.losing = False
        self.speechless = 0
        self.mute_ends = 0
        self.upload_host = ""
        self.refuse_mounts = False
        self.received = 0
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if "/blobs/" not in request.path and request.method != "PUT":
            return await super()._answer(request)
        if not self._allowed(request):
            return self._challenge()
        repository, _, rest = request.path.removeprefix("/v2/").partition("/blobs/")
        if request.method == "HEAD" and rest.startswith("sha256:"):
            return web.Response(status=200 if (repository, rest) in self.members else 404)
        if rest == "uploads/" and request.method == "POST":
            return self._begin(request, repository)
        if rest.startswith("uploads/"):
            return await self._upload(request, repository, rest.removeprefix("uploads/"))
        if "/manifests/" in request.path:
            return await self._put_manifest(request)
        return await super()._answer(request)

    def _begin(self, request: web.Request, repository: str) -> web.StreamResponse:
        if self.refuse_mounts and "mount" in request.query:
            return refusal(403, "DENIED", "requested access to the resource is denied")
        wanted = (request.query.get("from", ""), request.query.get("mount", ""))
        if wanted in self.members:
            self.members.add((repository, wanted[1]))
            return web.Response(status=201)
        name = f"session-{len(self.sessions)}"
        self.sessions[name] = bytearray()
        return web.Response(status=202, headers={"Location": self._where(repository, name)})

    def _where(self, repository: str, name: str) -> str:
        return f"{self.upload_host}/v2/{repository}/blobs/uploads/{name}?state={len(self.sessions[name])}"

    async def _upload(self, request: web.Request, repository: str, name: str) -> web.StreamResponse:
        if self.speechless and request.method == "GET":
            self.speechless -= 1
            return web.Response(status=503)
        if self.losing and request.method == "GET":
            self.losing = False
            self.sessions.pop(name, None)
        if name not in self.sessions:
            return refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        held = self.sessions[name]
        if request.method == "GET":
            return self._state(204, repository, name)
        said = request.headers.get("Content-Range")
        if said is not None and int(said.partition("-")[0]) != len(held):
            return refusal(416, "RANGE_INVALID", "invalid content range")
        if not await self._take(request, held):
            return web.Response(status=500)
        if request.method == "PATCH":
            return self._state(202, repository, name)
        data, wanted = bytes(held), request.query["digest"]
        del self.sessions[name]
        if digest(data) != wanted:
            return refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blobs[wanted] = data
        self.members.add((repository, wanted))
        if self.mute_ends and not request.content_length:
            self.mute_ends -= 1
            return web.Response(status=503)
        return web.Response(status=201, headers={"Docker-Content-Digest": wanted})

    async def _take(self, request: web.Request, held: bytearray) -> bool:
        limit = self.break_uploads.pop(0) if request.method == "PATCH" and self.break_uploads else None
        before = bytes(held)
        taken = 0
        async for piece in request.content.iter_any():
            room = len(piece) if limit is None else limit - taken
            held += piece[:room]
            taken += len(piece[:room])
            self.received += len(piece[:room])
            if limit is not None and taken >= limit:
                if self.forgetful:
                    held[:] = before
                if self.hold is not None:
                    self.held.set()
                    await self.hold.wait()
                assert request.transport is not None
                request.transport.abort()
                return False
        return True

    def _state(self, status: int, repository: str, name: str) -> web.StreamResponse:
        size = len(self.sessions[name])
        headers = {"Location": self._where(repository, name), "Range": f"0-{max(0, size - 1)}"}
        return web.Response(status=status, headers=headers)

    async def _put_manifest(self, request: web.Request) -> web.StreamResponse:
        repository, _, reference = request.path.removeprefix("/v2/").partition("/manifests/")
        body = await request.read()
        self.add_manifest(repository, reference if ":" not in reference else None, body, request.content_type)
        return web.Response(status=201, headers={"Docker-Content-Digest": digest(body)})
