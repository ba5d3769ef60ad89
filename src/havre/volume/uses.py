"""Uses: which container has which volume mounted, of those volumes that are mounted only while they are in use.

Each is a file below the daemon's run-time directory, written before the mount and deleted after it: whatever instant a
daemon is killed at, the next one knows what may be mounted, and for whom. Like mounts, they do not survive a reboot.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

# A file on its way: nothing was mounted for it yet, or nothing has changed.
_PART = ".part"


class Use(msgspec.Struct, frozen=True):
    """Mount ``index`` of a container. ``path`` is where the volume's files are, "" while that is being found out."""

    id: str
    container: str
    index: int
    volume: str
    driver: str
    path: str = ""


class Uses:
    """All of them; each change is in its file before it is seen."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._containers: dict[str, dict[str, Use]] = {}

    def load(self) -> None:
        """Read what the last daemon left."""
        for path in self._directory.glob(f"*{_PART}"):
            path.unlink()
        for path in sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime_ns):
            try:
                self._remember(msgspec.json.decode(path.read_bytes(), type=Use))
            except (msgspec.MsgspecError, OSError):
                # None of ours.
                path.unlink(missing_ok=True)

    def get(self, container: str, index: int) -> Use | None:
        """The container's newest use for that mount."""
        found = [use for use in self._containers.get(container, {}).values() if use.index == index]
        return found[-1] if found else None

    def of_volume(self, volume: str) -> list[Use]:
        return [use for uses in self._containers.values() for use in uses.values() if use.volume == volume]

    def containers(self) -> list[str]:
        """The ids of those that use anything."""
        return list(self._containers)

    def save(self, use: Use) -> None:
        """Note a use, or where it was mounted."""
        path = self._directory / use.id
        part = path.with_name(f"{use.id}{_PART}")
        part.write_bytes(msgspec.json.encode(use))
        part.replace(path)
        self._remember(use)

    def release(self, container: str) -> list[Use]:
        """The container's uses, which are its no more: a new start gets others. Their files stay until ``forget``."""
        return list(self._containers.pop(container, {}).values())

    def forget(self, use: Use) -> None:
        """It is not mounted any more."""
        with suppress(FileNotFoundError):
            (self._directory / use.id).unlink()
        uses = self._containers.get(use.container, {})
        if uses.pop(use.id, None) is not None and not uses:
            del self._containers[use.container]

    def _remember(self, use: Use) -> None:
        self._containers.setdefault(use.container, {})[use.id] = use
