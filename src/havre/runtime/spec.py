"""The OCI runtime configuration (``config.json``) of a container. Pure: what it needs is handed in, nothing is looked
up.

Source: the OCI runtime specification 1.0.2, which the oldest supported runtime (runc 1.1) reads. Docker's defaults
stand here: mounts of the pseudo file systems, masked and read-only paths.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class User:
    """Who a process runs as, in numbers of the container."""

    uid: int
    gid: int
    additional_gids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Process:
    """One process: a container's first, or an exec's. ``console_size`` is (rows, columns)."""

    args: Sequence[str]
    env: Sequence[str]
    cwd: str
    user: User
    capabilities: Sequence[str]
    terminal: bool = False
    console_size: tuple[int, int] | None = None
    no_new_privileges: bool = False
    rlimits: Sequence[dict[str, Any]] = ()
    oom_score_adj: int | None = None

    def to_oci(self) -> dict[str, Any]:
        """The ``process`` object, which is also the whole file an exec hands to the runtime."""
        capabilities = list(self.capabilities)
        # A user other than root gets no effective set but keeps the bounding one, for setuid programs (moby does so
        # too).
        held = capabilities if self.user.uid == 0 else []
        process: dict[str, Any] = {
            "terminal": self.terminal,
            "user": {
                "uid": self.user.uid,
                "gid": self.user.gid,
                "additionalGids": list(self.user.additional_gids),
            },
            "args": list(self.args),
            "env": list(self.env),
            "cwd": self.cwd,
            "capabilities": {"bounding": capabilities, "effective": held, "permitted": held, "inheritable": []},
            "noNewPrivileges": self.no_new_privileges,
            "rlimits": list(self.rlimits),
        }
        if self.terminal and self.console_size is not None:
            process["consoleSize"] = {"height": self.console_size[0], "width": self.console_size[1]}
        if self.oom_score_adj is not None:
            process["oomScoreAdj"] = self.oom_score_adj
        return process


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What surrounds the process. A namespace mapped to "" is made new, one mapped to a path is joined."""

    rootfs: str
    hostname: str
    cgroup: str
    namespaces: dict[str, str]
    domainname: str = ""
    readonly_rootfs: bool = False
    mounts: Sequence[dict[str, Any]] = ()
    resources: dict[str, Any] = field(default_factory=dict)
    devices: Sequence[dict[str, Any]] = ()
    masked_paths: Sequence[str] = MASKED_PATHS
    readonly_paths: Sequence[str] = READONLY_PATHS
    sysctls: dict[str, str] = field(default_factory=dict)
    seccomp: dict[str, Any] | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    propagation: str = ""


def build(process: Process, sandbox: Sandbox) -> dict[str, Any]:
    """``config.json`` as a dict."""
    linux: dict[str, Any] = {
        "resources": sandbox.resources,
        "cgroupsPath": sandbox.cgroup,
        "namespaces": [
            {"type": kind, "path": path} if path else {"type": kind} for kind, path in sandbox.namespaces.items()
        ],
        "devices": list(sandbox.devices),
        "maskedPaths": list(sandbox.masked_paths),
        "readonlyPaths": list(sandbox.readonly_paths),
        "sysctl": sandbox.sysctls,
    }
    if sandbox.seccomp is not None:
        linux["seccomp"] = sandbox.seccomp
    if sandbox.propagation:
        linux["rootfsPropagation"] = sandbox.propagation
    config: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": process.to_oci(),
        "root": {"path": sandbox.rootfs, "readonly": sandbox.readonly_rootfs},
        "mounts": list(sandbox.mounts),
        "annotations": sandbox.annotations,
        "linux": linux,
    }
    # The runtime sets a host name only in a UTS namespace of the container's own.
    if "uts" in sandbox.namespaces:
        config["hostname"] = sandbox.hostname
    return config


def base_mounts(shm_size: int, privileged: bool, shm: str = "", host_ipc: bool = False) -> list[dict[str, Any]]:
    """The pseudo file systems of every container, parents before children.

    /dev/shm is what lies at ``shm``, or a new one of ``shm_size`` bytes; with ``host_ipc`` the message queues are the
    host's.
    """
    sys_mode = "rw" if privileged else "ro"
    mounts = [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
        ),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", sys_mode),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", sys_mode, "nosuid", "noexec", "nodev"),
    ]
    mqueue = _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev")
    mounts.append(bind("/dev/mqueue", "/dev/mqueue") if host_ipc else mqueue)
    if shm:
        mounts.append(bind(shm, "/dev/shm"))
    else:
        words = ("nosuid", "noexec", "nodev", "mode=1777", f"size={shm_size}")
        mounts.append(_mount("/dev/shm", "tmpfs", "shm", *words))
    return mounts


def bind(source: str, destination: str, *options: str) -> dict[str, Any]:
    """A recursive bind mount; ``options`` such as ``ro`` or ``rslave`` are added."""
    return _mount(destination, "bind", source, *([] if "bind" in options else ["rbind"]), *options)


def tmpfs(destination: str, *options: str) -> dict[str, Any]:
    """A tmpfs with Docker's safe options unless ``options`` contradict them."""
    defaults = [word for word in ("noexec", "nosuid", "nodev") if word.removeprefix("no") not in options]
    return _mount(destination, "tmpfs", "tmpfs", *dict.fromkeys([*defaults, *options]))


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}
