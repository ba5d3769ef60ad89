"""What a container may do and see, against a table measured from dockerd.

The table is what dockerd 28.5.2 with runc 1.1.5 on Linux 6.18 (cgroup v1, no AppArmor) gave on the test machine, read
by the probe below. To measure again: run this file with ``HAVRE_TEST_ENGINE`` pointing at a dockerd on this host. What
the host decides and not the engine (which of the paths to hide there are, which devices and controllers, the limits
that are inherited) is looked up on the host.
"""

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.system.harness import Engine
from tests.system.programs import Program

# Sections of lines, each begun by "== name". The shell is process 1: it is asked for its descriptors.
PROBE = r"""
echo "== status"; grep -E '^(Uid|Gid|Groups|Cap[A-Z][a-z]+|NoNewPrivs|Seccomp|Seccomp_filters):' /proc/1/status
echo "== descriptors"; ls /proc/1/fd
echo "== mounts"; cat /proc/1/mountinfo
echo "== devices"; find /dev -type c -o -type b | while read -r it; do stat -c '%n %F %t:%T %a %u:%g' "$it"; done
echo "== links"; find /dev -type l | while read -r it; do echo "$it $(readlink "$it")"; done
echo "== limits"; cat /proc/1/limits
echo "== other"; cat /proc/1/oom_score_adj; readlink /proc/1/ns/cgroup
cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range
echo "== confinement"; cat /proc/1/attr/current 2>/dev/null
echo "== end"
"""

DOCKER = 0xA80425FB
NET_ADMIN = 1 << 12

MASKED = """
    /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi
    /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware
""".split()
READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()

# Mount point: type (none for files of the host), and options of the mount but for atime's.
MOUNTS = {
    "/": ("overlay", "rw"),
    "/proc": ("proc", "rw nosuid nodev noexec"),
    "/dev": ("tmpfs", "rw nosuid"),
    "/dev/pts": ("devpts", "rw nosuid noexec"),
    "/dev/mqueue": ("mqueue", "rw nosuid nodev noexec"),
    "/dev/shm": ("tmpfs", "rw nosuid nodev noexec"),
    "/sys": ("sysfs", "ro nosuid nodev noexec"),
    "/etc/resolv.conf": ("", "rw"),
    "/etc/hostname": ("", "rw"),
    "/etc/hosts": ("", "rw"),
}
SIZES = {"/dev": "size=65536k", "/dev/shm": "size=65536k", "/dev/pts": "ptmxmode=666"}

DEVICES = {
    "/dev/null": "character special file 1:3 666 0:0",
    "/dev/zero": "character special file 1:5 666 0:0",
    "/dev/full": "character special file 1:7 666 0:0",
    "/dev/random": "character special file 1:8 666 0:0",
    "/dev/urandom": "character special file 1:9 666 0:0",
    "/dev/tty": "character special file 5:0 666 0:0",
    "/dev/pts/ptmx": "character special file 5:2 666 0:0",
}
LINKS = {
    "/dev/ptmx": "pts/ptmx",
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}


@dataclass(frozen=True)
class Expected:
    """One row: the five sets of capabilities, and what differs from the default container."""

    permitted: int = DOCKER
    bounding: int = DOCKER
    uid: str = "0"
    gid: str = "0"
    groups: str = "0"
    no_new_privileges: str = "0"
    seccomp: tuple[str, str] = ("2", "1")
    masked: bool = True
    root: str = "rw"
    sys: str = "ro"
    cgroups: str = "ro"
    all_devices: bool = False


DEFAULT = Expected()
USER = replace(DEFAULT, permitted=0, uid="1000", gid="1000", groups="1000 2000")
ALL = -1  # all that the engine itself has

TABLE = {
    "": DEFAULT,
    "--privileged": Expected(
        permitted=ALL,
        bounding=ALL,
        seccomp=("0", "0"),
        masked=False,
        sys="rw",
        cgroups="rw",
        all_devices=True,
    ),
    "--user app": USER,
    "--read-only": replace(DEFAULT, root="ro"),
    "--cap-add NET_ADMIN": replace(DEFAULT, permitted=DOCKER | NET_ADMIN, bounding=DOCKER | NET_ADMIN),
    "--cap-add NET_ADMIN --user app": replace(USER, bounding=DOCKER | NET_ADMIN),
    "--cap-drop ALL --security-opt no-new-privileges": replace(DEFAULT, permitted=0, bounding=0, no_new_privileges="1"),
    "--security-opt seccomp=unconfined --security-opt systempaths=unconfined": replace(
        DEFAULT, seccomp=("0", "0"), masked=False
    ),
    "--security-opt writable-cgroups=true": replace(DEFAULT, cgroups="rw"),
}


