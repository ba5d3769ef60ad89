"""Realtime scheduling in control groups: a group can have no more of it than those above, which begin with none."""

from dataclasses import dataclass

from havre.errors import InvalidParameter, SystemFault
from havre.kernel.cgroups import Cgroups


@dataclass(frozen=True, slots=True)
class RealtimeShare:
    """What all containers may have together: ``runtime`` of every ``period`` micro-seconds, 0 for none."""

    cgroups: Cgroups
    period: int = 0
    runtime: int = 0

    def check(self) -> None:
        """``InvalidParameter`` when a share is asked for that this kernel cannot give."""
        if (self.period or self.runtime) and (self.cgroups.version == 2 or "cpu" not in self.cgroups.trees):
            raise InvalidParameter("cpu-rt-period and cpu-rt-runtime need cgroup v1 with the cpu controller")
        if self.period < 0 or self.runtime < 0 or self.runtime > (self.period or 1_000_000):
            raise InvalidParameter(f"invalid cpu-rt-runtime {self.runtime} of cpu-rt-period {self.period}")

    def allow(self, group: str) -> None:
        """Give the groups above ``group`` the share, so that ``group`` can have part of it."""
        if not (self.period or self.runtime):
            return
        directory = self.cgroups.trees["cpu"]
        for name in group.strip("/").split("/")[:-1]:
            directory /= name
            try:
                directory.mkdir(exist_ok=True)
                for number, file in ((self.period, "cpu.rt_period_us"), (self.runtime, "cpu.rt_runtime_us")):
                    if number:
                        (directory / file).write_text(str(number))
            except OSError as error:
                raise SystemFault(f"realtime scheduling in {directory}: {error.strerror}") from None
