"""The Dockerfile frontend: a client's options and its session become the solver's request."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from havre.builder import contexts
from havre.builder.buildkit.contextcopies import ContextCopies
from havre.builder.buildkit.messages.errors import Any, RpcStatus
from havre.builder.buildkit.options import Options, options
from havre.builder.buildkit.session import Files, Session
from havre.builder.buildkit.status import DEFINITION, Status, Step
from havre.builder.buildkit.statuses import UNKNOWN, RpcError, of_error
from havre.builder.failures import StepFailed
from havre.builder.frontends import check_syntax
from havre.builder.remotecontexts import RemoteContexts
from havre.builder.request import BuildRequest
from havre.builder.trees import Directory
from havre.builder.workspace import Workspace
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.lines import read
from havre.errors import InvalidParameter, NotFound, Unsupported
from havre.lib import dockerignore
from havre.lib.dockerignore import Ignore

_LARGEST_FILE = 16 << 20  # of a Dockerfile
_UPLOAD = "http://buildkit-session/"
_ABSENT = "oci-layout://"
_INSECURE = "security.insecure"


@dataclass(frozen=True, slots=True)
class Given:
    """A Dockerfile by its name, as the client has it; ``ignored`` is the ``.dockerignore`` that goes with it."""

    name: str
    content: bytes
    ignored: bytes | None


@dataclass(frozen=True, slots=True)
class Frontend:
    """Makes requests of what clients say."""

    copies: ContextCopies
    workspace: Workspace
    remote: RemoteContexts

    @asynccontextmanager
    async def request(
        self, given: Mapping[str, str], entitlements: list[str], session: Session, status: Status
    ) -> AsyncIterator[tuple[BuildRequest, Given]]:
        """The request, whose contexts are there while the block lasts, and the Dockerfile it is of."""
        asked = options(given)
        async with AsyncExitStack() as stack:
            context: Directory | None = None
            if asked.context:
                context = await self._remote(asked, session, status, stack)
            file = await self._dockerfile(asked, session, status, context)
            status.reads(file.name, file.content)
            try:
                check_syntax(read(file.content).directives.get("syntax", ""))
            except DockerfileError as error:
                raise failure(error, file) from None
            if context is None:
                ignored = await self._ignored(asked.context_key, file.ignored, session, status)
                file = replace(file, ignored=ignored)
                with status.step("[internal] load build context") as step:
                    context = await self._receive(asked.context_key, ignored, session, step, stack)
            named = {
                name: await self._named(name, value, session, status, stack) for name, value in asked.contexts.items()
            }
            yield _request(asked, file, context, named, session, entitlements), file

    async def _dockerfile(self, asked: Options, session: Session, status: Status, context: Directory | None) -> Given:
        key = asked.dockerfile_key or ("" if context is not None else "dockerfile")
        if not key:
            assert context is not None
            return _in_context(context, asked.filename)
        with status.step(DEFINITION.format(asked.filename)) as step:
            names = [asked.filename, f"{asked.filename}.dockerignore"]
            if asked.filename == "Dockerfile":
                names.append("dockerfile")
            files = await _few(session, Files(key, follow=names), step, "transferring dockerfile:")
            name = next((name for name in names if name in files and not name.endswith(".dockerignore")), None)
            if name is None:
                raise NotFound(f"failed to read dockerfile: open {asked.filename}: no such file or directory")
            return Given(name, files[name], files.get(f"{asked.filename}.dockerignore"))

    async def _ignored(self, key: str, own: bytes | None, session: Session, status: Status) -> bytes:
        """What is left out of the client's directory; ``own`` is what the Dockerfile itself has beside it."""
        if own is not None:
            return own
        with status.step("[internal] load .dockerignore") as step:
            found = await _few(session, Files(key, follow=[".dockerignore"]), step, "transferring context:")
            return found.get(".dockerignore", b"")

    async def _receive(
        self, key: str, ignored: bytes, session: Session, step: Step, stack: AsyncExitStack
    ) -> Directory:
        copy = await stack.enter_async_context(self.copies.use(f"{session.key}\0{key}"))
        await asyncio.to_thread(copy.begin)
        with step.part("transferring context:") as part:
            files = Files(key, exclude=dockerignore.patterns_of(ignored))
            received = await session.receive_files(files, copy)
            part.tell(received.size)
        return await asyncio.to_thread(copy.commit)

    async def _named(
        self, name: str, value: str, session: Session, status: Status, stack: AsyncExitStack
    ) -> Directory | str:
        if value.startswith("docker-image://"):
            return value
        if value.startswith(("input:", "target:")):
            raise Unsupported(f"havre does not implement other targets of a bake file as named contexts: {name}")
        if value.startswith(_ABSENT):
            raise Unsupported(f"havre does not implement the named context {name}={value}")
        if not value.startswith("local:"):
            with status.step(f"[context {name}] load"):
                return await self._fetched(value, stack)
        key = value.removeprefix("local:")
        with status.step(f"[context {name}] load from client") as step:
            found = await _few(session, Files(key, follow=[".dockerignore"]), step, "transferring .dockerignore:")
            return await self._receive(key, found.get(".dockerignore", b""), session, step, stack)

    async def _remote(self, asked: Options, session: Session, status: Status, stack: AsyncExitStack) -> Directory:
        """A context that is no directory of the client's."""
        with status.step("[internal] load remote build context"):
            if not asked.context.startswith(_UPLOAD):
                return await self._fetched(asked.context, stack)
            place = self.workspace.place()
            stack.push_async_callback(contexts.discard, place)
            return await contexts.unpack(session.upload(urlsplit(asked.context).path), place)

    async def _fetched(self, url: str, stack: AsyncExitStack) -> Directory:
        """A context from git or the web."""
        place = self.workspace.place()
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        found = await self.remote.get(url, place)
        stack.push_async_callback(contexts.discard, found.path)
        return found


