"""moby.buildkit.v1.frontend.LLBBridge: buildx has the daemon build from a function of its own, and that function calls
these.
"""

import base64
import json
from dataclasses import dataclass, replace

from havre.builder.build import Builder, Solved
from havre.builder.buildkit import statuses
from havre.builder.buildkit.bases import SessionBases
from havre.builder.buildkit.builds import Build, Builds
from havre.builder.buildkit.caches import transfer
from havre.builder.buildkit.frontend import Frontend, failure
from havre.builder.buildkit.messages.gateway import (
    EvaluateRequest,
    EvaluateResponse,
    FrontendSolveRequest,
    FrontendSolveResponse,
    PingRequest,
    PongResponse,
    Ref,
    Result,
    ReturnRequest,
    ReturnResponse,
)
from havre.builder.buildkit.messages.shared import Capability
from havre.builder.buildkit.rpc import Handler, Stream, unary
from havre.builder.buildkit.statuses import RpcError
from havre.builder.buildkit.workers import worker
from havre.builder.checking import answer
from havre.builder.transfer import Carrier
from havre.errors import Unsupported
from havre.image.remote.pull import Puller
from havre.image.store import ImageStore

_PATH = "/moby.buildkit.v1.frontend.LLBBridge/"
_CALLS = {"frontend.lint": "check", "frontend.outline": "outline", "frontend.targets": "targets"}
_FRONTEND = "dockerfile.v0"
# What buildx asks about before it uses it.
_GATEWAY = ("solve.base", "return", "proto.refarray", "frontend.inputs", "gateway.solve.metadata", "frontend.caps")
_EVALUATE = ("gateway.solve.evaluate", "gateway.evaluate", "importcaches")
# What it needs for targets of a bake file that stand on others.
_LINKED = "reference.output"
_NOT_LINKED = "havre does not implement targets of a bake file as named contexts of others"
_STEPS = ("source.image", "source.local", "source.local.sessionid", "source.local.sharedkeyhint", "exec.meta.base")


@dataclass(frozen=True, slots=True)
class Bridge:
    """Answers the calls of clients' build functions."""

    builder: Builder
    images: ImageStore
    puller: Puller
    frontend: Frontend
    builds: Builds
    carrier: Carrier

    def handlers(self) -> dict[str, Handler]:
        """By path."""
        return {
            f"{_PATH}Ping": unary(PingRequest, self._ping),
            f"{_PATH}Solve": unary(FrontendSolveRequest, self._solve),
            f"{_PATH}Evaluate": unary(EvaluateRequest, self._evaluate),
            f"{_PATH}Return": unary(ReturnRequest, self._return),
        }

    async def solve(self, build: Build, frontend: str, options: dict[str, str]) -> Solved:
        """Build what the client's options say. Raises ``RpcError`` with the place in the Dockerfile."""
        if frontend != _FRONTEND:
            raise Unsupported(f"havre does not run frontends: {frontend or 'a definition of low-level steps'}")
        if asked := options.get("requestid"):
            raise Unsupported(f"havre does not implement the subrequest {asked}")
        if build.session is None:
            raise RpcError(statuses.INVALID, "a build needs a session")
        bases = SessionBases(self.images, self.puller, build.session, build.status)
        prepared = self.frontend.request(options, build.entitlements, build.session, build.status)
        async with prepared as (request, file):
            try:
                request = replace(request, transfer=await transfer(build, build.session, self.carrier))
                return await build.kept.enter_async_context(self.builder.solved(request, bases, build.status))
            except Exception as error:
                raise failure(error, file) from error

    async def _ping(self, request: PingRequest, stream: Stream) -> PongResponse:
        return PongResponse(
            [
                *(Capability(name, True) for name in (*_GATEWAY, *_EVALUATE)),
                Capability(_LINKED, False, disabled_reason_message=_NOT_LINKED),
            ],
            [Capability(name, True) for name in _STEPS],
            [worker()],
        )

    async def _solve(self, request: FrontendSolveRequest, stream: Stream) -> FrontendSolveResponse:
        build = await self.builds.of(stream)
        if not request.frontend and request.definition is None:
            return FrontendSolveResponse(result=Result())
        if asked := request.options.get("requestid"):
            return FrontendSolveResponse(result=Result(metadata=await self._answer(build, asked, request.options)))
        solved = await self.solve(build, request.frontend, request.options)
        ref = build.add(solved)
        return FrontendSolveResponse(
            result=Result(ref=Ref(ref), metadata={"containerimage.config": solved.configuration()})
        )

    async def _answer(self, build: Build, asked: str, options: dict[str, str]) -> dict[str, bytes]:
        """What is asked of a Dockerfile beside building it (``--call``)."""
        call = _CALLS.get(asked)
        if call is None or build.session is None:
            raise Unsupported(f"havre does not implement the subrequest {asked}")
        bases = SessionBases(self.images, self.puller, build.session, build.status)
        prepared = self.frontend.request(options, build.entitlements, build.session, build.status)
        async with prepared as (request, file):
            try:
                checked = await self.builder.check(request, bases)
            except Exception as error:
                raise failure(error, file) from error
        found = answer(checked, call, file.name, file.content)
        for source in found.get("sources", ()):
            source["data"] = base64.b64encode(file.content).decode()
        data = json.dumps(found).encode()
        return {"result.json": data, "result.txt": data, "version": b"1.0.0"}

    async def _evaluate(self, request: EvaluateRequest, stream: Stream) -> EvaluateResponse:
        build = await self.builds.of(stream)
        if request.ref not in build.solved:
            raise RpcError(statuses.NOT_FOUND, f"no such reference: {request.ref}")
        return EvaluateResponse()

    async def _return(self, request: ReturnRequest, stream: Stream) -> ReturnResponse:
        build = await self.builds.of(stream)
        if not build.returned.done():
            build.returned.set_result(request)
        return ReturnResponse()
