"""From a container's record to its OCI configuration: the processes it runs and the sandbox around them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from havre.engine.container import merge, mounts, users, validate
from havre.engine.container.ocisecurity import Confinement, rlimits
from havre.engine.container.record import Container
from havre.errors import InvalidParameter
from havre.kernel.cgroupdriver import CgroupDriver
from havre.runtime.spec import Process, Sandbox, base_mounts, bind, build
from havre.wire.containers import HostConfig

INIT_TARGET = "/sbin/docker-init"


class SpecWriter:
    """Builds configurations. ``init`` is the host's init program for ``--init``, None when there is none."""

    def __init__(self, driver: CgroupDriver, init: Path | None, confinement: Confinement) -> None:
        self._driver = driver
        self._init = init
        self._confinement = confinement

    def container(self, container: Container, rootfs: Path, files: Path, netns: str | None) -> dict[str, Any]:
        """``config.json``. ``files`` holds hosts, hostname and resolv.conf; ``netns`` is a path, "" for a new one, None
        for the host's. The root file system must be mounted: users are looked up in it.
        """
        host, config = container.host, container.config
        arguments = [container.path, *container.args]
        binds = mounts.to_oci(container.mounts)
        if host.init:
            if self._init is None:
                raise InvalidParameter("--init needs an init program on the host: install tini")
            arguments = [INIT_TARGET, "--", *arguments]
            binds.append(bind(str(self._init), INIT_TARGET, "ro"))
        process = self._process(container, rootfs, arguments)
        nodes, accesses = self._confinement.devices(host)
        # On cgroup v1 Docker shares the host's cgroup namespace by default; a private one there is what the record
        # asks.
        own_cgroup = host.cgroupns_mode != "host"
        sandbox = Sandbox(
            rootfs=str(rootfs),
            hostname=config.hostname,
            cgroup=self._driver.words(container.cgroup),
            namespaces=_namespaces(host, netns, own_cgroup),
            readonly_rootfs=host.readonly_rootfs,
            mounts=[*_pseudo(host), *_etc(container, files), *binds],
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
        base = merge.environment(msgspec.structs.replace(container.config, tty=tty))
        overridden = {entry.partition("=")[0] for entry in env}
        process = Process(
            args=arguments,
            env=[entry for entry in base if entry.partition("=")[0] not in overridden] + [e for e in env if "=" in e],
            cwd=cwd or container.config.working_dir or "/",
            user=users.resolve(rootfs, user or container.config.user, host.group_add or ()),
            capabilities=self._confinement.capabilities(host, privileged),
            terminal=tty,
            console_size=console_size,
            no_new_privileges=self._confinement.no_new_privileges(host),
            rlimits=rlimits(host),
        )
        return process.to_oci()

    def _process(self, container: Container, rootfs: Path, arguments: list[str]) -> Process:
        host, config = container.host, container.config
        return Process(
            args=arguments,
            env=merge.environment(config),
            cwd=config.working_dir or "/",
            user=users.resolve(rootfs, config.user, host.group_add or ()),
            capabilities=self._confinement.capabilities(host),
            terminal=config.tty,
            console_size=validate.console_size(host.console_size),
            no_new_privileges=self._confinement.no_new_privileges(host),
            rlimits=rlimits(host),
            oom_score_adj=host.oom_score_adj or None,
        )


def _namespaces(host: HostConfig, netns: str | None, own_cgroup: bool) -> dict[str, str]:
    spaces = {"mount": ""}
    for kind, mode in (("pid", host.pid_mode), ("ipc", host.ipc_mode), ("uts", host.uts_mode)):
        if mode != "host":
            spaces[kind] = ""
    if netns is not None:
        spaces["network"] = netns
    if own_cgroup:
        spaces["cgroup"] = ""
    return spaces


def _pseudo(host: HostConfig) -> list[dict[str, Any]]:
    taken = set(host.tmpfs or {})
    pseudo = base_mounts(host.shm_size, host.privileged, host.ipc_mode == "host")
    # The host's /dev/mqueue, for --ipc host, is not there where nobody mounted it.
    there = [mount for mount in pseudo if mount["type"] != "bind" or os.path.exists(mount["source"])]
    return [mount for mount in there if mount["destination"] not in taken]


def _etc(container: Container, files: Path) -> list[dict[str, Any]]:
    taken = {mount.point.destination for mount in container.mounts}
    mode = "ro" if container.host.readonly_rootfs else "rw"
    return [
        bind(str(files / name), f"/etc/{name}", mode, "rprivate")
        for name in ("resolv.conf", "hostname", "hosts")
        if f"/etc/{name}" not in taken
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
