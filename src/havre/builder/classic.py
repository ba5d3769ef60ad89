"""``POST /build``: a context as an archive comes in, Docker's messages go out. The API's door comes in here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from havre.builder import contexts
from havre.builder.bases import PulledBases
from havre.builder.build import Builder
from havre.builder.checking import answer
from havre.builder.failures import StepFailed
from havre.builder.lock import Lock, read
from havre.builder.messages import Json, Messages
from havre.builder.remotecontexts import RemoteContexts
from havre.builder.request import BuildRequest
from havre.builder.transfer import Carrier
from havre.errors import HavreError, InvalidParameter, NotFound
from havre.image.manifest import Platform
from havre.image.remote.auth import Auth
from havre.image.remote.pull import Puller
from havre.image.store import ImageStore
from havre.lib.ids import short
from havre.lib.references import Reference
from havre.lib.tasks import TaskOwner
from havre.wire.containers import HostConfig


class BuildFailed(HavreError):
    """A build that failed at a step; ``code`` is the exit code of its command, 0 for none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the query of a build says. ``remote`` is a URL that the context comes from instead of the body; ``identity``
    is what the client calls the build, to cancel it. ``why``, ``call`` and ``lock`` are havre's own.

    ``call`` is one of ``checking.CALLS``; ``lock`` a lock file's content, or "record" for none yet.
    """

    dockerfile: str = "Dockerfile"
    remote: str = ""
    identity: str = ""
    names: Sequence[Reference] = ()
    quiet: bool = False
    no_cache: bool = False
    pull: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platform: Platform | None = None
    host: HostConfig = field(default_factory=HostConfig)
    auth: Callable[[str], Auth | None] = lambda host: None
    why: bool = False
    call: str = ""
    lock: str = ""
    cache_from: Sequence[str] = ()
    cache_to: Sequence[str] = ()


class ClassicBuilds:
    """Builds for the classic API."""

    def __init__(
        self, builder: Builder, images: ImageStore, puller: Puller, remote: RemoteContexts, carrier: Carrier
    ) -> None:
        self._builder = builder
        self._images = images
        self._puller = puller
        self._remote = remote
        self._carrier = carrier
        self._tasks = TaskOwner("builds")
        self._named: dict[str, set[asyncio.Task[None]]] = {}

    async def close(self) -> None:
        """Break off all builds."""
        await self._tasks.close()

    def cancel(self, identity: str) -> None:
        """Break off the builds that their client calls so."""
        for task in self._named.get(identity, ()):
            task.cancel()

    async def build(self, body: AsyncIterator[bytes], options: Options) -> AsyncIterator[Json]:
        """Build from the archive ``body``. Errors of the Dockerfile come before the first message.

        Closing the iterator breaks the build off, and nothing is left of it.
        """
        place = self._builder.workspace.place()
        try:
            messages = Messages(options.quiet)
            request = await self._request(body, options, place, messages)
            task = self._tasks.start(self._run(request, options, messages), "build")
            self._named.setdefault(options.identity, set()).add(task)
            try:
                async for message in messages.read():
                    yield message
            finally:
                task.cancel()
                await asyncio.wait([task])
                self._named[options.identity].discard(task)
                if not self._named[options.identity]:
                    del self._named[options.identity]
        finally:
            await contexts.discard(place)

    async def _request(
        self, body: AsyncIterator[bytes], options: Options, place: Path, messages: Messages
    ) -> BuildRequest:
        context = await (self._remote.get(options.remote, place) if options.remote else contexts.receive(body, place))
        try:
            dockerfile = contexts.read(context, options.dockerfile)
        except NotFound:
            raise InvalidParameter(f"Cannot locate specified Dockerfile: {options.dockerfile}") from None
        if not dockerfile.strip():
            raise InvalidParameter(f"the Dockerfile ({options.dockerfile}) cannot be empty")
        ignored = contexts.ignored(context, options.dockerfile)
        await asyncio.to_thread(contexts.clear, context, ignored)
        return BuildRequest(
            dockerfile=dockerfile,
            context=context,
            target=options.target,
            arguments=options.arguments,
            labels=options.labels,
            platform=options.platform,
            names=options.names,
            pull=options.pull,
            ignore_cache=options.no_cache,
            host=options.host,
            epoch=epoch_of(options.arguments),
            ignored=ignored,
            why=options.why,
            lock=lock_of(options.lock),
            transfer=self._carrier.transfer(options.cache_from, options.cache_to, options.auth, messages.caution),
        )

    async def _run(self, request: BuildRequest, options: Options, messages: Messages) -> None:
        try:
            bases = PulledBases(self._images, self._puller, options.auth)
            if options.call:
                checked = await self._builder.check(request, bases)
                messages.tell({"aux": answer(checked, options.call, options.dockerfile, request.dockerfile)})
                messages.finish()
                return
            built = await self._builder.build(request, bases, messages)
        except asyncio.CancelledError:
            messages.fail(BuildFailed("the build was cancelled"))
            raise
        except StepFailed as error:
            messages.fail(BuildFailed(_classic(error), error.code or 1))
        except Exception as error:
            messages.fail(error)
        else:
            if built.unused:
                shown = " ".join(built.unused)
                messages.tell({"stream": f"[Warning] One or more build-args [{shown}] were not consumed\n"})
            if request.lock is not None:
                messages.tell({"aux": {"Lock": msgspec.to_builtins(request.lock.document)}})
            if options.quiet:
                messages.tell({"stream": f"{built.image.id}\n"})
            else:
                messages.tell({"aux": {"ID": built.image.id}})
                messages.tell({"stream": f"Successfully built {short(built.image.id)}\n"})
                for name in options.names:
                    messages.tell({"stream": f"Successfully tagged {name.familiar()}\n"})
            messages.finish()


def lock_of(text: str) -> Lock | None:
    if not text:
        return None
    return Lock(None if text == "record" else read(text.encode()))


def _classic(error: StepFailed) -> str:
    """The failure in the classic builder's words."""
    words = getattr(error.vertex.operation, "words", None)
    if error.code and words is not None:
        return f"The command '{' '.join(words)}' returned a non-zero code: {error.code}"
    return error.message


def epoch_of(arguments: Mapping[str, str]) -> int | None:
    """SOURCE_DATE_EPOCH, in nanoseconds."""
    text = arguments.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 10:
        raise InvalidParameter(f"invalid SOURCE_DATE_EPOCH: {text}")
    return int(text) * 1_000_000_000
