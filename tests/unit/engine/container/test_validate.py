"""What a create request may not say, whatever the host."""

from typing import Any

import pytest

from havre.engine.container import validate
from havre.errors import InvalidParameter
from havre.wire.containers import (
    ContainerConfig,
    HostConfig,
    LogConfig,
    PortBinding,
    RestartPolicy,
)


def create(**host: Any) -> None:
    validate.create(ContainerConfig(), HostConfig(**host))


@pytest.mark.parametrize(
    "host",
    [
        {"restart_policy": RestartPolicy(name="sometimes")},
        {"restart_policy": RestartPolicy(name="always", maximum_retry_count=3)},
        {"restart_policy": RestartPolicy(name="always"), "auto_remove": True},
        {"restart_policy": RestartPolicy(name="on-failure", maximum_retry_count=-1)},
        {"annotations": {"": "x"}},
        {"memory": 1 << 63},
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
