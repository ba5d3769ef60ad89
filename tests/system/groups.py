"""Where the kernel keeps a running container's limits, on control groups v1 and v2: to see that they are really set."""

from pathlib import Path

from tests.system.harness import Engine

V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()

NO_LIMIT = 9223372036854771712  # how v1 says "max" of memory


class Groups:
    """The control groups of one container."""

    def __init__(self, engine: Engine, container: str) -> None:
        pid = engine.inspect(container)["State"]["Pid"]
        self._paths: dict[str, str] = {}
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            self._paths.update(dict.fromkeys(controllers.split(","), path))

    def path(self, controller: str) -> str:
        """The group's path below the root of ``controller``."""
        return self._paths["" if V2 else controller]

    def read(self, controller: str, v1: str, v2: str) -> str:
        """The content of one file; empty where the kernel has none by this name."""
        root = Path("/sys/fs/cgroup") if V2 else Path("/sys/fs/cgroup", controller)
        file = root / self.path(controller).lstrip("/") / (v2 if V2 else v1)
        return file.read_text().strip() if file.exists() else ""

    def memory(self) -> int | None:
        """Bytes, None for no limit."""
        return _number(self.read("memory", "memory.limit_in_bytes", "memory.max"))

    def memory_and_swap(self) -> int | None:
        found = _number(self.read("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"))
        return found + (self.memory() or 0) if V2 and found is not None else found

    def reservation(self) -> int | None:
        return _number(self.read("memory", "memory.soft_limit_in_bytes", "memory.low"))

    def quota(self) -> tuple[str, str]:
        """Micro-seconds of every so many; "max" or "-1" for no limit."""
        if V2:
            quota, period = self.read("cpu", "", "cpu.max").split()
            return quota, period
        return self.read("cpu", "cpu.cfs_quota_us", ""), self.read("cpu", "cpu.cfs_period_us", "")

    def shares(self) -> str:
        """In v1's words, "" on v2, where the runtime translates them."""
        return "" if V2 else self.read("cpu", "cpu.shares", "")

    def cpus(self) -> str:
        return self.read("cpuset", "cpuset.cpus", "cpuset.cpus")

    def pids(self) -> str:
        return self.read("pids", "pids.max", "pids.max")


def _number(text: str) -> int | None:
    return None if text in ("max", "") or int(text) >= NO_LIMIT else int(text)