def _request(
    asked: Options,
    file: Given,
    context: Directory,
    named: Mapping[str, Directory | str],
    session: Session,
    entitlements: list[str],
) -> BuildRequest:
    return BuildRequest(
        dockerfile=file.content,
        context=context,
        contexts=named,
        target=asked.target,
        arguments=asked.arguments,
        labels=asked.labels,
        platform=asked.platform,
        pull=asked.pull,
        ignore_cache=asked.ignore_cache,
        ignore_cache_of=asked.ignore_cache_of,
        host=asked.host,
        secrets=session,
        epoch=asked.epoch,
        allow_insecure=_INSECURE in entitlements,
        ignored=Ignore(dockerignore.patterns_of(file.ignored or b"")),
    )


def _in_context(context: Directory, name: str) -> Given:
    """The Dockerfile of a context that came whole, which is cleared of what is left out."""
    try:
        content = contexts.read(context, name)
    except NotFound:
        raise InvalidParameter(f"failed to read dockerfile: open {name}: no such file or directory") from None
    contexts.clear(context, contexts.ignored(context, name))
    return Given(name, content, None)


async def _few(session: Session, files: Files, step: Step, what: str) -> dict[str, bytes]:
    with step.part(what) as part:
        found = await session.small_files(files, _LARGEST_FILE)
        part.tell(sum(map(len, found.values())))
    return found


def failure(error: Exception, file: Given) -> RpcError:
    """The error as BuildKit tells it: with the lines of the Dockerfile that it is about."""
    first = last = 0
    if isinstance(error, DockerfileError):
        first, last = error.first, error.last
    elif isinstance(error, StepFailed):
        first, last = error.vertex.first, error.vertex.last
    told = of_error(error)
    if not first or told.details:
        return told
    source = {
        "info": {"filename": file.name, "data": base64.b64encode(file.content).decode()},
        "ranges": [{"start": {"line": first}, "end": {"line": max(first, last)}}],
    }
    detail = Any("github.com/moby/buildkit/errdefs.Source+json", json.dumps(source).encode())
    return RpcError(UNKNOWN, told.message, RpcStatus(UNKNOWN, told.message, [detail]).encoded())
