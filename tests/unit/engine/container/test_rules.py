"""What a daemon makes of HostConfig, and that nothing in it is ignored."""

import json
from typing import Any

import msgspec
import pytest

from havre.engine.container import security, sysctls
from havre.engine.container.rules import HostRules
from havre.engine.container.security import SecurityOptions
from havre.errors import InvalidParameter
from havre.kernel.cgroupdriver import CgroupDriver
from havre.runtime import capabilities
from havre.wire.containers import DeviceMapping, HostConfig, Ulimit
from tests.unit.engine.container.test_limits import ALL, NONE

HELD = frozenset(capabilities.NAMES) - {"CAP_SYS_RESOURCE"}


def settle(host: HostConfig, **more: Any) -> tuple[HostConfig, list[str]]:
    return HostRules(**{"kernel": ALL, "driver": CgroupDriver(), "held": HELD, **more}).settle(host)


def test_defaults() -> None:
    settled, warnings = settle(HostConfig(memory=1 << 30))
    assert (settled.memory_swap, settled.shm_size, settled.oom_kill_disable) == (1 << 31, 64 << 20, False)
    assert warnings == []
    assert settle(HostConfig(), kernel=NONE)[0].oom_kill_disable is None


def test_the_daemons_ulimits_are_for_who_names_none() -> None:
    ours = (Ulimit(name="nofile", soft=1, hard=2), Ulimit(name="core", soft=0, hard=0))
    asked = Ulimit(name="nofile", soft=5, hard=6)
    assert settle(HostConfig(ulimits=[asked]), ulimits=ours)[0].ulimits == [asked, ours[1]]
    assert settle(HostConfig())[0].ulimits is None


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ({"cap_add": ["nope"]}, 'invalid CapAdd: unknown capability: "CAP_NOPE"'),
        ({"cap_drop": ["x"], "privileged": True}, 'invalid CapDrop: unknown capability: "CAP_X"'),
        (
            {"cap_add": ["sys_resource"]},
            "invalid CapAdd: capability not supported by your kernel or not available in the current environment: "
            '"CAP_SYS_RESOURCE"',
        ),
        ({"storage_opt": {"nope": "x"}}, "Unknown option nope"),
        (
            {"storage_opt": {"size": "1g"}},
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        ({"device_cgroup_rules": ["c 1:3"]}, "invalid device cgroup rule format: 'c 1:3'"),
        ({"device_cgroup_rules": ["c 1:3 rwm\n"]}, "invalid device cgroup rule format: 'c 1:3 rwm\n'"),
        (
            {"device_cgroup_rules": [f"c 1:{10**30} r"]},
            f"invalid minor value in device cgroup rule format: 'c 1:{10**30} r'",
        ),
        ({"devices": [DeviceMapping(cgroup_permissions="x")]}, "invalid device mode: x"),
        ({"oom_score_adj": 1001}, "Invalid value 1001, range for oom score adj is [-1000, 1000]"),
        ({"shm_size": -1}, "SHM size can not be less than 0"),
        ({"security_opt": ["nonsense"]}, 'invalid --security-opt 1: "nonsense"'),
        ({"security_opt": ["systempaths=unconfined"]}, 'invalid --security-opt 2: "systempaths=unconfined"'),
        ({"security_opt": ["no-new-privileges=x"]}, 'invalid --security-opt 2: "no-new-privileges=x"'),
        ({"security_opt": ['seccomp={"defaultAction":"NO"}']}, "string NO is not a valid action for seccomp"),
        ({"ulimits": [Ulimit(name="x")]}, "invalid ulimit type: x"),
        ({"sysctls": {"vm.swappiness": "1"}}, 'sysctl "vm.swappiness" is not in a separate kernel namespace'),
    ],
)
def test_what_is_refused(host: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        settle(HostConfig(**host))
    assert caught.value.message == text


@pytest.mark.parametrize(
    "host",
    [
        {"cap_add": ["ALL", "net_admin"], "cap_drop": ["CAP_CHOWN"]},
        {"isolation": "default"},
        {"device_cgroup_rules": ["c 1:3 rwm", "a *:* r", "b 7:* m"]},
        {"security_opt": ["apparmor=x", "label=disable", "label:type:t", "disable", "seccomp=unconfined"]},
        {"cgroup_parent": "/any/where"},
    ],
)
def test_what_is_taken(host: dict[str, Any]) -> None:
    assert settle(HostConfig(**host))[1] == []


def test_a_slice_where_systemd_makes_the_groups() -> None:
    with pytest.raises(InvalidParameter, match="valid slice"):
        settle(HostConfig(cgroup_parent="/any/where"), driver=CgroupDriver("systemd"))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], SecurityOptions()),
        (["no-new-privileges"], SecurityOptions(no_new_privileges=True)),
        (["no-new-privileges:true", "no-new-privileges=0"], SecurityOptions(no_new_privileges=False)),
        (["writable-cgroups=T"], SecurityOptions(writable_cgroups=True)),
        (["seccomp=", "apparmor:x"], SecurityOptions(apparmor="x")),
        (['seccomp={"a": "b:c=d"}'], SecurityOptions(seccomp='{"a": "b:c=d"}')),
        (["label=user:u", "disable"], SecurityOptions(labels=("user:u", "disable"))),
    ],
)
def test_security_options(options: list[str], wanted: SecurityOptions) -> None:
    assert security.parse(options) == wanted


