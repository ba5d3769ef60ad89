"""``POST /havre/build``: builds for havre's own client, with all that the classic query has no words for (ADR 31)."""

import asyncio
import base64
import binascii
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from havre.builder import contexts
from havre.builder.agents import Agents, ClientSecrets
from havre.builder.bases import PulledBases
from havre.builder.build import Builder, Solved
from havre.builder.checking import answer
from havre.builder.classic import BuildFailed, epoch_of, lock_of
from havre.builder.eventlines import EventLines, Json
from havre.builder.failures import StepFailed
from havre.builder.frontends import check_arguments, check_syntax
from havre.builder.keptcontexts import KeptContexts
from havre.builder.plan.vertices import Scratch, Vertex
from havre.builder.remotecontexts import RemoteContexts
from havre.builder.request import BuildRequest
from havre.builder.transfer import Carrier, Credentials
from havre.builder.trees import Directory
from havre.dockerfile.faults import DockerfileError, shown
from havre.dockerfile.lines import read as lines_of
from havre.errors import InvalidParameter, NotFound, Unsupported
from havre.image.manifest import parse_platform
from havre.image.remote.auth import Auth
from havre.image.remote.pull import Puller
from havre.image.store import ImageStore
from havre.kernel import treetar
from havre.lib import references
from havre.lib.dockerignore import Ignore
from havre.lib.relay import Outflow
from havre.lib.tasks import TaskOwner
from havre.wire.containers import HostConfig

_PIECE = 192 << 10  # of a tree, in one line


