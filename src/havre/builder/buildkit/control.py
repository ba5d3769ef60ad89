"""moby.buildkit.v1.Control: builds, their status, and what buildx asks about the builder itself."""

import asyncio
from dataclasses import dataclass

from havre.builder.build import Solved
from havre.builder.buildkit import statuses
from havre.builder.buildkit.bridge import Bridge
from havre.builder.buildkit.builds import Build, Builds
from havre.builder.buildkit.exports import Exports
from havre.builder.buildkit.messages.control import (
    Exporter,
    HistoryRequest,
    InfoRequest,
    InfoResponse,
    ListWorkersRequest,
    ListWorkersResponse,
    SolveRequest,
    SolveResponse,
    StatusRequest,
)
from havre.builder.buildkit.messages.gateway import Result, ReturnRequest
from havre.builder.buildkit.rpc import Handler, Stream, streaming, unary
from havre.builder.buildkit.session import Sessions
from havre.builder.buildkit.status import Status
from havre.builder.buildkit.statuses import RpcError
from havre.builder.buildkit.workers import version, worker
from havre.errors import Unsupported

_PATH = "/moby.buildkit.v1.Control/"


@dataclass(frozen=True, slots=True)
class Control:
    """Answers the calls of clients."""

    sessions: Sessions
    builds: Builds
    bridge: Bridge
    exports: Exports

    def handlers(self) -> dict[str, Handler]:
        """By path."""
        return {
            f"{_PATH}Solve": unary(SolveRequest, self._solve),
            f"{_PATH}Status": streaming(StatusRequest, self._status),
            f"{_PATH}ListWorkers": unary(ListWorkersRequest, self._workers),
            f"{_PATH}Info": unary(InfoRequest, self._info),
            f"{_PATH}ListenBuildHistory": streaming(HistoryRequest, self._history),
        }

    async def _solve(self, request: SolveRequest, stream: Stream) -> SolveResponse:
        session = await self.sessions.get(request.session) if request.session else None
        returned: asyncio.Future[ReturnRequest] = asyncio.get_running_loop().create_future()
        build = Build(request.ref, session, request.entitlements, request.cache, Status(request.ref), returned)
        async with self.builds.present(build):
            solved = await self._solved(build, request)
            response: dict[str, str] = {}
            for number, exporter in enumerate(_exporters(request)):
                if solved is None:
                    raise RpcError(statuses.INVALID, "there is no result to export")
                response |= await self.exports.export(build, exporter, number, solved)
            return SolveResponse(response)

    async def _solved(self, build: Build, request: SolveRequest) -> Solved | None:
        """The result that is to be exported; None when the client wants none."""
        if request.definition is not None and request.definition.steps:
            raise Unsupported("havre does not build from definitions of low-level steps")
        if request.policy or request.policy_session:
            raise Unsupported("havre does not implement source policies of builds")
        if request.frontend:
            return await self.bridge.solve(build, request.frontend, request.attributes)
        returned = await build.returned
        if returned.error is not None:
            raise statuses.of_status(returned.error)
        result = returned.result or Result()
        ref = result.ref.id if result.ref is not None else result.ref_deprecated
        if not ref:
            return None
        if ref not in build.solved:
            raise RpcError(statuses.NOT_FOUND, f"no such reference: {ref}")
        return build.solved[ref]

    async def _status(self, request: StatusRequest, stream: Stream) -> None:
        build = await self.builds.get(request.ref)
        async for message in build.status.read():
            await stream.send(message)

    async def _workers(self, request: ListWorkersRequest, stream: Stream) -> ListWorkersResponse:
        return ListWorkersResponse([worker()])

    async def _info(self, request: InfoRequest, stream: Stream) -> InfoResponse:
        return InfoResponse(version())

    async def _history(self, request: HistoryRequest, stream: Stream) -> None:
        """No builds are remembered: what a client is told of them ends at once, or never begins."""
        if not request.early_exit:
            await asyncio.get_running_loop().create_future()


def _exporters(request: SolveRequest) -> list[Exporter]:
    if request.exporters:
        return request.exporters
    if request.exporter_deprecated:
        return [Exporter(request.exporter_deprecated, request.exporter_attributes_deprecated)]
    return []
