"""What Docker tells about the engine itself: info, version, disk usage, and who may log in to a registry."""

import asyncio
import os
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from havre import __version__
from havre.engine import hostreport
from havre.engine.events import Events
from havre.image.remote.config import HUB_NAMES, RegistryConfig
from havre.kernel import hostinfo
from havre.kernel.cgrouplimits import Support
from havre.kernel.cgroups import Cgroups
from havre.lib import times
from havre.runtime.cdi import Specifications
from havre.store.files import write_atomic
from havre.wire import versions
from havre.wire.filters import Filters

Json = dict[str, Any]

_INDEX = "https://index.docker.io/v1/"
_HUB = "docker.io"
_INSECURE_CIDRS = ("127.0.0.0/8", "::1/128")
# GOARCH, which clients compare with, for what the kernel calls the machine.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_PROXIES = {"HttpProxy": "HTTP_PROXY", "HttpsProxy": "HTTPS_PROXY", "NoProxy": "NO_PROXY"}
# The name Docker has for the init process of containers.
_INIT = "docker-init"
_FEATURES = "org.opencontainers.runtime-spec.features"


class ContainerListing(Protocol):
    """Lists containers, as ``GET /containers/json`` does."""

    async def list(self, all: bool, limit: int | None, size: bool, filters: Filters) -> list[Json]: ...


class ImageUsage(Protocol):
    """Knows how many images there are and what they take."""

    def count(self) -> int:
        """How many images there are."""

    async def disk_usage(self) -> Json:
        """``{"LayersSize": bytes, "Images": […]}``."""