class Source(msgspec.Struct, frozen=True):
    """Where a context comes from: what the client has sent, a URL (of a file, an archive or a git repository), or an
    image.
    """

    id: str = ""
    url: str = ""
    image: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The body of ``POST /havre/build``.

    ``dockerfile`` None: it is the file ``filename`` of the context. ``secrets`` are in base64; ``agents`` the ids of
    forwarded SSH agents, which ``session`` has connections to. ``output``: ``image``, or ``tree`` for the files alone.
    ``ignored`` are the patterns of what was left out; ``call`` one of ``checking.CALLS``, for nothing to be built;
    ``cache_from`` and ``cache_to`` in the words of the flags;
    ``lock`` a lock file's content, or "record" for none yet.
    """

    context: Source
    contexts: dict[str, Source] = {}
    dockerfile: str | None = None
    filename: str = "Dockerfile"
    names: list[str] = []
    target: str = ""
    arguments: dict[str, str] = {}
    labels: dict[str, str] = {}
    platform: str = ""
    pull: bool = False
    no_cache: bool = False
    no_cache_filter: list[str] = []
    host: HostConfig = msgspec.field(default_factory=HostConfig)
    secrets: dict[str, str] = {}
    agents: list[str] = []
    session: str = ""
    output: str = "image"
    ignored: list[str] = []
    why: bool = False
    call: str = ""
    lock: str = ""
    cache_from: list[str] = []
    cache_to: list[str] = []


@dataclass(slots=True)
class DirectBuilds:
    """Builds for havre's own client."""

    builder: Builder
    images: ImageStore
    puller: Puller
    kept: KeptContexts
    remote: RemoteContexts
    agents: Agents
    carrier: Carrier
    tasks: TaskOwner

    async def close(self) -> None:
        """Break off all builds."""
        await self.tasks.close()

    async def build(self, asked: Asked, auth: Callable[[str], Auth | None]) -> AsyncIterator[Json]:
        """Build, and tell how it goes. Closing the iterator breaks the build off, and nothing is left of it."""
        if asked.output not in ("image", "tree"):
            raise InvalidParameter(f"unknown output {asked.output!r}")
        place = self.builder.workspace.place()
        lines = EventLines()
        task = self.tasks.start(self._run(asked, auth, place, lines), "build")
        try:
            async for line in lines.read():
                yield line
        finally:
            task.cancel()
            await asyncio.wait([task])
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def _run(self, asked: Asked, auth: Callable[[str], Auth | None], place: Path, lines: EventLines) -> None:
        source = ""
        try:
            with ExitStack() as stack:
                request = await self._request(asked, auth, place, stack, lines)
                source = request.dockerfile.decode("utf-8", "replace")
                bases = PulledBases(self.images, self.puller, auth)
                if asked.call:
                    checked = await self.builder.check(request, bases)
                    lines.tell({"answer": answer(checked, asked.call, asked.filename, request.dockerfile)})
                    lines.finish()
                    return
                async with self.builder.solved(request, bases, lines) as solved:
                    await self._give(asked, solved, lines)
                if request.lock is not None:
                    lines.tell({"lock": msgspec.to_builtins(request.lock.document)})
        except asyncio.CancelledError:
            lines.fail(BuildFailed("the build was cancelled"))
            raise
        except DockerfileError as error:
            if error.first:
                lines.tell({"excerpt": shown(asked.filename, source, error.first, error.last)})
            lines.fail(error)
        except StepFailed as error:
            if error.vertex.first:
                lines.tell({"excerpt": shown(asked.filename, source, error.vertex.first, error.vertex.last)})
            lines.fail(BuildFailed(f"failed to solve: {error.message}", error.code))
        except Exception as error:
            lines.fail(error)
        else:
            lines.finish()

    async def _request(
        self, asked: Asked, auth: Credentials, place: Path, stack: ExitStack, lines: EventLines
    ) -> BuildRequest:
        context = await self._directory(asked.context, place, stack, lines)
        named: dict[str, Directory | str] = {}
        for name, source in asked.contexts.items():
            named[name] = source.image or await self._directory(source, place, stack, lines)
        try:
            dockerfile = (
                contexts.read(context, asked.filename)
                if asked.dockerfile is None
                else asked.dockerfile.encode("utf-8", "surrogateescape")
            )
        except NotFound:
            raise InvalidParameter(
                f"failed to read dockerfile: open {asked.filename}: no such file or directory"
            ) from None
        if not dockerfile.strip():
            raise InvalidParameter(f"the Dockerfile ({asked.filename}) cannot be empty")
        check_arguments(asked.arguments)
        check_syntax((await asyncio.to_thread(lines_of, dockerfile)).directives.get("syntax", ""))
        return BuildRequest(
            dockerfile=dockerfile,
            context=context,
            contexts=named,
            target=asked.target,
            arguments=asked.arguments,
            labels=asked.labels,
            platform=parse_platform(asked.platform) if asked.platform else None,
            names=[references.parse(name) for name in asked.names],
            pull=asked.pull,
            ignore_cache=asked.no_cache,
            ignore_cache_of=frozenset(name.lower() for name in asked.no_cache_filter),
            host=asked.host,
            secrets=ClientSecrets(_secrets(asked.secrets), self.agents, asked.session, frozenset(asked.agents)),
            epoch=epoch_of(asked.arguments),
            ignored=Ignore(asked.ignored),
            why=asked.why,
            lock=lock_of(asked.lock),
            transfer=self.carrier.transfer(
                asked.cache_from, asked.cache_to, auth, lambda text: lines.tell({"warning": text})
            ),
        )

    async def _directory(self, source: Source, place: Path, stack: ExitStack, lines: EventLines) -> Directory:
        if source.id:
            return stack.enter_context(self.kept.use(source.id))
        if source.url:
            vertex = Vertex(Scratch(), (), f"[internal] load remote build context {source.url}")
            lines.begins(vertex)
            found = await self.remote.get(source.url, place)
            lines.ends(vertex, False)
            return found
        if source.image:
            raise Unsupported("havre does not implement an image as the build context")
        empty = place / "empty"
        empty.mkdir(exist_ok=True)
        return Directory(empty, "empty context")

    async def _give(self, asked: Asked, solved: Solved, lines: EventLines) -> None:
        if asked.output == "tree":
            await self._tree(solved, lines)
            return
        vertex = Vertex(Scratch(), (), "exporting to image")
        lines.begins(vertex)
        built = await solved.image()
        lines.status(vertex, f"writing image {built.image.id} done")
        for name in solved.request.names:
            lines.status(vertex, f"naming to {name.canonical()} done")
        lines.ends(vertex, False)
        if built.unused:
            lines.tell({"warning": f"One or more build-args [{' '.join(built.unused)}] were not consumed"})
        lines.tell({"image": {"id": built.image.id, "names": [name.canonical() for name in solved.request.names]}})

    async def _tree(self, solved: Solved, lines: EventLines) -> None:
        """The files of the result, as an archive in pieces."""
        async with self.builder.workspace.readable(solved.tree) as path:
            top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            ended = asyncio.Event()
            flow = Outflow(lambda write: treetar.contents(top, write), ended.set, "havre-build-tree")
            try:
                async for chunk in flow:
                    for at in range(0, len(chunk), _PIECE):
                        await lines.room()
                        lines.tell({"data": base64.b64encode(chunk[at : at + _PIECE]).decode()})
            finally:
                await flow.aclose()
                await ended.wait()
                os.close(top)


def _secrets(given: Mapping[str, str]) -> dict[str, bytes]:
    try:
        return {name: base64.b64decode(text, validate=True) for name, text in given.items()}
    except (binascii.Error, ValueError):
        raise InvalidParameter("a secret is not in base64") from None
