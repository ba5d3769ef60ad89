"""conmon: the small process that stays with one container (or exec), holds its stdio, and writes its log and exit code.

It is started detached, so that a container outlives the daemon. Its files lie in a directory of its own, the bundle:
``config.json`` (or ``process.json``), ``pidfile``, ``conmon.pid``, ``attach`` (a SEQPACKET socket), ``ctl`` (a FIFO for
resizing and reopening logs), ``exit`` (the exit code, written last), ``oom`` (there if the kernel killed for memory).

Source: conmon 2.1 (``src/cli.c``, ``src/ctrl.c``, ``src/conn_sock.c``).
"""

import asyncio
import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from havre.errors import NotFound, StartFailed, SystemFault
from havre.kernel.descriptors import readable
from havre.runtime.runtimes import OciRuntime

_RESIZE, _REOPEN_LOGS = 1, 2


@dataclass(frozen=True, slots=True)
class Options:
    """How a container's stdio is held. ``log`` is a path or None; with ``keep_stdin`` it outlives the attached
    client.
    """

    terminal: bool
    stdin: bool
    keep_stdin: bool
    log: Path | None


@dataclass(frozen=True, slots=True)
class Monitor:
    """A running conmon: the process numbers of itself and of what it watches, and its directory."""

    bundle: Path
    conmon_pid: int
    pid: int