class VolumeUsage(Protocol):
    """Knows what volumes take."""

    async def disk_usage(self) -> list[Json]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What the configuration and the host settle for the daemon's life. ``runtimes`` maps names to programs;
    ``exposed`` are the addresses that anybody on the network may use, and whether they are encrypted;
    ``firewall_warnings`` says which firewalls of others stand in the way, and may block.
    """

    identity: str
    data_root: Path
    cgroups: Cgroups
    support: Support
    storage_driver: str
    log_driver: str
    default_runtime: str
    runtimes: Mapping[str, str]
    conmon: str = "conmon"
    firewall: str = "nftables"
    log_drivers: tuple[str, ...] = ()
    network_drivers: tuple[str, ...] = ()
    volume_drivers: Callable[[], list[str]] = list
    address_pools: tuple[tuple[str, int], ...] = ()
    registries: RegistryConfig = field(default_factory=RegistryConfig)
    live_restore: bool = False
    init_binary: str = ""
    cgroup_driver: str = "cgroupfs"
    private_cgroups: bool = False
    seccomp_profile: str = ""
    no_new_privileges: bool = False
    cdi_spec_dirs: tuple[str, ...] = ()
    exposed: tuple[tuple[str, bool], ...] = ()
    firewall_warnings: Callable[[], list[str]] = list


@dataclass(slots=True)
class System:
    """``docker info``, ``version``, ``system df``, ``login``. ``states`` gives the state of every container."""

    facts: Facts
    events: Events
    states: Callable[[], Iterable[str]]
    listing: ContainerListing
    images: ImageUsage
    volumes: VolumeUsage
    check_auth: Callable[[Any], Awaitable[Json]]
    build_cache: Callable[[], Awaitable[list[Json]]]
    labels: tuple[str, ...] = ()
    debug: bool = False
    host: hostinfo.Host = field(default_factory=hostinfo.host)
    _answers: dict[tuple[str, str], str] = field(default_factory=dict)

    def reload(self, labels: tuple[str, ...], debug: bool, registries: RegistryConfig) -> None:
        """Take over what may change while the daemon runs."""
        self.labels, self.debug = labels, debug
        self.facts = replace(self.facts, registries=registries)
        attributes = {
            "name": self.host.name,
            "labels": " ".join(labels),
            "debug": str(debug).lower(),
            "insecure-registries": msgspec.json.encode(registries.insecure).decode(),
            "registry-mirrors": msgspec.json.encode(registries.mirrors).decode(),
            "max-concurrent-downloads": str(registries.downloads),
        }
        self.events.publish("daemon", "reload", self.facts.identity, attributes)

    async def info(self) -> Json:
        """Everything ``GET /info`` has in API 1.51."""
        facts, version = self.facts, self.facts.cgroups.version
        support = facts.support
        limits = hostreport.limits(support, version)
        # Files, and those of a machine full of GPUs are long.
        found = await asyncio.to_thread(Specifications(facts.cdi_spec_dirs).find)
        devices = [{"Source": "cdi", "ID": name} for name in sorted(found.devices)]
        warnings = [
            *hostreport.warnings(support, version, limits, facts.exposed),
            *(f"WARNING: {text}" for text in await asyncio.to_thread(facts.firewall_warnings)),
            *(f"CDI: Error associated with spec file {path}: {error}" for path, error in found.errors.items()),
        ]
        return {
            "ID": facts.identity,
            **self._objects(),
            **self._storage(),
            "Plugins": self._plugins(),
            **limits,
            "CgroupDriver": facts.cgroup_driver,
            **self._process(),
            **self._host(),
            **self._registries(),
            **await self._runtimes(),
            "Swarm": _NO_SWARM,
            "LiveRestoreEnabled": facts.live_restore,
            "Isolation": "",
            "SecurityOptions": hostreport.security_options(
                facts.seccomp_profile, facts.no_new_privileges, facts.private_cgroups
            ),
            **self._address_pools(),
            "FirewallBackend": {"Driver": facts.firewall},
            "CDISpecDirs": list(facts.cdi_spec_dirs),
            **({"DiscoveredDevices": devices} if devices else {}),
            "Warnings": warnings or None,
        }

    async def version(self) -> Json:
        """Everything ``GET /version`` has."""
        engine = {
            "Version": __version__,
            "ApiVersion": versions.MAX,
            "MinAPIVersion": versions.MIN,
            "GitCommit": "",
            # The field's name is Docker's; what stands there is the language this engine is written in.
            "GoVersion": "python{}.{}.{}".format(*sys.version_info[:3]),
            "Os": "linux",
            "Arch": _ARCHITECTURES.get(self.host.architecture, self.host.architecture),
            "KernelVersion": self.host.kernel,
            "BuildTime": "",
        }
        details = {**{key: value for key, value in engine.items() if key != "Version"}, "Experimental": "false"}
        components: list[Json] = [{"Name": "Engine", "Version": __version__, "Details": details}]
        programs = [*self.facts.runtimes.items(), ("conmon", self.facts.conmon)]
        if self.facts.init_binary:
            programs.append((_INIT, self.facts.init_binary))
        answers = await asyncio.gather(*(self._said(program, "--version") for _, program in programs))
        for (name, _), answer in zip(programs, answers, strict=True):
            number, commit = _split_version(answer)
            components.append({"Name": name, "Version": number, "Details": {"GitCommit": commit}})
        return {"Platform": {"Name": f"havre {__version__}"}, "Components": components, **engine}

    async def disk_usage(self, types: frozenset[str]) -> Json:
        """Sizes of ``types`` (container, image, volume, build-cache), measured now; the others are null."""
        images: Json = await self.images.disk_usage() if "image" in types else {}
        return {
            "LayersSize": images.get("LayersSize", 0),
            "Images": images.get("Images"),
            "Containers": await self.listing.list(True, None, True, Filters()) if "container" in types else None,
            "Volumes": await self.volumes.disk_usage() if "volume" in types else None,
            "BuildCache": await self.build_cache() if "build-cache" in types else None,
        }

    async def login(self, auth: Any) -> Json:
        """Check credentials at their registry; ``{"Status", "IdentityToken"}`` or ``Unauthorized``."""
        return await self.check_auth(auth)

    def _objects(self) -> Json:
        states = list(self.states())
        running, paused = states.count("running"), states.count("paused")
        return {
            "Containers": len(states),
            "ContainersRunning": running,
            "ContainersPaused": paused,
            "ContainersStopped": len(states) - running - paused,
            "Images": self.images.count(),
        }

    def _storage(self) -> Json:
        backing = hostinfo.file_system(self.facts.data_root)
        return {
            "Driver": self.facts.storage_driver,
            "DriverStatus": [
                # Docker knows file systems by the number in their superblock, which these have in common.
                ["Backing Filesystem", "extfs" if backing in ("ext2", "ext3", "ext4") else backing],
                ["Supports d_type", "true"],
                ["Using metacopy", "false"],
                ["Native Overlay Diff", "true"],
                ["userxattr", "false"],
            ],
            "DockerRootDir": str(self.facts.data_root),
        }

    def _plugins(self) -> Json:
        return {
            "Volume": self.facts.volume_drivers(),
            "Network": list(self.facts.network_drivers),
            "Authorization": None,
            "Log": list(self.facts.log_drivers),
        }

    def _address_pools(self) -> Json:
        pools = [{"Base": base, "Size": size} for base, size in self.facts.address_pools]
        return {"DefaultAddressPools": pools} if pools else {}

    def _process(self) -> Json:
        return {
            "Debug": self.debug,
            "NFd": hostinfo.open_files(),
            "NGoroutines": len(asyncio.all_tasks()),
            "NEventsListener": self.events.listeners,
            "SystemTime": times.rfc3339nano(time.time_ns()),
            "LoggingDriver": self.facts.log_driver,
            "Labels": list(self.labels),
            "ExperimentalBuild": False,
            "ServerVersion": __version__,
            **{key: _proxy(name) for key, name in _PROXIES.items()},
        }

    def _host(self) -> Json:
        return {
            "Name": self.host.name,
            "KernelVersion": self.host.kernel,
            "OperatingSystem": self.host.system,
            "OSVersion": self.host.system_version,
            "OSType": "linux",
            "Architecture": self.host.architecture,
            "NCPU": self.host.processors,
            "MemTotal": self.host.memory,
            "GenericResources": None,
        }

    def _registries(self) -> Json:
        registries = self.facts.registries
        insecure = registries.insecure
        mirrors = [_slashed(mirror) for mirror in registries.mirrors]
        named = {host: settings for host, settings in registries.hosts.items() if host not in HUB_NAMES}
        hosts = {
            **{name: _index(name, secure=False) for name in insecure if "/" not in name},
            **{
                name: _index(name, one.mirrors, secure=not (one.insecure or name in insecure))
                for name, one in named.items()
            },
        }
        official = _index(_HUB, registries.all_mirrors(_HUB), official=True)
        return {
            "IndexServerAddress": _INDEX,
            "RegistryConfig": {
                "IndexConfigs": {**hosts, _HUB: official},
                "InsecureRegistryCIDRs": [*_INSECURE_CIDRS, *(name for name in insecure if "/" in name)],
                "Mirrors": mirrors or None,
            },
        }

    async def _runtimes(self) -> Json:
        facts = self.facts
        programs = dict.fromkeys((*facts.runtimes.values(), facts.init_binary))
        await asyncio.gather(*(self._said(program, "--version") for program in programs))
        features = await asyncio.gather(*(self._features(program) for program in facts.runtimes.values()))
        runtimes = zip(facts.runtimes.items(), features, strict=True)
        return {
            "Runtimes": {name: {"path": program, **status} for (name, program), status in runtimes},
            "DefaultRuntime": facts.default_runtime,
            "InitBinary": facts.init_binary,
            "ContainerdCommit": {"ID": ""},
            "RuncCommit": {"ID": await self._commit(facts.runtimes.get(facts.default_runtime, ""))},
            "InitCommit": {"ID": await self._commit(facts.init_binary)},
        }

    async def _commit(self, program: str) -> str:
        return _split_version(await self._said(program, "--version"))[1]

    async def _features(self, program: str) -> Json:
        """What a runtime can do, in its own words; nothing if it has none."""
        try:
            features = msgspec.json.decode(await self._said(program, "features"))
        except msgspec.DecodeError:
            return {}
        return {"status": {_FEATURES: msgspec.json.encode(features).decode()}}

    async def _said(self, program: str, word: str) -> str:
        """What ``program`` prints when called with ``word``, asked once; empty when it cannot be run."""
        if not program:
            return ""
        if (program, word) not in self._answers:
            try:
                process = await asyncio.create_subprocess_exec(
                    program,
                    word,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
            except OSError:
                return ""
            output, _ = await process.communicate()
            self._answers[program, word] = output.decode(errors="replace")
        return self._answers[program, word]


def _index(name: str, mirrors: Iterable[str] = (), *, secure: bool = True, official: bool = False) -> Json:
    return {"Name": name, "Mirrors": [_slashed(url) for url in mirrors], "Secure": secure, "Official": official}


def _slashed(url: str) -> str:
    return f"{url.rstrip('/')}/"


def identity(path: Path) -> str:
    """The engine's id, kept in the file at ``path``, which is made when it is not there."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        made = str(uuid.uuid4())
        write_atomic(path, f"{made}\n".encode(), 0o600)
        return made


_NO_SWARM: Json = {
    "NodeID": "",
    "NodeAddr": "",
    "LocalNodeState": "inactive",
    "ControlAvailable": False,
    "Error": "",
    "RemoteManagers": None,
}


def _proxy(name: str) -> str:
    value = os.environ.get(name) or os.environ.get(name.lower(), "")
    return value if name == "NO_PROXY" else hostreport.masked(value)


def _split_version(text: str) -> tuple[str, str]:
    """The number and the commit in what a program says of its version; empty where it says none."""
    number = re.search(r"version:?\s+(\S+)", text)
    commit = re.search(r"(?:commit:?\s+|git\.)(\S+)", text)
    return number[1] if number else "", commit[1] if commit else ""
