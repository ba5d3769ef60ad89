"""What a havred left behind: mounts, interfaces, nftables tables, namespaces, cgroups, processes, directories.

Who comes in: the fixtures, after every test, and the crash tests after every restart. Only things that carry the
daemon's own names (its roots, its bridge, the ids of its containers) are looked at: others work on the same host.
"""

import json
import os
import subprocess
from pathlib import Path

from tests.system.harness import Havred, wait_until


def assert_clean(daemon: Havred) -> None:
    """Fail unless nothing is left of any container; with the daemon stopped, nothing of the daemon either."""
    if daemon.process is not None:
        daemon.note_containers()
    # A container's last undo steps may still run when its removal was answered.
    wait_until(lambda: not residue(daemon), "nothing to be left", lambda: "\n".join(residue(daemon)), patience=10)


def residue(daemon: Havred, living: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """What there is of the daemon's, save what belongs to the container ids ``living``; one line each."""
    found = [f"mount {path}" for path in mounts(daemon) if not _of(path, living)]
    found += [f"process {line}" for line in processes(daemon) if not _of(line, living) and not _serves(line, living)]
    found += [f"cgroup {path}" for path in cgroups(daemon.ids_seen) if not _of(path, living)]
    found += [f"{path}" for path in leftover_files(daemon) if not _of(path, living)]
    interfaces = veths(daemon.bridge)
    if len(interfaces) > len(living):
        found.append(f"interfaces on {daemon.bridge}: {interfaces} for {len(living)} containers")
    if daemon.process is None and not living:
        if Path(f"/sys/class/net/{daemon.bridge}").exists():
            found.append(f"bridge {daemon.bridge}")
        found += [f"nftables table {name}" for name in tables() if daemon.bridge in name.replace("_", " ").split()]
    return found


def _serves(line: str, living: frozenset[str] | set[str]) -> bool:
    """Whether it is the resolver, which is there as long as containers are."""
    return bool(living) and "/names.sock" in line


def mounts(daemon: Havred) -> list[str]:
    """Mount points below the daemon's roots, as /proc/self/mountinfo has them."""
    points = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    roots = (f"{daemon.data_root}/", f"{daemon.exec_root}/")
    return [point for point in points if point.startswith(roots)]


def processes(daemon: Havred) -> list[str]:
    """Processes other than the daemon whose command line names its exec root: conmon, runc, helpers."""
    own = daemon.process.pid if daemon.process else 0
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in (own, os.getpid()):
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Below the daemon itself stand its own workers (unpacking, …), which end with it.
        if f"{daemon.exec_root}/" in command and int(parent) != own:
            found.append(f"{entry.name} {command}")
    return found


def cgroups(ids: set[str]) -> list[str]:
    """Directories of the cgroup trees whose name holds one of the container ids."""
    found = []
    for directory, names, _files in os.walk("/sys/fs/cgroup"):
        for name in names:
            if any(id in name for id in ids if len(name) >= 64):
                found.append(os.path.join(directory, name))
    return found


def veths(bridge: str) -> list[str]:
    """The interfaces enslaved to a bridge."""
    directory = Path(f"/sys/class/net/{bridge}/brif")
    return sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []


def tables() -> list[str]:
    """Names of all nftables tables of the host."""
    listing = subprocess.run(["nft", "-j", "list", "tables"], check=True, capture_output=True).stdout
    return [item["table"]["name"] for item in json.loads(listing)["nftables"] if "table" in item]


def leftover_files(daemon: Havred) -> list[str]:
    """Per-container directories and namespaces below the two roots."""
    exec_places = (daemon.exec_root / name for name in ("containers", "netns", "mounts"))
    places = (*exec_places, daemon.data_root / "containers")
    return [str(entry) for place in places if place.is_dir() for entry in place.iterdir()]


def _of(text: str, living: frozenset[str] | set[str]) -> bool:
    return any(id in text for id in living)
