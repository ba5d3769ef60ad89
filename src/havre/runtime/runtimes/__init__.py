"""OCI runtimes: the programs that make namespaces and cgroups.

A container's life as its runtime sees it: *create* (made by conmon, which stays the parent of the container's first
process: see ``runtime.conmon``) leaves the process waiting, namespaces and cgroup ready; ``start`` lets it run; when it
has ended, ``delete`` removes what the runtime keeps about it. ``update`` changes limits meanwhile. Everything else
(signals, freezing, listing) is the kernel's, by pidfd and cgroup, and needs no runtime.
"""

from pathlib import Path
from typing import Any, Protocol


class OciRuntime(Protocol):
    """One runtime program with its state directory. Methods raise ``SystemFault`` with the runtime's own words."""

    @property
    def name(self) -> str:
        """The name clients choose it by."""

    @property
    def program(self) -> str:
        """The path of the executable."""

    @property
    def root(self) -> Path:
        """Its state directory (``--root``)."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """What stands before every verb on its command line."""

    async def start(self, container_id: str) -> None:
        """Let the created container run."""

    def waits_for_start(self, container_id: str) -> bool:
        """Whether the container is created and its process has not been let go."""

    async def delete(self, container_id: str, cgroup: str) -> None:
        """Forget a container whose process has ended, and remove its cgroup; no error when it is not known."""

    async def update(self, container_id: str, resources: dict[str, Any]) -> None:
        """Change the limits of a running container to ``linux.resources``."""
