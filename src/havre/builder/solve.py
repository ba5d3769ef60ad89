"""The solver: carries out the vertices of a plan, side by side where they do not need each other, and from the cache
where it can.

A vertex is done once in a build; the same step of two builds at once is done by one of them, and the other finds it in
the cache.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

from havre.builder.cache import BuildCache, Record, key_of
from havre.builder.failures import StepFailed
from havre.builder.plan.vertices import LAYERS, Operation, Vertex, needed
from havre.builder.progress import Progress
from havre.builder.reasons import Reasons
from havre.builder.sources import Sources
from havre.builder.steps import LayerStep, Task
from havre.builder.transfer import Transfer
from havre.builder.trees import Layer, Result, Tree
from havre.builder.workspace import Workspace
from havre.errors import HavreError
from havre.lib.turns import Turns


class Solver:
    """Carries out the vertices of one build."""

    def __init__(
        self,
        cache: BuildCache,
        turns: Turns,
        workspace: Workspace,
        sources: Sources,
        steps: Mapping[type[Operation], LayerStep],
        progress: Progress,
        reasons: Reasons | None = None,
        transfer: Transfer | None = None,
    ) -> None:
        """``reasons`` None: nobody asks why steps are carried out. ``transfer``: caches of other machines."""
        self._cache = cache
        self._turns = turns
        self._workspace = workspace
        self._sources = sources
        self._steps = steps
        self._progress = progress
        self._reasons = reasons
        self._transfer = transfer
        self._results: dict[int, asyncio.Future[Result]] = {}
        self.layers: dict[int, Layer | None] = {}

    async def solve(self, ends: Sequence[Vertex]) -> list[Result]:
        """What ``ends`` give. The first failure (``StepFailed`` names its vertex) ends all that is still under way."""
        order = list(needed(ends))
        loop = asyncio.get_running_loop()
        self._results = {id(vertex): loop.create_future() for vertex in order}
        try:
            async with asyncio.TaskGroup() as group:
                for vertex in order:
                    group.create_task(self._vertex(vertex))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        return [self._results[id(end)].result() for end in ends]

    def layer(self, vertex: Vertex) -> Layer | None:
        """The layer that a vertex made; None when it changed nothing."""
        return self.layers.get(id(vertex))

    async def _vertex(self, vertex: Vertex) -> None:
        inputs = [await self._results[id(below)] for below in vertex.inputs]
        try:
            result: Result
            if isinstance(vertex.operation, LAYERS):
                result = await self._layer(vertex, inputs)
            else:
                self._progress.begins(vertex)
                result, cached = await self._sources.get(vertex)
                self._progress.ends(vertex, cached)
        except HavreError as error:
            self._progress.ends(vertex, False, error.message)
            raise error if isinstance(error, StepFailed) else StepFailed(vertex, error.message) from error
        self._results[id(vertex)].set_result(result)

    async def _layer(self, vertex: Vertex, inputs: Sequence[Result]) -> Tree:
        step = self._steps[type(vertex.operation)]
        task = Task(vertex, inputs, lambda stream, data: self._progress.writes(vertex, stream, data))
        origin = await step.origin_parts(task)
        if origin is not None and (found := await self._found(vertex, key_of(origin))) is not None:
            return await self._use(task, found, [key_of(origin)], origin)
        parts = await step.content_parts(task)
        key = key_of(parts)
        async with self._turns.of(key):
            keys = [key] if origin is None else [key, key_of(origin)]
            if (found := await self._found(vertex, key)) is not None:
                return await self._use(task, found, keys, parts)
            self._progress.begins(vertex)
            if self._reasons is not None:
                self._progress.explains(vertex, await self._reasons.of(vertex, parts, task.details))
            layer = await step.run(task)
            tree = await self._put_on(task, layer)
            await self._cache.put(keys, _record(vertex, tree, layer, parts), task.details)
        self._note(vertex, keys, layer)
        self._progress.ends(vertex, False)
        return tree

    async def _found(self, vertex: Vertex, key: str) -> Record | None:
        if vertex.ignore_cache:
            return None
        found = self._cache.find(key)
        return found if found is not None or self._transfer is None else await self._transfer.find(key)

    async def _use(self, task: Task, record: Record, keys: list[str], parts: dict[str, str]) -> Tree:
        """Take the step from the cache, and know it by ``keys`` from now on."""
        self._progress.begins(task.vertex)
        tree = await self._put_on(task, record.layer)
        if not record.inputs:
            # It came from another machine's cache.
            record = _record(task.vertex, tree, record.layer, parts)
            await self._cache.put(keys, record)
        elif len(keys) > 1:
            await self._cache.put(keys, record)
        self._note(task.vertex, {*keys, key_of(record.inputs)}, record.layer)
        self._progress.ends(task.vertex, True)
        return tree

    def _note(self, vertex: Vertex, keys: Iterable[str], layer: Layer | None) -> None:
        if self._transfer is not None:
            self._transfer.note(sorted(keys), layer, vertex.name)

    async def _put_on(self, task: Task, layer: Layer | None) -> Tree:
        self.layers[id(task.vertex)] = layer
        if layer is None:
            return task.root
        # A layer that does not depend on its root may have been made on another.
        return await self._workspace.put_on(task.root, layer)


def _record(vertex: Vertex, tree: Tree, layer: Layer | None, parts: dict[str, str]) -> Record:
    now = time.time_ns()
    chain = [each.diff_id for each in tree.layers]
    return Record(chain=chain, layer=layer, inputs=parts, description=vertex.name, created=now, used=now)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first; what it cancelled comes after it."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
