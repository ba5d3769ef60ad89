"""Control groups, the one place that knows both shapes: v1 (a tree per controller, also as "hybrid") and v2 (one tree).

The OCI runtime makes a container's group and sets its limits; this module finds it again to list, freeze, kill and
remove what is in it, without a runtime process. Callers name a group by its path below the roots, e.g. ``/havre/<id>``.
"""

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

from havre.errors import NotFound, SystemFault, Unsupported

ROOT = Path("/sys/fs/cgroup")
# A thousand milliseconds and more until we say that a group cannot be frozen.
_FREEZE_ATTEMPTS = 1000
_ATTEMPTS_BETWEEN_THAWS = 50


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The host's control group trees: ``version`` is 1 or 2, ``trees`` maps a controller (v1) or "" (v2) to its
    root.
    """

    version: int
    trees: dict[str, Path]
    unified: Path | None = None

    @classmethod
    def detect(cls, mountinfo: str | None = None) -> "Cgroups":
        """Read the trees from ``/proc/self/mountinfo`` (or the text given)."""
        text = mountinfo if mountinfo is not None else Path("/proc/self/mountinfo").read_text()
        trees: dict[str, Path] = {}
        unified: Path | None = None
        for line in text.splitlines():
            before, _, after = line.partition(" - ")
            target = Path(before.split()[4])
            fstype, _, options = after.split(" ", 2)
            if fstype == "cgroup2":
                unified = unified or target
            elif fstype == "cgroup":
                names = [name for name in options.split()[-1].split(",") if name not in ("rw", "ro", "xattr")]
                for name in names:
                    trees.setdefault(name, target)
        if trees:
            return cls(1, trees, unified)
        if unified is None:
            raise SystemFault("no cgroup file system is mounted below /sys/fs/cgroup")
        return cls(2, {"": unified}, unified)

    @property
    def controllers(self) -> frozenset[str]:
        """The controllers a container can be limited by."""
        if self.version == 1:
            return frozenset(self.trees)
        try:
            return frozenset((self.trees[""] / "cgroup.controllers").read_text().split())
        except OSError:
            return frozenset()

    def directories(self, group: str) -> list[Path]:
        """The directory of ``group`` in every tree, whether it exists or not."""
        roots = dict.fromkeys(self.trees.values())
        if self.unified is not None:
            roots[self.unified] = None
        return [root / group.lstrip("/") for root in roots]

    def directory(self, group: str, controller: str) -> Path:
        """Where ``controller`` keeps its files for ``group``."""
        root = self.trees.get(controller) if self.version == 1 else self.trees[""]
        if root is None:
            raise Unsupported(f"this kernel has no cgroup controller {controller!r}")
        return root / group.lstrip("/")

    def pids(self, group: str) -> list[int]:
        """The processes in ``group`` and below, in no order; empty when it does not exist."""
        found: set[int] = set()
        for directory in self.directories(group):
            for folder, _, files in os.walk(directory):
                if "cgroup.procs" in files:
                    try:
                        found.update(map(int, Path(folder, "cgroup.procs").read_text().split()))
                    except OSError:
                        continue
        return list(found)

    def freeze(self, group: str) -> None:
        """Stop all processes of ``group``; returns once the kernel says it is so. On an error they go on.

        ``NotFound`` when the group does not exist (any more).
        """
        file = self._freezer(group)
        try:
            for attempt in range(_FREEZE_ATTEMPTS):
                if self.version == 1 and attempt % _ATTEMPTS_BETWEEN_THAWS == _ATTEMPTS_BETWEEN_THAWS - 1:
                    # A v1 group that starts a process (vfork) stays FREEZING: let it get past that, and try again.
                    file.write_text("THAWED")
                    time.sleep(0.01)
                file.write_text("FROZEN" if self.version == 1 else "1")
                if self._is_frozen(file):
                    return
                time.sleep(0.001)
        except FileNotFoundError:
            raise NotFound(f"cgroup {group} does not exist") from None
        self.thaw(group)
        raise SystemFault(f"cgroup {group} did not become frozen")

    def thaw(self, group: str) -> None:
        """Let all processes of ``group`` go on, whether it is frozen, about to be, running or gone."""
        try:
            self._freezer(group).write_text("THAWED" if self.version == 1 else "0")
        except OSError as error:
            # ENODEV: the group was removed while its file was open.
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise

    def _freezer(self, group: str) -> Path:
        if self.version == 1:
            return self.directory(group, "freezer") / "freezer.state"
        return self.directory(group, "") / "cgroup.freeze"

    def _is_frozen(self, file: Path) -> bool:
        if self.version == 1:
            return file.read_text().strip() == "FROZEN"
        return "frozen 1" in (file.parent / "cgroup.events").read_text().splitlines()

    def kill(self, group: str) -> None:
        """Send SIGKILL to everything in ``group``, and see that it comes through where it is frozen."""
        switch = self.trees[""] / group.lstrip("/") / "cgroup.kill" if self.version == 2 else None
        if switch is not None and switch.exists():
            switch.write_text("1")
            return
        for pid in self.pids(group):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        if "freezer" in self.trees:
            # A frozen process of v1 does not even die, and a container may have made groups, and frozen them.
            top = self.directory(group, "freezer")
            for directory, _, _ in os.walk(top):
                self.thaw(f"{group}/{os.path.relpath(directory, top)}")

    def remove(self, group: str, timeout: float = 2.0) -> None:
        """Kill what is left in ``group`` and remove it from every tree; no error when it is gone already."""
        deadline = time.monotonic() + timeout
        while True:
            busy = [directory for directory in self.directories(group) if not _remove_tree(directory)]
            if not busy:
                return
            if time.monotonic() > deadline:
                raise SystemFault(f"cgroup {busy[0]} cannot be removed: processes {self.pids(group)} remain")
            self.kill(group)
            time.sleep(0.002)

    def oom_kills(self, group: str) -> int:
        """How many processes of ``group`` the kernel has killed for want of memory."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        try:
            lines = (self.directory(group, "memory") / name).read_text().splitlines()
        except (OSError, Unsupported):
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _remove_tree(directory: Path) -> bool:
    """Remove a group's directory and those below it; False while the kernel holds one busy."""
    try:
        directory.rmdir()
        return True
    except FileNotFoundError:
        return True
    except OSError:
        pass
    try:
        # Groups made inside the container: only directories can be removed, deepest first.
        for folder, _, _ in os.walk(directory, topdown=False):
            os.rmdir(folder)
        return True
    except FileNotFoundError:
        return not directory.exists()
    except OSError:
        return False
