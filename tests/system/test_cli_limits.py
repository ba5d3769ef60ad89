"""Limits and rights asked for on the command line, looked for where the kernel keeps them."""

import json
import os
import uuid
from pathlib import Path

import pytest

from tests.system.conftest import NewDaemon, docker_for
from tests.system.groups import V2, Groups
from tests.system.harness import Engine
from tests.system.images import busybox
from tests.system.programs import Program

M = 1 << 20
SLEEP = ("busybox", "sleep", "1000")
# Control groups of these tests alone.
PARENT, OTHER = (f"havre-test-{uuid.uuid4().hex[:8]}" for _ in range(2))


def test_limits_are_set_in_the_kernel(docker: Program, engine: Engine) -> None:
    docker(
        *("run", "-d", "--name", "held", "--memory", "64m", "--memory-swap", "80m", "--memory-reservation", "32m"),
        *("--cpu-shares", "512", "--cpu-period", "50000", "--cpu-quota", "25000", "--cpuset-cpus", "0"),
        *("--cpuset-mems", "0", "--pids-limit", "30", *SLEEP),
    )
    groups = Groups(engine, "held")
    assert (groups.memory(), groups.memory_and_swap(), groups.reservation()) == (64 * M, 80 * M, 32 * M)
    assert groups.quota() == ("25000", "50000")
    assert groups.shares() in ("512", "")
    assert (groups.cpus(), groups.pids()) == ("0", "30")


def test_swap_is_as_much_as_memory_and_a_share_of_cpus_a_quota(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "held", "-m", "64m", "--cpus", "1.5", "--cgroup-parent", f"/{PARENT}", *SLEEP)
    groups = Groups(engine, "held")
    assert groups.memory_and_swap() == engine.inspect("held")["HostConfig"]["MemorySwap"] == 128 * M
    assert groups.quota() == ("150000", "100000")
    assert groups.path("memory") == f"/{PARENT}/{engine.inspect('held')['Id']}"
    docker("rm", "-f", "held")
    for root in Path("/sys/fs/cgroup").glob(f"**/{PARENT}"):
        root.rmdir()


@pytest.mark.skipif(V2, reason="files of control groups v1")
def test_rates_of_a_block_device(docker: Program, engine: Engine) -> None:
    device = next((path for path in Path("/dev").iterdir() if path.is_block_device()), None)
    if device is None:
        pytest.skip("no block device here")
    number = f"{os.major(device.stat().st_rdev)}:{os.minor(device.stat().st_rdev)}"
    docker(
        "run",
        "-d",
        "--name",
        "held",
        "--device-read-bps",
        f"{device}:1mb",
        "--device-write-iops",
        f"{device}:9",
        *SLEEP,
    )
    groups = Groups(engine, "held")
    assert groups.read("blkio", "blkio.throttle.read_bps_device", "") == f"{number} {M}"
    assert groups.read("blkio", "blkio.throttle.write_iops_device", "") == f"{number} 9"


@pytest.mark.skipif(V2, reason="limits that v2 does not have")
def test_swappiness_and_endless_memory(docker: Program, engine: Engine) -> None:
    done = docker("run", "-d", "--name", "held", "--memory-swappiness", "7", "--oom-kill-disable", *SLEEP)
    assert "OOM killer is disabled for the container, but no memory limit is set" in done.err
    groups = Groups(engine, "held")
    assert groups.read("memory", "memory.swappiness", "") == "7"
    assert "oom_kill_disable 1" in groups.read("memory", "memory.oom_control", "")


@pytest.mark.skipif(Path("/sys/fs/cgroup/blkio/blkio.weight").exists() or V2, reason="this kernel has the limit")
def test_what_the_kernel_lacks_is_warned_of(docker: Program, engine: Engine) -> None:
    done = docker("create", "--name", "held", "--blkio-weight", "500", *SLEEP)
    warning = "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
    assert warning in done.err
    assert engine.inspect("held")["HostConfig"]["BlkioWeight"] == 0


