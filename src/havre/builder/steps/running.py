"""RUN: a command in the root file system, with what its mounts show."""

import os
import posixpath
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec

from havre.builder.execution import BindMount, Execution, Executor, TemporaryMount
from havre.builder.failures import StepFailed
from havre.builder.files.checksums import Note, checksum
from havre.builder.files.placing import Dress, Placer
from havre.builder.files.selecting import opened
from havre.builder.mounts import CacheMounts
from havre.builder.plan.planning import PIPES
from havre.builder.plan.vertices import Execute, RunMount
from havre.builder.secrets import Secrets
from havre.builder.steps import Task, identity, stubs
from havre.builder.steps.copying import directory, in_thread, noting, owned
from havre.builder.trees import Directory, Layer, Result, Tree
from havre.builder.workspace import Workspace
from havre.lib.dockerignore import Ignore
from havre.lib.ids import new_id
from havre.wire.containers import HostConfig

_SSH_SOCKET = "/run/buildkit/ssh_agent.{}"
_ALWAYS = ("/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class Running:
    """Carries out ``Execute``. ``host`` has the limits and names that the build asks for."""

    workspace: Workspace
    executor: Executor
    caches: CacheMounts
    secrets: Secrets
    host: HostConfig
    epoch: int | None = None
    allow_insecure: bool = False
    now: Callable[[], int] = field(default=time.time_ns)

    async def origin_parts(self, task: Task) -> dict[str, str] | None:
        mounted = {
            f"mount {mount.target}": identity(task.inputs[mount.input])
            for mount in _operation(task).mounts
            if mount.kind == "bind" and mount.input is not None
        }
        return {**self._parts(task), **mounted} if all(mounted.values()) else None

    async def content_parts(self, task: Task) -> dict[str, str]:
        parts = self._parts(task)
        for mount in _operation(task).mounts:
            if mount.kind != "bind" or mount.input is None:
                continue
            source = task.inputs[mount.input]
            if isinstance(source, Tree):
                parts[f"mount {mount.target}"] = identity(source)
            else:
                parts[f"mount {mount.target}"] = await in_thread(
                    _checksum, source, mount.source, noting(task, f"mount {mount.target}")
                )
        return parts

    def _parts(self, task: Task) -> dict[str, str]:
        words = asdict(replace(_operation(task), hidden=()))
        return {"run": msgspec.json.encode(words).decode(), "root": identity(task.inputs[0])}

    async def run(self, task: Task) -> Layer | None:
        operation = _operation(task)
        if operation.security == "insecure" and not self.allow_insecure:
            raise StepFailed(task.vertex, "security.insecure is not allowed")
        async with AsyncExitStack() as stack:
            active = await stack.enter_async_context(self.workspace.writable(task.root, self.executor.underlay))
            mounts = _Mounts(self, task, stack)
            await mounts.prepare(operation)
            targets = [*_ALWAYS, *(bind.target for bind in mounts.binds), *(one.target for one in mounts.temporary)]
            with directory(active.path) as root:
                noted = stubs.missing(root, targets)
                execution = Execution(
                    id=new_id(),
                    rootfs=active.path,
                    words=operation.words,
                    environment=(*operation.environment, *operation.hidden, *mounts.environment),
                    directory=operation.directory,
                    user=operation.user,
                    network=operation.network,
                    privileged=operation.security == "insecure",
                    host=self.host,
                    binds=tuple(mounts.binds),
                    temporary=tuple(mounts.temporary),
                )
                code = await self.executor.run(execution, task.write)
                if code:
                    shown = " ".join(operation.words)
                    raise StepFailed(
                        task.vertex, f'process "{shown}" did not complete successfully: exit code: {code}', code
                    )
                stubs.clear(root, noted)
            created = self.now() if self.epoch is None else self.epoch
            return await self.workspace.sealed(active, task.root, created)


class _Mounts:
    """What one command's mounts show, made ready; given up with ``stack``."""

    def __init__(self, step: Running, task: Task, stack: AsyncExitStack) -> None:
        self._step = step
        self._task = task
        self._stack = stack
        self._place: Path | None = None
        self.binds: list[BindMount] = []
        self.temporary: list[TemporaryMount] = []
        self.environment: list[str] = []

    async def prepare(self, operation: Execute) -> None:
        for number, script in enumerate(operation.files):
            path = self._own() / f"script{number}"
            path.write_bytes(script.content.encode("utf-8", "surrogateescape"))
            path.chmod(0o755)
            self.binds.append(BindMount(path, posixpath.join(PIPES, script.name), True))
        for number, mount in enumerate(operation.mounts):
            if mount.kind == "tmpfs":
                self.temporary.append(TemporaryMount(mount.target, mount.size))
            elif mount.kind == "cache":
                await self._cache(mount)
            elif mount.kind == "secret":
                await self._secret(mount, number)
            elif mount.kind == "ssh":
                await self._ssh(mount, number)
            else:
                await self._bind(mount)

    def _own(self) -> Path:
        """A directory for small files of this command's."""
        if self._place is None:
            place = self._step.workspace.place()
            self._stack.callback(_remove, place)
            self._place = place
        return self._place

    async def _bind(self, mount: RunMount) -> None:
        assert mount.input is not None
        source = self._task.inputs[mount.input]
        if mount.readonly:
            path = await self._shown(source)
        elif isinstance(source, Tree):
            # What is written goes with the command.
            path = (await self._stack.enter_async_context(self._step.workspace.writable(source))).path
        else:
            path = (await self._stack.enter_async_context(self._step.workspace.writable(Tree()))).path
            await in_thread(_copied, source.path, path)
        self.binds.append(BindMount(await in_thread(_inside, path, mount.source), mount.target, mount.readonly))

    async def _shown(self, source: Result) -> Path:
        if isinstance(source, Directory):
            return source.path
        return await self._stack.enter_async_context(self._step.workspace.readable(source))

    async def _cache(self, mount: RunMount) -> None:
        use = self._step.caches.use(mount.identity or mount.target, mount.sharing, mount.mode, mount.uid, mount.gid)
        path, new = await self._stack.enter_async_context(use)
        if new and mount.input is not None:
            origin = await self._shown(self._task.inputs[mount.input])
            await in_thread(_copied, await in_thread(_inside, origin, mount.source), path)
        self.binds.append(BindMount(path, mount.target, mount.readonly))

    async def _secret(self, mount: RunMount, number: int) -> None:
        value = await self._step.secrets.secret(mount.identity)
        if value is None:
            if mount.required:
                raise StepFailed(self._task.vertex, f"secret {mount.identity}: not found")
            return
        if mount.environment is not None:
            self.environment.append(f"{mount.environment}={value.decode('utf-8', 'surrogateescape')}")
        if mount.target:
            path = self._own() / f"secret{number}"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
            with os.fdopen(fd, "wb") as file:
                file.write(value)
            os.chown(path, mount.uid or 0, mount.gid or 0)
            path.chmod(0o400 if mount.mode is None else mount.mode)
            self.binds.append(BindMount(path, mount.target, True))

    async def _ssh(self, mount: RunMount, number: int) -> None:
        path = self._own() / f"ssh{number}"
        agent = await self._stack.enter_async_context(
            self._step.secrets.agent(mount.identity or "default", path, mount.uid or 0, mount.gid or 0, mount.mode)
        )
        if not agent:
            if mount.required:
                raise StepFailed(
                    self._task.vertex, f"no SSH key {mount.identity or 'default'} forwarded from the client"
                )
            return
        target = mount.target or _SSH_SOCKET.format(number)
        self.binds.append(BindMount(path, target, True))
        if not any(entry.startswith("SSH_AUTH_SOCK=") for entry in self.environment):
            self.environment.append(f"SSH_AUTH_SOCK={target}")


def _operation(task: Task) -> Execute:
    operation = task.vertex.operation
    assert isinstance(operation, Execute)
    return operation


def _checksum(source: Directory, path: str, note: Note) -> str:
    with directory(source.path) as tree:
        return checksum(tree, [path], Ignore(), owned(source), note)


def _inside(root: Path, path: str) -> Path:
    """The file ``path`` in the tree at ``root``, links in it resolved inside that."""
    with directory(root) as tree:
        fd = opened(tree, path.strip("/"))
        try:
            return Path(os.readlink(f"/proc/self/fd/{fd}"))
        finally:
            os.close(fd)


def _copied(source: Path, target: Path) -> None:
    with directory(source) as reading, directory(target) as writing:
        placer = Placer(writing, Dress())
        placer.put(reading, "", "/", Ignore())
        placer.finish()


def _remove(place: Path) -> None:
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
