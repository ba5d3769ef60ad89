"""Which runtimes this host has and which is the default: each candidate is tried, not guessed from its version."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from havre.errors import InvalidParameter, SystemFault
from havre.kernel.cgroups import Cgroups
from havre.runtime.runtimes import OciRuntime
from havre.runtime.runtimes.process import ProcessRuntime
from havre.runtime.runtimes.runc import RuncRuntime
from havre.runtime.spec import Process, Sandbox, User, base_mounts, build

# In the order they are preferred: crun starts containers about three times faster where it works.
BUILT_IN = ("crun", "runc")

# A daemon may be started with a user's PATH, which on Debian lacks the sbin directories.
_PLACES = ":/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
_PROBE = "/havre-probe"


class Runtimes:
    """The runtimes clients can choose by name, and the default one."""

    def __init__(self, known: Mapping[str, OciRuntime], default: str) -> None:
        self.known = known
        self.default = default

    def choose(self, name: str) -> OciRuntime:
        """The runtime called ``name`` (``""``: the default); Docker's text when there is none."""
        runtime = self.known.get(name or self.default)
        if runtime is None:
            raise InvalidParameter(f"unknown or invalid runtime name: {name}")
        return runtime


def probe(
    cgroups: Cgroups,
    state: Path,
    added: Mapping[str, str],
    default: str | None,
    scratch: Path,
    arguments: tuple[str, ...] = (),
) -> Runtimes:
    """Find the usable runtimes. ``added`` maps names to programs (``--add-runtime``) with their own
    arguments behind NULs; ``default`` is the user's choice.
    ``scratch`` is a directory to try them in, which the next daemon empties should this one be killed meanwhile.
    ``arguments`` stand before every verb of theirs.

    Raises ``SystemFault`` when none works and ``InvalidParameter`` when the chosen default is not there.
    """
    known: dict[str, OciRuntime] = {}
    for name, words in added.items():
        program, *own = words.split("\0")
        path = shutil.which(program)
        if path is None:
            raise InvalidParameter(f"runtime {name}: no executable {program}")
        kind = RuncRuntime if os.path.basename(os.path.realpath(path)) == "runc" else ProcessRuntime
        known[name] = kind(name, path, state / name, cgroups, (*own, *arguments))
    for name in BUILT_IN:
        path = shutil.which(name, path=os.environ.get("PATH", "") + _PLACES)
        if name in known or path is None or not works(path, scratch):
            continue
        kind = RuncRuntime if name == "runc" else ProcessRuntime
        known[name] = kind(name, path, state / name, cgroups, arguments)
    if default is not None and default not in known:
        raise InvalidParameter(f"default runtime {default!r} is not installed, does not work here, or was not added")
    chosen = default or next((name for name in BUILT_IN if name in known), None) or next(iter(known), None)
    if chosen is None:
        raise SystemFault("no OCI runtime works on this host: install runc or crun")
    return Runtimes(known, chosen)


def works(program: str, directory: Path) -> bool:
    """Whether ``program`` can make a container here, by trying: crun, say, refuses hosts with cgroup v1 and v2 mixed.

    The container's root is an empty directory: a runtime that gets as far as not finding the program works.
    """
    with tempfile.TemporaryDirectory(prefix="probe-", dir=directory) as scratch:
        bundle = Path(scratch)
        (bundle / "rootfs").mkdir()
        process = Process([_PROBE], [], "/", User(0, 0), [])
        name = f"havre-probe-{os.getpid()}"
        spaces = dict.fromkeys(("pid", "mount", "ipc", "uts"), "")
        sandbox = Sandbox("rootfs", "probe", f"/{name}", spaces, mounts=base_mounts(65536, False)[:1])
        (bundle / "config.json").write_text(json.dumps(build(process, sandbox)))
        command = [program, "--root", f"{scratch}/state"]
        try:
            done = subprocess.run(
                [*command, "run", "--bundle", scratch, name], capture_output=True, timeout=10, stdin=subprocess.DEVNULL
            )
            subprocess.run([*command, "delete", "--force", name], capture_output=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return _PROBE.encode() in done.stdout + done.stderr
