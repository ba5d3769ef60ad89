"""havred that notes every program it starts: ``python tests/system/spying.py FLAGS`` writes one a line, its path first,
into the file that HAVRE_TEST_PROGRAMS names.

The programs are seen from outside, by Python's audit hooks; the daemon knows nothing of it. Who comes in:
``tests/system/test_cp_hostile.py``.
"""

import os
import sys
from typing import Any

STARTS = {"subprocess.Popen": 0, "os.posix_spawn": 0, "os.exec": 0, "os.system": 0, "pty.spawn": 0}


def main() -> int:
    log = os.open(os.environ["HAVRE_TEST_PROGRAMS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STARTS:
            os.write(log, f"{arguments[STARTS[event]]!r}\n".encode())

    sys.addaudithook(note)
    from havre.daemon.main import main as havred

    return havred() or 0


if __name__ == "__main__":
    sys.exit(main())
