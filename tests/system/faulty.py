"""havred that dies by its own hand: ``python tests/system/faulty.py FLAGS`` kills itself at the n-th effect it has.

Effects are what a crash can tear apart: transactions, files and directories made, renamed and removed, mounts,
namespaces, netlink and nftables changes, processes started. They are seen from outside, by Python's audit hooks and by
wrapping the few functions of ``havre.kernel`` and ``havre.store`` that have none; the daemon knows nothing of it.

Who comes in: ``tests.system.faults``, which arms it: it writes n into the file that HAVRE_TEST_FAULT names and sends
``ARM``; the file's removal says that it was read. n = 0 counts without dying: at the next signal the count is written
into the file with the suffix ``.count``. With HAVRE_TEST_FAULT_AT_START=n it is armed from the first line on.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ARM = signal.SIGRTMIN + 3
AUDITED = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.mknod",
    "os.posix_spawn",
    "subprocess.Popen",
}


class Fuse:
    """Counts effects; burns through at the n-th."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.left: int | None = None
        self.count = 0
        self._pid = os.getpid()
        self._lock = threading.RLock()

    def arm(self, *_: object) -> None:
        """The signal handler."""
        counted, self.left = self.left == 0, None
        if counted:
            self.file.with_suffix(".count").write_text(str(self.count))
        wanted = int(self.file.read_text())
        self.file.unlink()
        # Last, or this would burn it.
        self.count, self.left = 0, wanted

    def effect(self) -> None:
        """One effect is about to be."""
        # A child between fork and exec has our hook, but its acts are not the daemon's.
        if self.left is None or os.getpid() != self._pid:
            return
        with self._lock:
            self.count += 1
            if self.count == self.left:
                os.kill(self._pid, signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in AUDITED or (event == "open" and self._writes(arguments)):
            self.effect()

    def _writes(self, arguments: tuple[Any, ...]) -> bool:
        path, _mode, flags = arguments
        return bool(flags & (os.O_WRONLY | os.O_RDWR)) and not str(path).startswith(("/dev/", str(self.file.parent)))

    def wrap(self, owner: Any, *names: str) -> None:
        """Put an effect before and after each of ``owner``'s functions."""
        for name in names:
            setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.effect()
            result = function(*args, **kwargs)
            self.effect()
            return result

        return wrapped


def main() -> int:
    fuse = Fuse(Path(os.environ["HAVRE_TEST_FAULT"]))
    if at_start := os.environ.get("HAVRE_TEST_FAULT_AT_START"):
        fuse.left = int(at_start)
    signal.signal(ARM, fuse.arm)
    # Before anything else imports them: names imported from these modules are then the wrapped ones.
    from havre.kernel import exchange, mounts, namespaces
    from havre.kernel.netlink import NetlinkSocket
    from havre.kernel.nftables import Nftables
    from havre.store.db import Database

    fuse.wrap(mounts, "mount", "bind", "unmount")
    fuse.wrap(exchange, "exchange")
    fuse.wrap(namespaces, "create", "remove")
    fuse.wrap(NetlinkSocket, "execute")
    fuse.wrap(Nftables, "run")
    fuse.wrap(Database, "_transact")
    sys.addaudithook(fuse.audit)

    from havre.daemon.main import main as havred

    return havred() or 0


if __name__ == "__main__":
    sys.exit(main())