RIGHTS: list[tuple[list[str], str, str]] = [
    (["--device-cgroup-rule", "c 1:5 r"], "mknod /z c 1 5 && head -c1 /z | wc -c", "1"),
    (["--device-cgroup-rule", "c 240:* rwm"], "grep -c x /dev/null; mknod /z c 240 1 && echo made", "0\nmade"),
    (["--device", "/dev/kmsg:/dev/other:r"], "echo x 2>/dev/null > /dev/other || echo refused", "refused"),
    (["--security-opt", "writable-cgroups=true"], "grep -c ' /sys/fs/cgroup.* rw,.* - cgroup' /proc/self/mountinfo "
     "| grep -vc '^0$'", "1"),
    (["--security-opt", "systempaths=unconfined"], "grep ' /proc/[a-z]' /proc/self/mountinfo || echo none", "none"),
    (["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"),
    (["--security-opt", "label=disable", "--security-opt", "apparmor=unconfined"], "echo taken", "taken"),
    (["--ulimit", "nofile=100:200", "--ulimit", "core=0"], "ulimit -n; ulimit -Hn; ulimit -c", "100\n200\n0"),
    (["--sysctl", "kernel.shmmax=12345", "--sysctl", "net.ipv4.ip_forward=0"],
     "cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward", "12345\n0"),
]  # fmt: skip


def test_rights(docker: Program) -> None:
    for flags, command, wanted in RIGHTS:
        done = docker("run", "--rm", *flags, "busybox", "sh", "-c", command)
        assert done.out.strip() == wanted, flags


def test_a_profile_of_the_user_forbids(docker: Program, tmp_path: Path) -> None:
    profile = tmp_path / "no-mkdir.json"
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    script = "mkdir /x 2>&1; touch /y && echo made"
    done = docker("run", "--rm", "--security-opt", f"seccomp={profile}", "busybox", "sh", "-c", script)
    assert done.out == "mkdir: can't create directory '/x': Function not implemented\nmade\n"


REFUSED: list[tuple[list[str], str]] = [
    (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
    (["--cpuset-cpus", "4000"], "Requested CPUs are not available - requested 4000, available: "),
    (
        ["--storage-opt", "size=1g"],
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
    ),
    (["--runtime", "nope"], "unknown or invalid runtime name: nope"),
    (["--isolation", "hyperv"], "invalid isolation (hyperv): linux only supports 'default'"),
    (["--cap-add", "nope"], 'invalid CapAdd: unknown capability: "CAP_NOPE"'),
    (["--gpus", "all"], 'could not select device driver "" with capabilities: [[gpu]]'),
    (["--device", "no.such/device=x"], "CDI device injection failed: unresolvable CDI devices no.such/device=x"),
]


def test_what_is_refused(docker: Program) -> None:
    for flags, text in REFUSED:
        done = docker("run", "--rm", *flags, *SLEEP, code=None)
        assert (done.code, text in done.err) == (125, True), done


CDI = """\
cdiVersion: 0.6.0
kind: havre.test/thing
containerEdits: {env: [FROM_SPEC=1]}
devices:
  - name: one
    containerEdits:
      env: [THING=one]
      deviceNodes: [{path: /dev/thing, hostPath: /dev/zero, permissions: r}]
      mounts: [{hostPath: %s, containerPath: /thing, options: [ro, nosuid, bind]}]
"""


def test_the_daemons_own_defaults_and_described_devices(new_havred: NewDaemon, tmp_path: Path) -> None:
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi" / "thing.yaml").write_text(CDI % tmp_path)
    (tmp_path / "here").touch()
    profile = tmp_path / "profile.json"
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    daemon = new_havred(
        *("--cdi-spec-dir", str(tmp_path / "cdi"), "--default-ulimit", "nofile=111:222", "--default-shm-size", "2m"),
        *("--no-new-privileges", "--seccomp-profile", str(profile), "--cgroup-parent", f"/{OTHER}"),
        *(() if V2 else ("--cpu-rt-runtime", "40000")),
    )
    daemon.start()
    daemon.load(busybox().archive("busybox:latest"))
    docker = docker_for(daemon, tmp_path)
    script = """
        ulimit -n; df -k /dev/shm | tail -1 | awk '{print $2}'; grep NoNewPrivs /proc/self/status; mkdir /x 2>&1
        echo $FROM_SPEC $THING; head -c1 /dev/thing | wc -c; ls /thing/here; touch /thing/x 2>&1
        grep memory /proc/self/cgroup | cut -d: -f3 | cut -d/ -f2
    """
    done = docker("run", "--rm", "--device", "havre.test/thing=one", "busybox", "sh", "-c", script)
    wanted = [
        *("111", "2048", "NoNewPrivs:\t1", "mkdir: can't create directory '/x': Operation not permitted"),
        *("1 one", "1", "/thing/here", "touch: /thing/x: Read-only file system"),
    ]
    assert done.lines[:8] == wanted
    assert V2 or done.lines[8:] == [OTHER]
    asked = [
        "--security-opt",
        "no-new-privileges=false",
        "--security-opt",
        "seccomp=builtin",
        "--ulimit",
        "nofile=5000",
    ]
    script = "ulimit -n; grep NoNewPrivs /proc/self/status; mkdir /x && echo made"
    assert docker("run", "--rm", *asked, "busybox", "sh", "-c", script).lines == ["5000", "NoNewPrivs:\t0", "made"]
    assert {"Source": "cdi", "ID": "havre.test/thing=one"} in daemon.api("GET", "/info").json()["DiscoveredDevices"]
    if Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists():
        read = "cat /sys/fs/cgroup/cpu/cpu.rt_runtime_us"
        assert docker("run", "--rm", "--cpu-rt-runtime", "20000", "busybox", "sh", "-c", read).out == "20000\n"
    daemon.clean()
    for root in Path("/sys/fs/cgroup").glob(f"**/{OTHER}"):
        root.rmdir()


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs here")
def test_a_host_without_systemd_has_no_driver_of_that_name(new_havred: NewDaemon) -> None:
    daemon = new_havred("--exec-opt", "native.cgroupdriver=systemd")
    daemon.launch()
    assert daemon.wait_dead() == 1
    assert "native.cgroupdriver=systemd: systemd does not run on this host" in daemon.tail()
    daemon.flags = ()
