"""``havre update``: change the limits and the restart policy of containers."""

from __future__ import annotations

from havre.cli.createbody import restart_policy
from havre.cli.errors import CommandError
from havre.cli.parser import MANY
from havre.cli.runflags import swap_bytes
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Update configuration of one or more containers"
USAGE = "havre update [OPTIONS] CONTAINER [CONTAINER...]"

_FIELDS = {
    "blkio-weight": "BlkioWeight",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "cpus": "NanoCpus",
    "cpuset-cpus": "CpusetCpus",
    "cpuset-mems": "CpusetMems",
    "memory": "Memory",
    "memory-reservation": "MemoryReservation",
    "memory-swap": "MemorySwap",
    "pids-limit": "PidsLimit",
}


def configure(parser: Parser) -> None:
    flag = parser.flag
    parser.arity(1, MANY)
    flag("blkio-weight", "", "uint16", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)")
    flag("cpu-period", "", "int", "Limit CPU CFS (Completely Fair Scheduler) period")
    flag("cpu-quota", "", "int", "Limit CPU CFS (Completely Fair Scheduler) quota")
    flag("cpu-rt-period", "", "int", "Limit the CPU real-time period in microseconds")
    flag("cpu-rt-runtime", "", "int", "Limit the CPU real-time runtime in microseconds")
    flag("cpu-shares", "c", "int", "CPU shares (relative weight)")
    flag("cpus", "", "decimal", "Number of CPUs")
    flag("cpuset-cpus", "", "string", "CPUs in which to allow execution (0-3, 0,1)")
    flag("cpuset-mems", "", "string", "MEMs in which to allow execution (0-3, 0,1)")
    flag("memory", "m", "bytes", "Memory limit")
    flag("memory-reservation", "", "bytes", "Memory soft limit")
    flag("memory-swap", "", "bytes", "Memory plus swap limit: -1 to enable unlimited swap", convert=swap_bytes)
    flag("pids-limit", "", "int", "Tune container pids limit (set -1 for unlimited)")
    flag("restart", "", "string", "Restart policy to apply when a container exits")


def run(args: Args, ctx: Context) -> int:
    body = {field: getattr(args, flag.replace("-", "_")) for flag, field in _FIELDS.items() if args.changed(flag)}
    if args.restart:
        try:
            body["RestartPolicy"] = restart_policy(args.restart)
        except ValueError as error:
            raise CommandError(str(error)) from error
    if not body:
        raise CommandError("you must provide one or more flags when using this command")
    warnings: list[str] = []

    def update(name: str) -> None:
        answer = ctx.client.post(f"/containers/{quote(name)}/update", None, body).json()
        warnings.extend(answer.get("Warnings") or [])

    try:
        return ctx.each(args.args, update)
    finally:
        for warning in warnings:
            ctx.out.write(f"{warning}\n")
