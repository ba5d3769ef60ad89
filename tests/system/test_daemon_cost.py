"""What a daemon costs that has containers and nothing to do."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.system.harness import Havred, wait_until

CONTAINERS = 24
# What 100 containers may bring it to is 80 MB; these are a quarter of them.
MEMORY = 70 << 20


def start(daemon: Havred) -> None:
    made = daemon.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000"]}).json()["Id"]
    assert daemon.api("POST", f"/containers/{made}/start").status == 204


def memory(process: Path) -> int:
    """PSS in bytes."""
    lines = (process / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def runs(process: Path) -> int:
    """How often its threads were put on a processor."""
    return sum(int((thread / "schedstat").read_text().split()[2]) for thread in (process / "task").iterdir())


def test_containers_that_sleep_do_not_keep_the_daemon_awake(fresh_havred: Havred) -> None:
    assert fresh_havred.process is not None
    process = Path(f"/proc/{fresh_havred.process.pid}")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, [fresh_havred] * CONTAINERS))
    # Nobody asks it for anything from here on, except us whether it wakes: fewer than once a second for a container.
    seconds = 2

    def idle() -> bool:
        before = runs(process)
        time.sleep(seconds)
        return runs(process) - before < CONTAINERS * seconds / 2

    wait_until(idle, "the daemon to fall asleep")
    assert memory(process) < MEMORY