@pytest.mark.parametrize("flags", TABLE)
def test_a_container_is_as_dockerds(docker: Program, engine: Engine, flags: str) -> None:
    wanted = TABLE[flags]
    seen = sections(docker("run", "--rm", *flags.split(), "busybox", "sh", "-c", PROBE).out)
    check_status(seen["status"], wanted)
    assert seen["descriptors"] == ["0", "1", "2"]
    check_mounts(seen["mounts"], wanted)
    check_devices(seen["devices"], seen["links"], wanted)
    check_limits(seen["limits"])
    score, cgroup, ports, ping = seen["other"]
    assert (score, ports, ping.split()) == ("0", "0", ["0", "2147483647"])
    old = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
    assert (cgroup == os.readlink("/proc/self/ns/cgroup")) == old, "on v1 the host's, on v2 one of its own"
    enabled = Path("/sys/module/apparmor/parameters/enabled")
    if not enabled.exists():
        assert seen["confinement"] in ([], ["unconfined"])


def sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("== "):
            found[line[3:]] = []
        else:
            found[list(found)[-1]].append(line)
    assert list(found)[-1] == "end", text
    return found


def check_status(lines: list[str], wanted: Expected) -> None:
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    every = int(next(line.split()[1] for line in own_status() if line.startswith("CapBnd")), 16)
    permitted, bounding = (every if number == ALL else number for number in (wanted.permitted, wanted.bounding))
    sets = {name: int(status[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    assert sets == {"Inh": 0, "Prm": permitted, "Eff": permitted, "Bnd": bounding, "Amb": 0}
    assert status["NoNewPrivs"] == wanted.no_new_privileges
    assert (status["Seccomp"], status.get("Seccomp_filters", wanted.seccomp[1])) == wanted.seccomp
    assert [status[name].split() for name in ("Uid", "Gid")] == [[wanted.uid] * 4, [wanted.gid] * 4]
    assert status["Groups"].split() == wanted.groups.split()


def own_status() -> list[str]:
    return Path("/proc/self/status").read_text().splitlines()


def check_mounts(lines: list[str], wanted: Expected) -> None:
    seen = {}
    for line in lines:
        before, _, after = line.partition(" - ")
        point, options = before.split()[4:6]
        kind, _, inner = after.split(" ", 2)
        words = {word for word in options.split(",") if not word.endswith("atime")}
        seen[point] = (kind, words, inner.split(","))
    expected = {point: (kind, set(words.split())) for point, (kind, words) in MOUNTS.items()}
    expected["/"] = ("overlay", {wanted.root})
    expected |= {point: ("", {wanted.root}) for point, (kind, _) in MOUNTS.items() if not kind}
    expected["/sys"] = ("sysfs", {wanted.sys, "nosuid", "nodev", "noexec"})
    if wanted.masked:
        for path in filter(os.path.exists, READ_ONLY):
            expected[path] = ("proc", {"ro", "nosuid", "nodev", "noexec"})
        for path in filter(os.path.exists, MASKED):
            # An empty directory over a directory, /dev/null over a file.
            expected[path] = ("tmpfs", {"ro"} if os.path.isdir(path) else {"rw", "nosuid"})
    groups = {point: seen.pop(point) for point in list(seen) if point.startswith("/sys/fs/cgroup")}
    assert groups, "no control groups"
    for kind, words, _ in groups.values():
        outer = kind == "tmpfs"
        assert words == {"rw" if outer else wanted.cgroups, "nosuid", "nodev", "noexec"}
    for point, (kind, words) in expected.items():
        assert point in seen, f"{point} is not mounted"
        assert seen[point][1] == words, point
        assert seen[point][0] == kind or not kind, point
    for point, word in SIZES.items():
        assert word in seen[point][2], point
    assert {point for point in set(seen) - set(expected) if "thermal_throttle" not in point} == set()


def check_devices(lines: list[str], links: list[str], wanted: Expected) -> None:
    seen = dict(line.split(" ", 1) for line in lines)
    for path, words in DEVICES.items():
        assert seen.pop(path) == words
    if wanted.all_devices:
        hosts = {str(path) for path in Path("/dev").iterdir() if is_device(path) and path.name != "console"}
        assert hosts - set(DEVICES) - {"/dev/ptmx"} <= set(seen)
    else:
        assert seen == {}
    assert dict(line.split(" ", 1) for line in links) == LINKS


def is_device(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def check_limits(lines: list[str]) -> None:
    """The container's are the engine's own, and so this process's, but for the number of files."""
    own = Path("/proc/self/limits").read_text().splitlines()
    for ours, theirs in zip(own[1:], lines[1:], strict=True):
        name = ours[:26].strip()
        assert theirs.startswith(name)
        if name not in ("Max open files", "Max core file size"):
            assert theirs.split() == ours.split()