@pytest.mark.parametrize(
    ("name", "host", "allowed"),
    [
        ("net.ipv4.ip_forward", {}, True),
        ("net/ipv4/ip_forward", {}, True),
        ("net.ipv4.ip_forward", {"network_mode": "host"}, False),
        ("kernel.shmmax", {}, True),
        ("kernel.shmmax", {"ipc_mode": "host"}, False),
        ("fs.mqueue.msg_max", {}, True),
        ("fs.mqueue.msg_max", {"ipc_mode": "host"}, False),
        ("kernel.domainname", {}, True),
        ("kernel.domainname", {"uts_mode": "host"}, False),
        ("kernel.hostname", {}, False),
        ("", {}, False),
    ],
)
def test_parameters_of_the_kernel(name: str, host: dict[str, Any], allowed: bool) -> None:
    asked = HostConfig(sysctls={name: "1"}, **host)
    if allowed:
        sysctls.check(asked)
    else:
        with pytest.raises(InvalidParameter, match="sysctl"):
            sysctls.check(asked)


def test_both_ways_to_write_a_parameter() -> None:
    assert sysctls.dotted("net/ipv4/conf/eth0.1/forwarding") == "net.ipv4.conf.eth0/1.forwarding"
    assert sysctls.dotted("net.ipv4.conf.eth0/1.forwarding") == "net.ipv4.conf.eth0/1.forwarding"


def test_a_profile_of_a_user_may_be_large() -> None:
    rules = [{"names": [f"call{number}"], "action": "SCMP_ACT_ALLOW"} for number in range(10_000)]
    profile = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})
    assert settle(HostConfig(security_opt=[f"seccomp={profile}"]))[1] == []


def test_every_field_is_used() -> None:
    """A new field of HostConfig must be thought of: it is listed here once something reads it."""
    used = (
        "binds log_config network_mode port_bindings restart_policy auto_remove annotations cap_add cap_drop dns "
        "dns_options dns_search extra_hosts group_add oom_score_adj privileged publish_all_ports readonly_rootfs "
        "security_opt tmpfs shm_size sysctls runtime cpu_shares memory nano_cpus cgroup_parent blkio_weight cpu_period "
        "cpu_quota cpuset_cpus cpuset_mems devices memory_reservation memory_swap memory_swappiness oom_kill_disable "
        "pids_limit ulimits mounts masked_paths readonly_paths init console_size volume_driver volumes_from links "
        "cgroupns_mode ipc_mode pid_mode uts_mode userns_mode isolation storage_opt blkio_weight_device "
        "blkio_device_read_bps blkio_device_write_bps blkio_device_read_iops blkio_device_write_iops "
        "cpu_realtime_period cpu_realtime_runtime device_cgroup_rules device_requests cpu_percent io_maximum_iops "
        "io_maximum_bandwidth "
        "container_id_file "  # written by the client for itself
        "cgroup cpu_count"  # of no effect in Docker on Linux either
    ).split()
    assert {field.name for field in msgspec.structs.fields(HostConfig)} == set(used)
