"""Top: the processes of a container as the host's ``ps`` shows them. ``GET /containers/{id}/top``.

``ps`` runs on the host with the caller's arguments, never through a shell; of its rows those stay whose PID is in the
container's control group.
"""

import asyncio
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from havre.engine.container.create import EventSink
from havre.engine.container.record import RESTARTING
from havre.engine.container.registry import Registry
from havre.errors import Conflict, InvalidParameter, SystemFault
from havre.kernel.cgroups import Cgroups

_DEFAULT = "-ef"
# A column that is no PID but is headed so would choose the rows; Docker refuses it in these words.
_FALSE_PID = re.compile(r"\s+(\S*)=\s*(PID\S*)", re.ASCII)
_BLANKS = re.compile(r"[\t\n\f\r ]+")


@dataclass(frozen=True, slots=True)
class Processes:
    """Lists processes. ``events`` is told of each listing."""

    registry: Registry
    cgroups: Cgroups
    events: EventSink

    async def top(self, reference: str, ps_args: str = "") -> dict[str, Any]:
        """``{"Titles": [column, …], "Processes": [[value, …], …] or None}``.

        ``Conflict`` when the container does not run, ``InvalidParameter`` when ``ps`` refuses the arguments or its
        output has no PID column.
        """
        ps_args = ps_args or _DEFAULT
        check_arguments(ps_args)
        container = self.registry.find(reference)
        if container.state.status == RESTARTING:
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if not container.state.running:
            raise Conflict(f"container {container.id} is not running")
        # ps lists processes in the order in which they are named.
        pids = sorted(await asyncio.to_thread(self.cgroups.pids, container.cgroup))
        output = await _ps(ps_args.split(" "), pids)
        titles, rows = parse(output, set(pids))
        self.events.publish("container", "top", container.id, container.event_attributes())
        return {"Titles": titles, "Processes": rows or None}


def check_arguments(ps_args: str) -> None:
    """Raise ``InvalidParameter`` for arguments that give another column the title PID."""
    for name, title in _FALSE_PID.findall(ps_args):
        if name != "pid":
            raise InvalidParameter(f'specifying "{name}={title}" is not allowed')
    if "\0" in ps_args:
        raise InvalidParameter("ps: invalid argument")


def parse(output: str, pids: Collection[int]) -> tuple[list[str], list[list[str]]]:
    """The titles, and the rows of ``pids``; all that exceeds the number of titles belongs to the last column.

    A row whose PID is ``-`` is a thread of the process above it (``ps m``).
    """
    header, *lines = output.split("\n")
    titles = _fields(header)
    if "PID" not in titles:
        raise InvalidParameter("Couldn't find PID field in ps output")
    column, last = titles.index("PID"), len(titles) - 1
    rows: list[list[str]] = []
    inside = False
    for fields in filter(None, map(_fields, lines)):
        pid = fields[column] if column < len(fields) else ""
        if pid != "-":
            if not pid.isdecimal():
                raise InvalidParameter(f"Unexpected pid '{pid}' in ps output")
            inside = int(pid) in pids
        if inside:
            rows.append([*fields[:last], " ".join(fields[last:])])
    return titles, rows


async def _ps(arguments: Sequence[str], pids: Collection[int]) -> str:
    """What ``ps`` prints. Naming the processes makes it look at these only, but not every option goes with that."""
    code, output, _ = await _run([*arguments, f"-q{','.join(map(str, pids))}"])
    if code == 0:
        return output
    code, output, complaint = await _run(arguments)
    if code:
        raise InvalidParameter(f"ps: {complaint.partition(chr(10))[0] or f'exit status {code}'}")
    return output


async def _run(arguments: Sequence[str]) -> tuple[int, str, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            "ps",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # The rest of the daemon's environment could change columns and widths.
            env={name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "LC_CTYPE")},
        )
    except FileNotFoundError:
        raise SystemFault('exec: "ps": executable file not found in $PATH') from None
    try:
        output, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, output.decode(errors="replace"), complaint.decode(errors="replace")


def _fields(line: str) -> list[str]:
    # Only ASCII blanks part columns: a process may have any other in its command line.
    return [field for field in _BLANKS.split(line) if field]
