"""Commands of builds: run like containers, with their namespaces, limits and defaults, but without a record.

The builder comes in here; it asks for no more than ``builder.execution.Executor``. What a killed daemon leaves of a
command (a bundle without a record) the recovery of containers clears away.
"""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from havre.engine.container import modes, network
from havre.engine.container.etc import EtcFiles
from havre.engine.container.joins import Joins
from havre.engine.container.ocispec import Place, SpecWriter
from havre.engine.container.plugs import Plugs
from havre.engine.container.record import Container
from havre.engine.container.release import Releaser
from havre.engine.container.rootfs import replace_links
from havre.engine.container.rules import HostRules
from havre.errors import StartFailed
from havre.kernel.cgroups import Cgroups
from havre.network.networks import Networks
from havre.runtime.runtimes.probe import Runtimes
from havre.runtime.spec import READONLY_PATHS, bind, tmpfs
from havre.store.layout import Layout
from havre.wire.containers import ContainerConfig, EndpointSettings, HostConfig

_READ = 64 << 10
_NETWORKS = {"": "bridge", "default": "bridge"}


class Bind(Protocol):
    """Files of the host at ``target``."""

    @property
    def source(self) -> Path: ...
    @property
    def target(self) -> str: ...
    @property
    def readonly(self) -> bool: ...


class Temporary(Protocol):
    """An empty file system in memory."""

    @property
    def target(self) -> str: ...
    @property
    def size(self) -> int | None: ...
    @property
    def mode(self) -> int | None: ...


class Command(Protocol):
    """What is to be run, in the builder's words; ``network`` is default, none or host."""

    @property
    def id(self) -> str: ...
    @property
    def rootfs(self) -> Path: ...
    @property
    def words(self) -> tuple[str, ...]: ...
    @property
    def environment(self) -> tuple[str, ...]: ...
    @property
    def directory(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def network(self) -> str: ...
    @property
    def privileged(self) -> bool: ...
    @property
    def host(self) -> HostConfig: ...
    @property
    def hostname(self) -> str: ...
    @property
    def binds(self) -> Sequence[Bind]: ...
    @property
    def temporary(self) -> Sequence[Temporary]: ...


@dataclass(frozen=True, slots=True)
class BuildRuns:
    """Runs commands of builds."""

    specs: SpecWriter
    rules: HostRules
    etc: EtcFiles
    networks: Networks
    plugs: Plugs
    releaser: Releaser
    joins: Joins
    runtimes: Runtimes
    cgroups: Cgroups
    layout: Layout
    cgroupns: str

    @property
    def underlay(self) -> Path:
        """The layer that every container has between its image's and its own."""
        return self.layout.init_layer

    async def run(self, command: Command, write: Callable[[int, bytes], None]) -> int:
        """Run the command and return its exit code. Cancelled, it ends the command first; nothing is left of it."""
        container = self._container(command)
        bundle = self.layout.bundle(container.id)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._release, container)
            bundle.mkdir(mode=0o700)
            self.layout.container(container.id).mkdir(mode=0o700)
            self.etc.prepare(container)
            joined = self.joins.open(container)
            undo.callback(joined.close)
            others = joined.namespaces
            netns = others["network"] if "network" in others else await self._network(container)
            replace_links(command.rootfs)
            place = Place(command.rootfs, joined.files or self.layout.container(container.id), netns)
            spec = self.specs.container(container, place)
            spec["mounts"] += _mounts(command)
            (bundle / "config.json").write_text(json.dumps(spec))
            return await self._run(container, bundle, write)

    def _container(self, command: Command) -> Container:
        """What a record of it would be."""
        mode = command.network if command.network in ("none", "host") else command.host.network_mode
        mode = _NETWORKS.get(mode, mode)
        asked = msgspec.structs.replace(
            command.host,
            privileged=command.privileged,
            network_mode=mode,
            ipc_mode="private",
            cgroupns_mode=self.cgroupns,
            readonly_paths=None if command.privileged else list(READONLY_PATHS),
        )
        host, _ = self.rules.settle(asked)
        config = ContainerConfig(
            hostname=command.hostname,
            env=list(command.environment),
            working_dir=command.directory,
            user=command.user,
        )
        own = mode not in ("none", "host") and modes.joined(mode) is None
        container = Container(
            id=command.id,
            name=f"build-{command.id[:12]}",
            created=time.time_ns(),
            image="",
            config=config,
            host=host,
            path=command.words[0],
            args=command.words[1:],
            runtime="",
            endpoints={mode: EndpointSettings()} if own else {},
        )
        return container.replace(group=self.specs.group(container))

    async def _network(self, container: Container) -> str | None:
        """Its network namespace: a path, "" for a new one without a network, None for the host's."""
        mode = container.host.network_mode
        if not network.own(container):
            self.etc.complete(container, [])
            return None if mode == "host" else ""
        path = await self.networks.sandbox_create(container.id)
        if network.named(container):
            await self.networks.names.attach(container.id, path, self.etc.upstream(container))
        endpoint = await self.plugs.plug(container, mode)
        self.etc.complete(container, [endpoint])
        return str(path)

    async def _run(self, container: Container, bundle: Path, write: Callable[[int, bytes], None]) -> int:
        runtime = self.runtimes.choose(container.runtime)
        log = bundle / "runtime.log"
        process = await asyncio.create_subprocess_exec(
            runtime.program,
            *runtime.arguments,
            *("--root", str(runtime.root), "--log", str(log), "--log-format", "json"),
            *("run", "--bundle", str(bundle), container.id),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None and process.stderr is not None
        try:
            await asyncio.gather(_passed(process.stdout, 1, write), _passed(process.stderr, 2, write))
            code = await process.wait()
        except BaseException:
            await asyncio.to_thread(self.cgroups.kill, container.cgroup)
            if process.returncode is None:
                process.kill()
            await process.wait()
            raise
        if code and (reason := _refusal(log)):
            raise StartFailed(f"runc run failed: {reason}")
        return code

    async def _release(self, container: Container) -> None:
        await asyncio.to_thread(self.cgroups.kill, container.cgroup)
        await self.releaser.release(container)
        shutil.rmtree(self.layout.container(container.id), ignore_errors=True)


async def _passed(stream: asyncio.StreamReader, number: int, write: Callable[[int, bytes], None]) -> None:
    while data := await stream.read(_READ):
        write(number, data)


def _mounts(command: Command) -> list[dict[str, Any]]:
    found = [bind(str(one.source), one.target, "ro" if one.readonly else "rw", "rprivate") for one in command.binds]
    for one in command.temporary:
        size = [f"size={one.size}"] if one.size is not None else []
        found.append(tmpfs(one.target, "exec", *size, *([f"mode={one.mode:o}"] if one.mode is not None else [])))
    return sorted(found, key=lambda mount: str(mount["destination"]).count("/"))


def _refusal(log: Path) -> str:
    """Why the runtime did not start the command; "" when it did."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("level") == "error":
            return str(record.get("msg", ""))
    return ""
