"""havre-registry that dies by its own hand: at the n-th effect a crash could tear apart, after it was armed.

As ``tests.system.faulty``, which explains how it is armed; effects are transactions, syncs, and files made, renamed and
removed.
"""

import os
import signal
import sys
from pathlib import Path

from tests.system.faulty import ARM, Fuse


def main() -> int:
    fuse = Fuse(Path(os.environ["HAVRE_TEST_FAULT"]))
    signal.signal(ARM, fuse.arm)
    from havre.store.db import Database

    fuse.wrap(Database, "_transact")
    fuse.wrap(os, "fsync")
    sys.addaudithook(fuse.audit)

    from havre.registry.main import main as registry

    return registry()


if __name__ == "__main__":
    sys.exit(main())
