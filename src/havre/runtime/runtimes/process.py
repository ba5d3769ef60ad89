"""Runtimes driven by their command line as the OCI describes it; crun and any ``--add-runtime`` program are used this
way.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from havre.errors import InvalidParameter, SystemFault
from havre.kernel.cgroups import Cgroups

_REFUSALS = ("invalid argument", "device or resource busy", "numerical result out of range")
_LOGGED = re.compile(r'level=error msg="((?:[^"\\]|\\.)*)"')


class ProcessRuntime:
    """An ``OciRuntime`` that starts a process for each verb."""

    def __init__(self, name: str, program: str, root: Path, cgroups: Cgroups, arguments: tuple[str, ...] = ()) -> None:
        self.name = name
        self.program = program
        self.root = root
        self.arguments = arguments
        self._cgroups = cgroups
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def start(self, container_id: str) -> None:
        await self._run("start", container_id)

    def waits_for_start(self, container_id: str) -> bool:
        return (self.root / container_id / "exec.fifo").exists()

    async def delete(self, container_id: str, cgroup: str) -> None:
        if (self.root / container_id).exists():
            await self._run("delete", "--force", container_id)
        await asyncio.to_thread(self._cgroups.remove, cgroup)

    async def update(self, container_id: str, resources: dict[str, Any]) -> None:
        try:
            await self._run("update", "--resources", "-", container_id, stdin=json.dumps(resources).encode())
        except SystemFault as error:
            # It is the kernel that takes no such value now: whoever asked has to ask for another one.
            if error.message.lower().endswith(_REFUSALS):
                raise InvalidParameter(error.message) from None
            raise

    async def _run(self, *words: str, stdin: bytes = b"") -> None:
        command = [self.program, *self.arguments, "--root", str(self.root), *words]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate(stdin)
        if process.returncode != 0:
            said = _last_words(output.decode(errors="replace")) or f"exit status {process.returncode}"
            raise SystemFault(f"{self.name} {words[0]} failed: {said}")


def _last_words(output: str) -> str:
    """What went wrong, without the runtime's own log format around it."""
    errors = _LOGGED.findall(output)
    return errors[-1].replace('\\"', '"') if errors else output.strip()