class Conmon:
    """Starts conmon processes. ``program`` is its path; the runtime has ``patience`` seconds to create a container."""

    def __init__(self, program: str, patience: float = 120) -> None:
        self._program = program
        self._patience = patience

    async def create(self, container_id: str, runtime: OciRuntime, bundle: Path, options: Options) -> Monitor:
        """Create the container of ``bundle/config.json``; its process waits for ``runtime.start``.

        Raises ``StartFailed`` with the runtime's message when it cannot be made; conmon has ended then. Cancelled, it
        ends conmon and the runtime.
        """
        sync_r, sync_w = os.pipe2(os.O_CLOEXEC)
        try:
            arguments = self._arguments(container_id, runtime, bundle, options)
            parent = self._spawn(arguments, {"_OCI_SYNCPIPE": sync_w}, bundle)
            await _reap(parent)
            # What an image holds can make the runtime wait for ever, and its caller holds the container's lock.
            async with asyncio.timeout(self._patience):
                pid = await SyncPipe(sync_r).number()
        except asyncio.CancelledError:
            _break_off(bundle)
            raise
        except TimeoutError:
            _break_off(bundle)
            raise StartFailed(f"the runtime did not create it within {self._patience:.0f} seconds") from None
        finally:
            os.close(sync_r)
        return Monitor(bundle, int((bundle / "conmon.pid").read_text()), pid)

    async def prepare_exec(
        self, container_id: str, runtime: OciRuntime, bundle: Path, options: Options
    ) -> "PendingExec":
        """Start a conmon for ``bundle/process.json`` in a running container; the process waits for
        ``PendingExec.start``.
        """
        arguments = self._arguments(container_id, runtime, bundle, options)
        arguments += ["--exec", "--exec-attach", "--exec-process-spec", str(bundle / "process.json")]
        sync_r, sync_w = os.pipe2(os.O_CLOEXEC)
        attach_r, attach_w = os.pipe2(os.O_CLOEXEC)
        start_r, start_w = os.pipe2(os.O_CLOEXEC)
        pending = PendingExec(bundle, sync_r, start_w)
        try:
            pipes = {"_OCI_SYNCPIPE": sync_w, "_OCI_ATTACHPIPE": attach_w, "_OCI_STARTPIPE": start_r}
            pending.parent = self._spawn(arguments, pipes, bundle)
            # The first byte lets conmon set up its socket; it says on the attach pipe when one can connect.
            os.write(start_w, b"1")
            await SyncPipe(attach_r).number()
        except BaseException:
            pending.close()
            raise
        finally:
            os.close(attach_r)
        return pending

    def _arguments(self, container_id: str, runtime: OciRuntime, bundle: Path, options: Options) -> list[str]:
        arguments = [self._program, "--api-version", "1", "--cid", container_id, "--cuuid", container_id]
        arguments += ["--name", container_id, "--runtime", runtime.program, "--bundle", str(bundle)]
        arguments += ["--container-pidfile", str(bundle / "pidfile"), "--conmon-pidfile", str(bundle / "conmon.pid")]
        arguments += ["--persist-dir", str(bundle), "--full-attach", "--no-sync-log", "--log-level", "error"]
        # conmon takes "driver:path"; "none" keeps no log.
        arguments += ["--log-path", f"k8s-file:{options.log}" if options.log else "none"]
        for word in (*runtime.arguments, "--root", str(runtime.root), "--log", str(bundle / "runtime.log")):
            arguments += ["--runtime-arg", word]
        arguments += ["--terminal"] * options.terminal + ["--stdin"] * options.stdin
        return arguments + ["--leave-stdin-open"] * (options.stdin and options.keep_stdin)

    def _spawn(self, arguments: list[str], pipes: dict[str, int], bundle: Path) -> "subprocess.Popen[bytes]":
        """Start conmon with its ends of the pipes, which are closed here. The process returned only forks the
        real one.
        """
        # Log records have the local time: readers count on UTC.
        environment = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "TZ": "UTC"}
        environment |= {name: str(fd) for name, fd in pipes.items()}
        try:
            return subprocess.Popen(
                arguments,
                env=environment,
                pass_fds=tuple(pipes.values()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=bundle,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            if error.filename == str(bundle):
                raise NotFound("the container is not running") from None
            raise SystemFault(f"conmon is not installed: no executable {self._program}") from None
        finally:
            for fd in pipes.values():
                os.close(fd)


@dataclass(slots=True)
class PendingExec:
    """An exec whose conmon listens on ``bundle/attach`` and whose process has not been started yet."""

    bundle: Path
    sync: int
    start_pipe: int
    parent: "subprocess.Popen[bytes] | None" = None
    answers: "SyncPipe" = field(init=False)
    _open: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.answers = SyncPipe(self.sync)
        self._open = {self.sync, self.start_pipe}

    async def start(self) -> int:
        """Start the process and return its pid on the host. ``StartFailed`` when the runtime cannot."""
        os.write(self.start_pipe, b"1")
        pid = await self.answers.number()
        if self.parent is not None:
            await _reap(self.parent)
        return pid

    async def exit_code(self) -> int:
        """Wait for the process to end."""
        return await self.answers.number()

    def close(self) -> None:
        """Close the pipes; conmon itself goes on."""
        for fd in self._open:
            os.close(fd)
        self._open.clear()


class SyncPipe:
    """Reads conmon's answers, one JSON object a line: ``{"data": n}``, or a negative n with a ``message``."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = b""

    async def number(self) -> int:
        """The next n. ``StartFailed`` with conmon's message when it is negative, or when conmon ended without a
        word.
        """
        while b"\n" not in self._buffer:
            await readable(self._fd)
            piece = os.read(self._fd, 65536)
            if not piece:
                raise StartFailed("conmon ended without a word")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        number = int(answer.get("data", -1))
        if number < 0:
            raise StartFailed(str(answer.get("message", "the runtime gave no reason")).strip())
        return number


async def _reap(parent: "subprocess.Popen[bytes]") -> None:
    if parent.poll() is None:
        fd = os.pidfd_open(parent.pid)
        try:
            await readable(fd)
        finally:
            os.close(fd)
        parent.wait()


def _break_off(bundle: Path) -> None:
    """End a conmon whose runtime hangs, and the runtime with it: they are a process group of their own."""
    if lives(bundle):
        with suppress(OSError, ValueError):
            os.killpg(int((bundle / "conmon.pid").read_text()), signal.SIGKILL)


def resize(bundle: Path, rows: int, columns: int) -> None:
    """Set the size of the terminal conmon holds."""
    _control(bundle, f"{_RESIZE} {min(rows, 1000)} {min(columns, 1000)}\n")


def reopen_logs(bundle: Path) -> None:
    """Make conmon open its log by name again, after a rotation renamed it."""
    _control(bundle, f"{_REOPEN_LOGS} 0 0\n")


def _control(bundle: Path, line: str) -> None:
    try:
        fd = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise NotFound("the container is not running") from None
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def lives(bundle: Path) -> bool:
    """Whether the conmon of ``bundle`` still runs."""
    try:
        pid = int((bundle / "conmon.pid").read_text())
        # By its directory, since another process may have its number by now.
        return Path(f"/proc/{pid}/cwd").samefile(bundle)
    except (OSError, ValueError):
        return False


def exit_code(bundle: Path) -> int | None:
    """The exit code conmon wrote, or None while it has not (or when it was killed itself)."""
    try:
        return int((bundle / "exit").read_text())
    except (FileNotFoundError, ValueError):
        return None
