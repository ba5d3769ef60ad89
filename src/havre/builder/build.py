"""A build from beginning to end: read, resolve, plan, solve, export. The doors come in here."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from havre.builder.cache import BuildCache
from havre.builder.execution import Executor
from havre.builder.export import configuration
from havre.builder.lock import locked
from havre.builder.mounts import CacheMounts
from havre.builder.plan.arguments import Arguments
from havre.builder.plan.planning import Base, Origins, StagePlanner, StageResult, steps_of
from havre.builder.plan.stages import Kind, Origin, StageNeeds, Stages
from havre.builder.plan.vertices import CopyFiles, Execute, FromImage, Local, MakeDirectory, Scratch, Vertex
from havre.builder.progress import Progress
from havre.builder.reasons import Reasons
from havre.builder.request import BaseImages, BuildRequest
from havre.builder.resolving import Resolved, Resolver
from havre.builder.solve import Solver
from havre.builder.sources import Remote, Sources
from havre.builder.steps.copying import Copying, MakingDirectories
from havre.builder.steps.running import Running
from havre.builder.trees import Directory, Tree
from havre.builder.workspace import Workspace
from havre.dockerfile import lint
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import Dockerfile
from havre.dockerfile.lint import Finding
from havre.dockerfile.lintrules import findings
from havre.dockerfile.outline import Outline, Target, outline, targets
from havre.dockerfile.reading import dockerfile
from havre.image.blobs import BlobStore
from havre.image.manifest import Platform, host_platform
from havre.image.store import Image, ImageStore
from havre.lib.references import Reference
from havre.lib.turns import Turns


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a build. ``unused`` are arguments nobody asked for, ``warnings`` what lint has to say."""

    image: Image
    unused: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What can be told of a build without carrying it out."""

    warnings: tuple[Finding, ...]
    targets: tuple[Target, ...]
    outline: Outline


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
        async with self.solved(request, bases, progress) as solved:
            return await solved.image()

    @asynccontextmanager
    async def solved(self, request: BuildRequest, bases: BaseImages, progress: Progress) -> AsyncIterator["Solved"]:
        """Carry out the steps; inside the block what they gave is kept. Raises ``DockerfileError``, ``StepFailed``."""
        with self.images.hold():
            # In threads: a large file takes its time to read.
            plan = await asyncio.to_thread(Plan, request, host_platform())
            if request.transfer is not None:
                await request.transfer.open()
            resolver = Resolver(self.blobs, bases, request)
            resolved = await plan.resolve(resolver)
            stage = await asyncio.to_thread(plan.stage, resolved)
            warnings = plan.warnings()
            progress.warns(warnings)
            plan.refuse(warnings)
            place = self.workspace.place()
            try:
                solver = Solver(
                    self.cache,
                    self.turns,
                    self.workspace,
                    Sources(resolved.trees, resolved.contexts, locked(self.remote, request.lock), place),
                    self._steps(request),
                    progress,
                    Reasons(self.cache) if request.why else None,
                    request.transfer,
                )
                (tree,) = await solver.solve([stage.root])
            finally:
                shutil.rmtree(place, ignore_errors=True)
            assert isinstance(tree, Tree)
            yield Solved(self, request, plan, resolved, stage, tree, solver, tuple(warnings))
            if request.transfer is not None:
                await request.transfer.close([layer.diff_id for layer in tree.layers])

    async def check(self, request: BuildRequest, bases: BaseImages) -> Checked:
        """What lint says of the build, and what it could be told; nothing is carried out.

        Raises ``DockerfileError``.
        """
        with self.images.hold():
            plan = Plan(request, host_platform())
            plan.stage(await plan.resolve(Resolver(self.blobs, bases, request)))
            return Checked(tuple(plan.warnings()), tuple(targets(plan.file)), plan.outline())

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


@dataclass(frozen=True, slots=True)
class Solved:
    """A build whose steps have been carried out: ``tree`` is the file system they gave."""

    builder: Builder
    request: BuildRequest
    plan: "Plan"
    resolved: Resolved
    stage: StageResult
    tree: Tree
    solver: Solver
    warnings: tuple[Finding, ...]

    def configuration(self) -> bytes:
        """The image's configuration file."""
        base = self.resolved.configuration(self.plan.foundation)
        request, layer_of = self.request, self.solver.layer
        more = request.transfer.field([layer.diff_id for layer in self.tree.layers]) if request.transfer else {}
        return configuration(self.stage, self.tree, layer_of, base, self.plan.platform, request.epoch, more)

    async def image(self, names: Sequence[Reference] = ()) -> Built:
        """The image, with the names it was to have and these; durable on return."""
        digest = await self.builder.blobs.add(self.configuration())
        layers = [layer.blob for layer in self.tree.layers]
        image = await self.builder.images.add(digest, layers, None, [*self.request.names, *names])
        return Built(image, tuple(self.plan.arguments.unused), self.warnings)


