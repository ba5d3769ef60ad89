"""What a container is: the record that is written to the database on every change, and its state.

Times are nanoseconds since the epoch, 0 for "never". A record is replaced, not changed: every change makes a new one.
"""

import os
from typing import Any

import msgspec

from havre.wire.containers import ContainerConfig, EndpointSettings, HostConfig, MountPoint, PortBinding

CREATED = "created"
RUNNING = "running"
PAUSED = "paused"
RESTARTING = "restarting"
REMOVING = "removing"
EXITED = "exited"
DEAD = "dead"


class HealthResult(msgspec.Struct, frozen=True):
    """One run of a health check; ``output`` is what it wrote, cut off at 4096 bytes."""

    start: int
    end: int
    exit_code: int
    output: str


class Health(msgspec.Struct, frozen=True):
    """What a container's health check has found: ``status`` starting, healthy or unhealthy, and the last results."""

    status: str
    failing_streak: int = 0
    log: tuple[HealthResult, ...] = ()


class State(msgspec.Struct, frozen=True):
    """Where a container is in its life. ``pid_start`` tells the process from a later one of the same number."""

    status: str = CREATED
    pid: int = 0
    pid_start: int = 0
    conmon_pid: int = 0
    conmon_start: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: int = 0
    finished_at: int = 0
    # As it was when the container last ended; None when it has no check or never ran.
    health: Health | None = None

    @property
    def running(self) -> bool:
        """Whether it has a process: running or paused."""
        return self.status in (RUNNING, PAUSED)


class MountRecord(msgspec.Struct, frozen=True):
    """A mount as decided at create. ``options`` are those of the OCI mount; ``copy_up``: an empty volume takes the
    image's files. ``image`` is the id of a mounted image; ``subpath`` the part of a volume or image that is mounted;
    ``make_source``: a bind whose missing source is made.
    """

    point: MountPoint
    options: tuple[str, ...] = ()
    copy_up: bool = False
    anonymous: bool = False
    hidden: bool = False
    image: str = ""
    subpath: str = ""
    make_source: bool = False


class Container(msgspec.Struct, frozen=True):
    """A container. ``image`` is the image's id, ``config.image`` what the user called it; ``path`` and ``args`` the
    command.
    """

    id: str
    name: str
    created: int
    image: str
    config: ContainerConfig
    host: HostConfig
    path: str
    args: tuple[str, ...]
    runtime: str
    mounts: tuple[MountRecord, ...] = ()
    endpoints: dict[str, EndpointSettings] = msgspec.field(default_factory=dict)
    # What is published while it runs: "80/tcp" to host addresses and ports.
    ports: dict[str, list[PortBinding]] = msgspec.field(default_factory=dict)
    # The MAC address it has on each network while it runs; the settings keep the one that was asked for.
    mac_addresses: dict[str, str] = msgspec.field(default_factory=dict)
    state: State = State()
    restart_count: int = 0
    # Its pause is a commit's, which ends with it, or with the daemon.
    paused_for_commit: bool = False
    # The user stopped it: a restart policy of "unless-stopped" or "always" leaves it alone.
    stopped_by_user: bool = False
    platform: str = "linux"
    manifest: dict[str, Any] | None = None
    # The containers it is linked to, by their aliases here.
    links: dict[str, str] = msgspec.field(default_factory=dict)
    # Where its control group lies, by the driver of the daemon that made or last started it.
    group: str = ""

    @property
    def short_id(self) -> str:
        return self.id[:12]

    @property
    def hostname(self) -> str:
        return self.config.hostname

    @property
    def cgroup(self) -> str:
        """The path of its cgroup below the hierarchy roots."""
        if self.group:
            return self.group
        return os.path.normpath(f"/{(self.host.cgroup_parent or 'havre').strip('/')}/{self.id}")

    def with_state(self, **changes: Any) -> "Container":
        """A copy whose state differs by ``changes``."""
        return msgspec.structs.replace(self, state=msgspec.structs.replace(self.state, **changes))

    def replace(self, **changes: Any) -> "Container":
        """A copy that differs by ``changes``."""
        return msgspec.structs.replace(self, **changes)

    def event_attributes(self, **more: str) -> dict[str, str]:
        """What every event about it carries: image, name and labels."""
        return {**(self.config.labels or {}), "image": self.config.image, "name": self.name, **more}
