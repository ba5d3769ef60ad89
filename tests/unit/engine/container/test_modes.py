"""Modes of namespaces: which there are, what rules them out, and who waits for whom."""

from typing import Any

import pytest

from havre.engine.container import modes
from havre.engine.container.record import Container
from havre.errors import InvalidParameter, NotFound
from havre.wire.containers import ContainerConfig, HostConfig


def container(number: int, links: dict[str, str] | None = None, **host: Any) -> Container:
    return Container(
        id=str(number) * 64,
        name=f"c{number}",
        created=0,
        image="",
        config=ContainerConfig(),
        host=HostConfig(**host),
        path="x",
        args=(),
        runtime="runc",
        links=links or {},
    )


class Known:
    """Finds one container, ``c1``."""

    def find(self, reference: str) -> Container:
        if reference in ("c1", "1" * 64, "111"):
            return container(1)
        raise NotFound(f"No such container: {reference}")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"ipc_mode": "bogus"}, "invalid IPC mode: bogus"),
        ({"pid_mode": "private"}, "invalid PID mode: private"),
        ({"pid_mode": "container:"}, "invalid PID mode: container:"),
        ({"uts_mode": "container:x"}, "invalid UTS mode: container:x"),
        ({"cgroupns_mode": "x"}, "invalid cgroup namespace mode: x"),
        ({"isolation": "hyperv"}, r"invalid isolation \(hyperv\): linux only supports 'default'"),
        ({"isolation": "process"}, r"invalid isolation \(process\): linux only supports 'default'"),
        ({"network_mode": "container:"}, "invalid container format container:<name|id>"),
        ({"network_mode": "container:c1", "links": ["a:b"]}, "container type network can't be used with links"),
        ({"network_mode": "host", "links": ["a:b"]}, "host type networking can't be used with links"),
    ],
)
def test_what_is_refused(host: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        modes.check(ContainerConfig(), HostConfig(**host))


@pytest.mark.parametrize(
    "host",
    [
        {"ipc_mode": "none"},
        {"ipc_mode": "container:"},
        {"pid_mode": "container:x", "network_mode": "container:y", "ipc_mode": "container:z"},
        {"userns_mode": "host", "uts_mode": "host", "cgroupns_mode": "host", "isolation": "default"},
        {"network_mode": "container:x", "dns_search": ["a"], "dns_options": ["b"]},
    ],
)
def test_what_is_not(host: dict[str, Any]) -> None:
    modes.check(ContainerConfig(), HostConfig(**host))


def test_names_become_ids() -> None:
    host = modes.resolve(HostConfig(ipc_mode="container:c1", pid_mode="container:111", network_mode="bridge"), Known())
    assert (host.ipc_mode, host.pid_mode, host.network_mode) == (*[f"container:{'1' * 64}"] * 2, "bridge")
    assert modes.resolve(HostConfig(network_mode="container:late"), Known()).network_mode == "container:late"
    with pytest.raises(InvalidParameter, match="No such container: late"):
        modes.resolve(HostConfig(pid_mode="container:late"), Known())


def test_those_that_are_needed_come_first() -> None:
    first = container(1, network_mode="container:c2")
    second = container(2, links={"alias": "3" * 64})
    third = container(3)
    assert [one.name for one in modes.in_order([first, second, third])] == ["c3", "c2", "c1"]
    circle = [container(1, pid_mode=f"container:{'2' * 64}"), container(2, pid_mode=f"container:{'1' * 64}")]
    assert {one.name for one in modes.in_order(circle)} == {"c1", "c2"}
