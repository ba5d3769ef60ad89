"""The engines under the stop-watch: each a daemon of its own in a network namespace of its own, on the same disk.

Who comes in: ``bench.run``. Nothing is installed or left behind; the host's own dockerd, if one runs, is not touched.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.harness import BIN, Engine, wait_until


class Measured(Engine):
    """A running daemon: how to reach it, what it calls itself, and what memory it takes."""

    def __init__(
        self,
        name: str,
        command: list[str],
        root: Path,
        env: dict[str, str] | None = None,
        unproxied: tuple[str, ...] = (),
    ) -> None:
        super().__init__(root / "x" / "s")
        self.name = name
        self.root = root
        self.netns = f"havre-bench-{name}-{os.getpid()}"
        self._command = command
        self._unproxied = unproxied
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def inside(self, command: list[str]) -> list[str]:
        """``command``, run in this engine's network namespace."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", *command]

    def start(self, *, unproxied: bool = False) -> None:
        """``unproxied``: bytes go through published ports without a process in between."""
        command = [*self._command, *(self._unproxied if unproxied else ())]
        (self.root / "x").mkdir(parents=True, exist_ok=True)
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.inside(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env
            )
        wait_until(self.answers, f"{self.name} to answer", lambda: (self.root / "log").read_text()[-3000:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None

    def version(self) -> str:
        return str(self.api("GET", "/version").json()["Version"])

    def memory(self, alone: bool = False) -> int:
        """PSS in bytes of the daemon and all that works for it: containerd, shims, conmon; not the containers.

        ``alone`` leaves out what every container has one of: shims and conmon.
        """
        return sum(map(pss, self._processes(alone)))

    def processor_time(self) -> float:
        """Seconds of processor time that the daemon and all that works for it have used."""
        threads = (thread for process in self._processes(alone=False) for thread in (process / "task").glob("*"))
        return sum(int((_read(thread / "schedstat") or "0").split()[0]) for thread in threads) / 1e9

    def _processes(self, alone: bool) -> Iterator[Path]:
        assert self._process is not None
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            command = _read(entry / "cmdline")
            each = any(name in command for name in ("containerd-shim", "conmon"))
            if int(entry.name) == self._process.pid or (str(self.root) in command and not (alone and each)):
                yield entry


def pss(process: Path) -> int:
    """The bytes that a process of /proc takes, its part of what it shares included."""
    lines = _read(process / "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _read(path: Path) -> str:
    """A file of /proc; "" when its process has gone."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


@contextmanager
def running(engine: Measured) -> Iterator[Measured]:
    """Give the engine its namespace, start it, and remove all of it at the end."""
    subprocess.run(["ip", "netns", "add", engine.netns], check=True)
    subprocess.run(["ip", "-n", engine.netns, "link", "set", "lo", "up"], check=True)
    try:
        engine.start()
        yield engine
        engine.clean()
    finally:
        engine.stop()
        subprocess.run(["ip", "netns", "delete", engine.netns], check=False)
        shutil.rmtree(engine.root, ignore_errors=True)


def havred(root: Path) -> Measured:
    """havred as this checkout has it."""
    flags = ["-H", f"unix://{root}/x/s", "--data-root", f"{root}/d", "--exec-root", f"{root}/x"]
    network = ["--bridge", "hbench0", "--bip", "172.30.0.1/16"]
    return Measured("havre", [str(BIN / "havred"), *flags, "-p", f"{root}/x/pid", *network], root)


def dockerd(binary: str, root: Path) -> Measured:
    """A dockerd; containerd, runc and docker-proxy are looked for beside it first."""
    flags = ["-H", f"unix://{root}/x/s", "--data-root", f"{root}/d", "--exec-root", f"{root}/x"]
    path = f"{Path(binary).resolve().parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    command = [binary, *flags, "-p", f"{root}/x/pid", "-G", "root"]
    return Measured("dockerd", command, root, {"PATH": path}, unproxied=("--userland-proxy=false",))
