"""From a container's record to its OCI configuration: the processes it runs and the sandbox around them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from havre.engine.container import merge, mounts, users, validate, workdir
from havre.engine.container.changes import ETC_FILES
from havre.engine.container.links import Links
from havre.engine.container.ocisecurity import Confinement, rlimits
from havre.engine.container.record import Container
from havre.errors import InvalidParameter
from havre.kernel.cgroupdriver import CgroupDriver
from havre.runtime.spec import Process, Sandbox, base_mounts, bind, build
from havre.wire.containers import ContainerConfig, HostConfig

INIT_TARGET = "/sbin/docker-init"


@dataclass(frozen=True, slots=True)
class Place:
    """What a start has made ready for a container.

    ``rootfs`` is mounted: users are looked up in it. ``files`` holds hosts, hostname and resolv.conf. ``netns`` is a
    path, "" for a new one, None for the host's. ``shm`` is what is shown at /dev/shm, None for a new one. ``sources``
    are those of mounts that had to be prepared.
    """

    rootfs: Path
    files: Path
    netns: str | None
    joined: Mapping[str, str | None] = field(default_factory=dict)
    shm: Path | None = None
    sources: Mapping[int, Path] = field(default_factory=dict)


class SpecWriter:
    """Builds configurations. ``init`` is the host's init program for ``--init``, None when there is none."""

    def __init__(self, driver: CgroupDriver, init: Path | None, confinement: Confinement, links: Links) -> None:
        self._driver = driver
        self._init = init
        self._confinement = confinement
        self._links = links

    def group(self, container: Container) -> str:
        """Where the container's control group is to lie."""
        return self._driver.group(container.host.cgroup_parent, container.id)

    def container(self, container: Container, place: Place) -> dict[str, Any]:
        """``config.json``."""
        host, config = container.host, container.config
        arguments = [container.path, *container.args]
        binds = [*_etc(container, place.files), *mounts.to_oci(container.mounts, place.sources)]
        # A mount on /etc comes before those in it.
        binds.sort(key=lambda mount: mount["destination"].count("/"))
        if host.init:
            if self._init is None:
                raise InvalidParameter("--init needs an init program on the host: install tini")
            arguments = [INIT_TARGET, "--", *arguments]
            binds.append(bind(str(self._init), INIT_TARGET, "ro"))
        process = self._process(container, place.rootfs, arguments)
        nodes, accesses = self._confinement.devices(host)
        # On cgroup v1 Docker shares the host's cgroup namespace by default; a private one there is what the record
        # asks.
        own_cgroup = host.cgroupns_mode != "host"
        sandbox = Sandbox(
            rootfs=str(place.rootfs),
            hostname=config.hostname,
            cgroup=self._driver.words(container.cgroup),
            namespaces=_namespaces(host, place, own_cgroup),
            readonly_rootfs=host.readonly_rootfs,
            mounts=[*_pseudo(container, place.shm), *binds],
            resources=self._confinement.resources(host, nodes, accesses),
            devices=nodes,
            masked_paths=host.masked_paths or (),
            readonly_paths=host.readonly_paths or (),
            sysctls=dict(host.sysctls or {}),
            seccomp=self._confinement.seccomp(host, process.capabilities),
            annotations=dict(host.annotations or {}),
            propagation=_root_propagation(container),
        )
        spec = build(process, sandbox)
        if config.domainname and "uts" in sandbox.namespaces:
            spec["linux"]["sysctl"].setdefault("kernel.domainname", config.domainname)
        self._confinement.finish(host, spec)
        return spec

    def exec_process(
        self,
        container: Container,
        rootfs: Path,
        arguments: Sequence[str],
        *,
        env: Sequence[str],
        cwd: str,
        user: str,
        tty: bool,
        privileged: bool,
        console_size: tuple[int, int] | None,
    ) -> dict[str, Any]:
        """``process.json`` of an exec: the container's surroundings with the exec's own words."""
        host = container.host
        base = self._environment(msgspec.structs.replace(container.config, tty=tty), container)
        process = Process(
            args=arguments,
            env=merge.replaced(base, env),
            cwd=workdir.check(cwd or container.config.working_dir or "/", rootfs),
            user=users.resolve(rootfs, user or container.config.user, host.group_add or ()),
            capabilities=self._confinement.capabilities(host, privileged),
            terminal=tty,
            console_size=console_size,
            no_new_privileges=self._confinement.no_new_privileges(host),
            rlimits=rlimits(host),
        )
        words = process.to_oci()
        self._confinement.label(host, words)
        return words

    def _process(self, container: Container, rootfs: Path, arguments: list[str]) -> Process:
        host, config = container.host, container.config
        return Process(
            args=arguments,
            env=self._environment(config, container),
            cwd=workdir.check(config.working_dir or "/", rootfs),
            user=users.resolve(rootfs, config.user, host.group_add or ()),
            capabilities=self._confinement.capabilities(host),
            terminal=config.tty,
            console_size=validate.console_size(host.console_size),
            no_new_privileges=self._confinement.no_new_privileges(host),
            rlimits=rlimits(host),
            oom_score_adj=host.oom_score_adj or None,
        )

    def _environment(self, config: ContainerConfig, container: Container) -> list[str]:
        return merge.environment(config, self._links.environment(container))


def _namespaces(host: HostConfig, place: Place, own_cgroup: bool) -> dict[str, str]:
    modes = {"pid": host.pid_mode, "ipc": host.ipc_mode, "uts": host.uts_mode}
    wanted = {kind: None if mode == "host" else "" for kind, mode in modes.items()}
    wanted |= {"network": place.netns, "cgroup": "" if own_cgroup else None, **place.joined}
    return {"mount": ""} | {kind: path for kind, path in wanted.items() if path is not None}


def _pseudo(container: Container, shm: Path | None) -> list[dict[str, Any]]:
    host = container.host
    shared = Path("/dev/shm") if host.ipc_mode == "host" else shm
    taken = {mount.point.destination for mount in container.mounts}
    if host.ipc_mode == "none":
        taken.add("/dev/shm")
    pseudo = base_mounts(host.shm_size, host.privileged, str(shared) if shared else "", host.ipc_mode == "host")
    # The host's /dev/mqueue, for --ipc host, is not there where nobody mounted it.
    there = [mount for mount in pseudo if mount["type"] != "bind" or os.path.exists(mount["source"])]
    # A mount of the user's takes the place of ours. One on /dev brings with it what is in there.
    return [
        mount
        for mount in there
        if mount["destination"] not in taken and not ("/dev" in taken and mount["destination"].startswith("/dev/"))
    ]


def _etc(container: Container, files: Path) -> list[dict[str, Any]]:
    taken = {mount.point.destination for mount in container.mounts}
    mode = "ro" if container.host.readonly_rootfs else "rw"
    return [
        bind(str(files / name), f"/etc/{name}", mode, "rprivate") for name in ETC_FILES if f"/etc/{name}" not in taken
    ]


def _root_propagation(container: Container) -> str:
    # A mount that should pass on host mounts needs a root that does.
    modes = {mount.point.propagation for mount in container.mounts}
    if modes & {"shared", "rshared"}:
        return "shared"
    if modes & {"slave", "rslave"}:
        return "rslave"
    return "rprivate"


def find_init() -> Path | None:
    """The host's init program for ``--init``: static, since it runs in foreign root file systems."""
    for candidate in ("docker-init", "tini-static", "catatonit"):
        for folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/libexec/podman", "/bin", "/sbin"):
            path = Path(folder, candidate)
            if os.access(path, os.X_OK):
                return path
    return None
