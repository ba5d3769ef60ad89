"""A build from beginning to end: read, resolve, plan, solve, export. The doors come in here."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from havre.builder.cache import BuildCache
from havre.builder.execution import Executor
from havre.builder.export import Exporter, Solved, configuration
from havre.builder.mounts import CacheMounts
from havre.builder.plan.arguments import Arguments
from havre.builder.plan.planning import Base, Origins, StagePlanner, StageResult
from havre.builder.plan.stages import Kind, Origin, StageNeeds, Stages
from havre.builder.plan.vertices import CopyFiles, Execute, FromImage, Local, MakeDirectory, Scratch, Vertex
from havre.builder.progress import Progress
from havre.builder.request import BaseImages, BuildRequest
from havre.builder.resolving import Resolved, Resolver
from havre.builder.solve import Solver, Turns
from havre.builder.sources import Remote, Sources
from havre.builder.steps.copying import Copying, MakingDirectories
from havre.builder.steps.running import Running
from havre.builder.trees import Directory, Tree
from havre.builder.workspace import Workspace
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import Dockerfile
from havre.dockerfile.reading import dockerfile
from havre.image.blobs import BlobStore
from havre.image.manifest import Platform, host_platform
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a build. ``unused`` are arguments nobody asked for."""

    image: Image
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds images into the stores it is given."""

    blobs: BlobStore
    images: ImageStore
    cache: BuildCache
    workspace: Workspace
    executor: Executor
    caches: CacheMounts
    remote: Remote
    turns: Turns

    async def start(self) -> None:
        """Clear away what a killed daemon's builds left."""
        await self.workspace.start()

    async def build(self, request: BuildRequest, bases: BaseImages, progress: Progress) -> Built:
        """Build the image, give it its names, and return it. Raises ``DockerfileError``, ``StepFailed``."""
        with self.images.hold():
            solved = await self.solve(request, bases, progress)
            return Built(await self.image(solved, request.names), solved.unused)

    async def solve(self, request: BuildRequest, bases: BaseImages, progress: Progress) -> Solved:
        """Build without making an image of it. The caller holds the image store until it has done with the result."""
        plan = Plan(request, host_platform())
        resolver = Resolver(self.blobs, bases, request)
        resolved = await plan.resolve(resolver)
        stage = plan.stage(resolved)
        place = self.workspace.place()
        try:
            solver = Solver(
                self.cache,
                self.turns,
                self.workspace,
                Sources(resolved.trees, resolved.contexts, self.remote, place),
                self._steps(request),
                progress,
            )
            (tree,) = await solver.solve([stage.root])
        finally:
            shutil.rmtree(place, ignore_errors=True)
        assert isinstance(tree, Tree)
        base = resolved.configuration(plan.foundation)
        document = configuration(stage, tree, solver.layer, base, plan.platform, request.epoch)
        return Solved(document, tree, plan.platform, tuple(plan.arguments.unused))

    async def image(self, solved: Solved, names: Sequence[Reference]) -> Image:
        """The image of what was built, with these names. Durable on return."""
        return await Exporter(self.blobs, self.images).image(solved, names)

    def _steps(self, request: BuildRequest) -> Mapping[type, Any]:
        return {
            Execute: Running(
                self.workspace,
                self.executor,
                self.caches,
                request.secrets,
                request.host,
                request.epoch,
                request.allow_insecure,
            ),
            CopyFiles: Copying(self.workspace, request.epoch),
            MakeDirectory: MakingDirectories(self.workspace, request.epoch),
        }


class Plan:
    """The plan of one build: which stages, on which images; then their steps."""

    def __init__(self, request: BuildRequest, host: Platform) -> None:
        """Raises ``DockerfileError``."""
        self._request = request
        self._host = host
        self.platform = request.platform or host
        self._file: Dockerfile = dockerfile(request.dockerfile)
        escape = self._file.directives.get("escape", "\\")
        self._escape = escape
        self.arguments = Arguments(request.arguments, self.platform, host, request.target, escape)
        scope = self.arguments.declare_globally(self._file.arguments)
        self._stages = Stages(self._file, scope, request.contexts)
        self._end = self._stages.number(request.target)
        self._needs: list[StageNeeds] = []
        # The image that the target stands on in the end, by its stage's number.
        self.foundation = self._end

    async def resolve(self, resolver: Resolver) -> Resolved:
        """Find all images that are needed. Base images may bring triggers that need more."""
        while True:
            self._needs = self._stages.needed(self._end, resolver.triggers)
            if not await resolver.resolve(self._needs, self._platform_of):
                return resolver.resolved

    def stage(self, resolved: Resolved) -> StageResult:
        """The target's steps. Raises ``DockerfileError``."""
        done: dict[int, StageResult] = {}
        foundations: dict[int, int] = {}
        context = Vertex(Local("context"), (), "[internal] load build context")
        for needs in self._needs:
            number = needs.number
            below = needs.base.stage if needs.base.kind is Kind.STAGE else None
            foundations[number] = number if below is None else foundations[below]
            base = self._base(needs, resolved, done)
            named = {word: self._files(origin, resolved, done, needs) for word, origin in needs.origins.items()}
            stage = self._file.stages[number]
            planner = StagePlanner(
                base,
                Origins(context, named),
                self.arguments,
                _labels(stage.name or (f"stage-{number}" if len(self._file.stages) > 1 else "")),
                self._escape,
                self._request.ignore_cache or stage.name in self._request.ignore_cache_of,
            )
            done[number] = planner.plan(stage, resolved.triggers.get(number, ()))
        result = done[self._end]
        self.foundation = foundations[self._end]
        if self._request.labels:
            result.settings["Labels"] = {**(result.settings.get("Labels") or {}), **self._request.labels}
        return result

    def _platform_of(self, needs: StageNeeds) -> Platform:
        if not needs.platform:
            return self.platform
        os_, _, rest = needs.platform.partition("/")
        architecture, _, variant = rest.partition("/")
        return Platform(os=os_, architecture=architecture, variant=variant)

    def _base(self, needs: StageNeeds, resolved: Resolved, done: Mapping[int, StageResult]) -> Base:
        origin = needs.base
        if origin.kind is Kind.STAGE:
            below = done[origin.stage]
            return Base(below.root, below.settings, below.arguments, author=below.author, history=tuple(below.history))
        if origin.kind is Kind.SCRATCH:
            return Base(Vertex(Scratch(), (), ""), {})
        root = self._files(origin, resolved, done, needs)
        if isinstance(root.operation, Local):
            raise DockerfileError(f"the named context {origin.name} is a directory, and no image to build FROM")
        return Base(root, resolved.settings(needs.number), author=resolved.author(needs.number))

    def _files(self, origin: Origin, resolved: Resolved, done: Mapping[int, StageResult], needs: StageNeeds) -> Vertex:
        """The vertex of what a name stands for."""
        if origin.kind is Kind.STAGE:
            return done[origin.stage].root
        if origin.kind is Kind.SCRATCH:
            return Vertex(Scratch(), (), "")
        if origin.kind is Kind.CONTEXT and isinstance(self._request.contexts[origin.name], Directory):
            return Vertex(Local(origin.name), (), f"[context {origin.name}] load")
        found = resolved.image(origin, needs.number)
        return Vertex(
            FromImage(found.reference, found.image.id, found.image.config.platform), (), f"FROM {found.reference}"
        )


def _labels(stage: str) -> Any:
    before = f"{stage} " if stage else ""
    return lambda number, count, text: f"[{before}{number}/{count}] {text}"
