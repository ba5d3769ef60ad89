"""What a create request may not say, and that nothing in it is ignored."""

from typing import Any

import msgspec
import pytest

from havre.engine.container import validate
from havre.errors import InvalidParameter, Unsupported
from havre.wire.containers import (
    ContainerConfig,
    DeviceRequest,
    HostConfig,
    LogConfig,
    PortBinding,
    RestartPolicy,
    Ulimit,
)


def create(**host: Any) -> None:
    validate.create(ContainerConfig(), HostConfig(**host))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ({"links": ["a:b"]}, "Links"),
        ({"volumes_from": ["x"]}, "VolumesFrom"),
        ({"ipc_mode": "shareable"}, "IpcMode"),
        ({"pid_mode": "container:x"}, "PidMode"),
        ({"uts_mode": "x"}, "UTSMode"),
        ({"storage_opt": {"size": "1g"}}, "StorageOpt"),
        ({"cpu_realtime_runtime": 5}, "CpuRealtimeRuntime"),
        ({"device_requests": [DeviceRequest(count=-1)]}, r'DeviceRequests = \[{"Driver":"","Count":-1,'),
        ({"log_config": LogConfig(type="syslog")}, "syslog"),
        ({"security_opt": ["apparmor=x"]}, "apparmor"),
    ],
)
def test_what_is_not_there_yet_is_refused_by_name(host: dict[str, Any], name: str) -> None:
    with pytest.raises(Unsupported, match=name):
        create(**host)


@pytest.mark.parametrize(
    "host",
    [
        {"memory": 1024},
        {"memory_swap": 1 << 30},
        {"memory": 1 << 30, "memory_swap": 1 << 20},
        {"nano_cpus": 1, "cpu_quota": 1},
        {"nano_cpus": -1},
        {"nano_cpus": 10**18},
        {"oom_score_adj": 2000},
        {"restart_policy": RestartPolicy(name="sometimes")},
        {"restart_policy": RestartPolicy(name="always", maximum_retry_count=3)},
        {"restart_policy": RestartPolicy(name="always"), "auto_remove": True},
        {"security_opt": ["nonsense"]},
        {"security_opt": ["systempaths=unconfined"]},
        {"memory": 1 << 63},
        {"nano_cpus": 1},
        {"cpu_period": 1},
        {"cpu_quota": 1},
        {"cpu_shares": -1},
        {"cpuset_cpus": "one"},
        {"cpuset_mems": "0-"},
        {"blkio_weight": 1},
        {"ulimits": [Ulimit(name="nonsense")]},
        {"ulimits": [Ulimit(name="nofile", soft=2, hard=1)]},
        {"binds": ["/a\0b:/c"]},
        {"tmpfs": {"/a\0": ""}},
        {"console_size": [-1, 5]},
        {"console_size": [70000, 5]},
        {"extra_hosts": ["nothing"]},
        {"extra_hosts": ["name:nonsense"]},
        {"extra_hosts": ["name\n1.2.3.4 other:1.2.3.4"]},
        {"dns": ["nonsense"]},
        {"dns": ["1.2.3.4\nnameserver 5.6.7.8"]},
        {"dns_search": ["a b"]},
        {"dns_options": ["a\nb"]},
        {"port_bindings": {"80/nonsense": []}},
        {"port_bindings": {"0/tcp": []}},
        {"port_bindings": {"80/tcp": [PortBinding(host_port="99999")]}},
        {"port_bindings": {"80/tcp": [PortBinding(host_port="-5")]}},
        {"port_bindings": {"80/tcp": [PortBinding(host_ip="localhost")]}},
        {"log_config": LogConfig(type="local", config={"tag": "x"})},
    ],
)
def test_contradictions_are_the_clients_error(host: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        create(**host)


@pytest.mark.parametrize(
    "host",
    [
        {"memory": -1, "memory_reservation": 1 << 30},
        {"nano_cpus": 10**7},
        {"cpuset_cpus": "0", "cpuset_mems": "0"},
        {"cpuset_cpus": "0-1,3"},
        {"ulimits": [Ulimit(name="core", soft=-1, hard=-1), Ulimit(name="nofile", soft=5, hard=-1)]},
        {"console_size": [0, 0]},
        {"extra_hosts": ["name:1.2.3.4", "six:::1", "six:[::1]", "gateway:host-gateway"]},
        {"dns": ["1.2.3.4", "::1"], "dns_search": ["."], "dns_options": ["ndots:3"]},
        {"port_bindings": {"80": None, "81/udp": [PortBinding(host_ip="::1", host_port="1-9")]}},
    ],
)
def test_what_is_unusual_is_not_refused(host: dict[str, Any]) -> None:
    create(**host)


@pytest.mark.parametrize(
    "config",
    [
        {"env": ["A=\0"]},
        {"user": "a\0"},
        {"labels": {"a": "\0"}},
        {"stop_timeout": 10**30},
        {"hostname": "a\nb"},
        {"hostname": "a" * 65},
        {"domainname": "a b"},
        {"exposed_ports": {"nonsense/tcp": {}}},
        {"exposed_ports": {"1-99999999999/tcp": {}}},
        {"stop_signal": "9" * 5000},
        {"stop_signal": "\u0669"},
        {"stop_signal": "RTMIN+" + "1" * 5000},
    ],
)
def test_words_that_cannot_be_are_the_clients_error(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        validate.create(ContainerConfig(**config), HostConfig())


def test_a_host_name_needs_a_uts_namespace() -> None:
    with pytest.raises(InvalidParameter, match="conflicting options: hostname and the UTS mode"):
        validate.create(ContainerConfig(hostname="x"), HostConfig(uts_mode="host"))


@pytest.mark.parametrize("mode", ["host", "none"])
def test_ports_that_are_not_published_are_warned_of(mode: str) -> None:
    host = HostConfig(network_mode=mode, port_bindings={"80/tcp": None})
    assert validate.create(ContainerConfig(), host) == [f"Published ports are discarded when using {mode} network mode"]


def test_every_field_is_used_or_refused() -> None:
    """A new field of HostConfig must be thought of: it is listed here once something reads it."""
    used = (
        "binds log_config network_mode port_bindings restart_policy auto_remove annotations cap_add cap_drop dns "
        "dns_options dns_search extra_hosts group_add oom_score_adj privileged publish_all_ports readonly_rootfs "
        "security_opt tmpfs shm_size sysctls runtime cpu_shares memory nano_cpus cgroup_parent blkio_weight cpu_period "
        "cpu_quota cpuset_cpus cpuset_mems devices memory_reservation memory_swap memory_swappiness oom_kill_disable "
        "pids_limit ulimits mounts masked_paths readonly_paths init console_size "
        "container_id_file"  # written by the client for itself
    ).split()
    fields = {field.name for field in msgspec.structs.fields(HostConfig)}
    assert fields == set(used) | set(validate._IMPLEMENTED)


@pytest.mark.parametrize(
    ("text", "number"), [("KILL", 9), ("SIGTERM", 15), ("15", 15), ("rtmin+3", 37), ("SIGRTMAX", 64), ("usr1", 10)]
)
def test_signals(text: str, number: int) -> None:
    assert validate.signal_number(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "SIGNOPE", "RTMIN+40", "-9"])
def test_bad_signals(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid signal"):
        validate.signal_number(text)


def test_names() -> None:
    assert validate.name("/web_1.a-b") == "web_1.a-b"
    for bad in ("a", "-a", "a b", "ä1", "a/b", "a\n"):
        with pytest.raises(InvalidParameter, match="Invalid container name"):
            validate.name(bad)