class Plan:
    """The plan of one build: which stages, on which images; then their steps."""

    def __init__(self, request: BuildRequest, host: Platform) -> None:
        """Raises ``DockerfileError``."""
        self._request = request
        self._host = host
        self.platform = request.platform or host
        self.file: Dockerfile = dockerfile(request.dockerfile)
        escape = self.file.directives.get("escape", "\\")
        self._escape = escape
        self.arguments = Arguments(request.arguments, self.platform, host, request.target, escape)
        scope = self.arguments.declare_globally(self.file.arguments)
        self._stages = Stages(self.file, scope, request.contexts)
        self._end = self._stages.number(request.target)
        self._needs: list[StageNeeds] = []
        self._wanted = lint.wanted(self.file, request.arguments)
        self._findings: list[Finding] = []
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
            stage = self.file.stages[number]
            triggers = resolved.triggers.get(number, ())
            label = _labels(stage.name or (f"stage-{number}" if len(self.file.stages) > 1 else ""))
            count = steps_of((*triggers, *stage.instructions))
            base = self._base(needs, resolved, done, partial(label, 1, count))
            named = {word: self._files(origin, resolved, done, needs) for word, origin in needs.origins.items()}
            planner = StagePlanner(
                base,
                Origins(context, named),
                self.arguments,
                label,
                self._escape,
                self._request.ignore_cache or stage.name in self._request.ignore_cache_of,
            )
            done[number] = planner.plan(stage, triggers)
            self._findings += planner.findings
        result = done[self._end]
        self.foundation = foundations[self._end]
        if self._request.labels:
            result.settings["Labels"] = {**(result.settings.get("Labels") or {}), **self._request.labels}
        return result

    def warnings(self) -> list[Finding]:
        """What lint has to say, after ``stage``: of variables it knows only then."""
        ignore = self._request.ignored
        of_file = findings(self.file, self.arguments.known, self._escape, ignore.leaves_out if ignore else None)
        return self._wanted.of([*of_file, *self._findings])

    def refuse(self, warnings: Sequence[Finding]) -> None:
        """Raise ``DockerfileError`` for them if the Dockerfile asks for that."""
        if self._wanted.error:
            lint.refuse(warnings)

    def outline(self) -> Outline:
        """What the target can be told; after ``resolve``."""
        return outline(self.file, [needs.number for needs in self._needs], self._request.arguments)

    def _platform_of(self, needs: StageNeeds) -> Platform:
        if not needs.platform:
            return self.platform
        os_, _, rest = needs.platform.partition("/")
        architecture, _, variant = rest.partition("/")
        return Platform(os=os_, architecture=architecture, variant=variant)

    def _base(
        self,
        needs: StageNeeds,
        resolved: Resolved,
        done: Mapping[int, StageResult],
        label: Callable[[str], str],
    ) -> Base:
        """``label`` makes the name of the stage's first step."""
        origin = needs.base
        if origin.kind is Kind.STAGE:
            below = done[origin.stage]
            return Base(below.root, below.settings, below.arguments, author=below.author, history=tuple(below.history))
        if origin.kind is Kind.SCRATCH:
            return Base(Vertex(Scratch(), (), ""), {})
        root = self._files(origin, resolved, done, needs)
        if isinstance(root.operation, Local):
            raise DockerfileError(f"the named context {origin.name} is a directory, and no image to build FROM")
        line = self.file.stages[needs.number].base.line
        root = replace(root, name=label(root.name), first=line.first, last=line.last)
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
