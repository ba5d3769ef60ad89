"""What the image, volume, network and system commands ask of the daemon."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.daemon import FakeDaemon
from tests.fakes.world import fill
from tests.unit.cli.conftest import Havre

FILTERS = {"label": {"x": True}, "status": {"exited": True, "running": True}}


def query(daemon: FakeDaemon) -> dict[str, Any]:
    """The last request's query, its JSON values decoded."""
    found = {}
    for name, values in daemon.requests[-1].query.items():
        values = [json.loads(value) if value.startswith("{") else value for value in values]
        found[name] = values[0] if len(values) == 1 else values
    return found


@pytest.mark.parametrize(
    ("argv", "path", "wanted"),
    [
        (["ps"], "/containers/json", {}),
        (["ps", "-a", "-s"], "/containers/json", {"all": "1", "size": "1"}),
        (["ps", "-l"], "/containers/json", {"limit": "1"}),
        (["ps", "-n", "3", "-l"], "/containers/json", {"limit": "3"}),
        (["ps", "--format", "{{.Size}}"], "/containers/json", {"size": "1"}),
        (["ps", "--format", "{{.Size}}", "--size=false"], "/containers/json", {}),
        (["ps", "--format", "{{.Size}}", "-q"], "/containers/json", {}),
        (
            ["ps", "-f", "status=running", "-f", "LABEL = x", "-f", "status=exited"],
            "/containers/json",
            {"filters": FILTERS},
        ),
        (["images"], "/images/json", {}),
        (["images", "-a", "busy*"], "/images/json", {"all": "1", "filters": {"reference": {"busy*": True}}}),
        (
            ["history", "--platform", "linux/arm/v7", "busybox"],
            "/images/busybox/history",
            {"platform": {"architecture": "arm", "os": "linux", "variant": "v7"}},
        ),
        (["rmi", "-f", "busybox"], "/images/busybox", {"force": "1"}),
        (
            ["rmi", "--no-prune", "--platform", "linux/amd64,arm64", "busybox"],
            "/images/busybox",
            {
                "noprune": "1",
                "platforms": [
                    {"architecture": "amd64", "os": "linux"},
                    {"architecture": "arm64", "os": "linux"},
                ],
            },
        ),
        (["tag", "busybox", "foo"], "/images/busybox/tag", {"repo": "docker.io/library/foo", "tag": "latest"}),
        (["tag", "busybox", "h:5/foo:v2"], "/images/busybox/tag", {"repo": "h:5/foo", "tag": "v2"}),
        (["save", "a", "b"], "/images/get", {"names": ["a", "b"]}),
        (
            ["commit", "-a", "me", "-m", "msg", "-c", "CMD x", "-c", "ENV a=b", "-p=false", "web", "foo:v1"],
            "/commit",
            {
                "container": "web",
                "repo": "docker.io/library/foo",
                "tag": "v1",
                "author": "me",
                "comment": "msg",
                "changes": ["CMD x", "ENV a=b"],
                "pause": "0",
            },
        ),
        (["pull", "busybox"], "/images/create", {"fromImage": "docker.io/library/busybox", "tag": "latest"}),
        (["pull", "-a", "busybox"], "/images/create", {"fromImage": "docker.io/library/busybox"}),
        (
            ["pull", "--platform", "Linux/ARM64", f"h:5/x@sha256:{'a' * 64}"],
            "/images/create",
            {"fromImage": "h:5/x", "tag": f"sha256:{'a' * 64}", "platform": "linux/arm64"},
        ),
        (
            ["import", "-c", "CMD a", "-m", "msg", "--platform", "linux/arm", "-", "foo:v1"],
            "/images/create",
            {"fromSrc": "-", "repo": "foo:v1", "message": "msg", "platform": "linux/arm", "changes": "CMD a"},
        ),
        (["import", "http://x/y.tar"], "/images/create", {"fromSrc": "http://x/y.tar", "repo": ""}),
        (["load", "-q"], "/images/load", {"quiet": "1"}),
        (["volume", "ls", "-f", "dangling=true"], "/volumes", {"filters": {"dangling": {"true": True}}}),
        (["volume", "rm", "-f", "vol"], "/volumes/vol", {"force": "1"}),
        (["image", "prune", "-f"], "/images/prune", {"filters": {"dangling": {"true": True}}}),
        (
            ["image", "prune", "-af", "--filter", "until=1h"],
            "/images/prune",
            {"filters": {"dangling": {"false": True}, "until": {"1h": True}}},
        ),
        (["volume", "prune", "-af"], "/volumes/prune", {"filters": {"all": {"true": True}}}),
        (["events", "--since", "1600000000.5"], "/events", {"since": "1600000000.5"}),
        (["events", "--until", "2020-09-13T12:26:40Z"], "/events", {"until": "1600000000.000000000"}),
        (["search", "--limit", "5", "x"], "/images/search", {"term": "x", "limit": "5"}),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else None,
)
def test_queries(havre: Havre, daemon: FakeDaemon, argv: list[str], path: str, wanted: dict[str, Any]) -> None:
    fill(daemon)
    done = havre(*argv, env={"TZ": "UTC"})
    assert done.code == 0, done.err
    assert daemon.requests[-1].path == path
    assert query(daemon) == wanted | ({"tag": ""} if wanted.get("repo") == "" and "container" in wanted else {})


@pytest.mark.parametrize(
    ("argv", "body"),
    [
        (["volume", "create"], {"Driver": "local"}),
        (
            ["volume", "create", "-d", "nfs", "-o", "o=addr=1", "--label", "a=b", "--label", "c", "v"],
            {"Driver": "nfs", "DriverOpts": {"o": "addr=1"}, "Labels": {"a": "b", "c": ""}, "Name": "v"},
        ),
        (["network", "disconnect", "-f", "bridge", "web"], {"Container": "web", "Force": True}),
    ],
)
def test_bodies(havre: Havre, daemon: FakeDaemon, argv: list[str], body: dict[str, Any]) -> None:
    fill(daemon)
    assert havre(*argv).code == 0
    assert daemon.requests[-1].json() == body


def test_a_network_with_everything(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    subnets = ["--subnet", "10.1.0.0/16,fd00::/64", "--ip-range", "10.1.5.0/24", "--gateway", "10.1.0.1,fd00::1"]
    done = havre("network", "create", *subnets, "--aux-address", "a=10.1.0.9", "-o", "x=y", "--ipv6", "--internal", "n")
    assert done.code == 0, done.err
    body = daemon.requests[-1].json()
    assert body["IPAM"]["Config"] == [
        {
            "Subnet": "10.1.0.0/16",
            "IPRange": "10.1.5.0/24",
            "Gateway": "10.1.0.1",
            "AuxiliaryAddresses": {"a": "10.1.0.9"},
        },
        {"Subnet": "fd00::/64", "Gateway": "fd00::1"},
    ]
    assert (body["Options"], body["Internal"], body["EnableIPv6"]) == ({"x": "y"}, True, True)
    assert "EnableIPv4" not in body


def test_an_endpoint_with_everything(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    addresses = ["--ip", "10.1.0.5", "--ip6", "fe80::1", "--link-local-ip", "169.254.1.1"]
    names = ["--alias", "a,b", "--alias", "c", "--link", "x:y", "--driver-opt", "K=v", "--gw-priority", "-5"]
    assert havre("network", "connect", *addresses, *names, "bridge", "web").code == 0
    assert daemon.requests[-1].json()["EndpointConfig"] == {
        "IPAMConfig": {"IPv4Address": "10.1.0.5", "IPv6Address": "fe80::1", "LinkLocalIPs": ["169.254.1.1"]},
        "Links": ["x:y"],
        "Aliases": ["a", "b", "c"],
        "DriverOpts": {"k": "v"},
        "GwPriority": -5,
    }


def test_archives_travel_whole(havre: Havre, daemon: FakeDaemon, tmp_path: Path) -> None:
    fill(daemon)
    data = bytes(range(256)) * 4000
    (tmp_path / "in.tar").write_bytes(data)
    assert havre("load", "-i", str(tmp_path / "in.tar")).out == "Loaded image: busybox:latest\n"
    assert daemon.requests[-1].body == data
    assert havre("load", stdin=data).code == 0
    assert daemon.requests[-1].body == data
    assert havre("import", str(tmp_path / "in.tar"), "x").code == 0
    assert daemon.requests[-1].body == data


def test_system_prune_asks_in_dockers_order(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    assert havre("system", "prune", "-f", "--volumes", "--filter", "label=x").code == 0
    kinds = ("containers", "networks", "volumes", "images", "build")
    assert daemon.trail() == [f"POST /{kind}/prune" for kind in kinds]


def test_system_prune_where_nothing_is_built(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    daemon.on("POST", "/build/prune", status=501, json={"message": "not here"})
    assert havre("system", "prune", "-f").out.endswith("Total reclaimed space: 1.235MB\n")


def test_filters_from_the_configuration(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    havre.config('{"pruneFilters": ["label=keep", "label!=x", "until=5h", "bad"]}')
    assert havre("container", "prune", "-f", "--filter", "label!=keep").code == 0
    assert query(daemon) == {"filters": {"label!": {"keep": True, "x": True}, "until": {"5h": True}}}


@pytest.mark.parametrize("argv", [["volume", "ls", "--cluster"], ["volume", "update", "v"]])
def test_what_is_not_there_is_said(havre: Havre, daemon: FakeDaemon, argv: list[str]) -> None:
    done = havre(*argv)
    assert done.code == 1 and "not supported" in done.err
    assert daemon.requests == []


@pytest.mark.parametrize("name", ["type", "scope", "group", "availability", "limit-bytes"])
def test_flags_of_clusters_are_refused(havre: Havre, daemon: FakeDaemon, name: str) -> None:
    done = havre("volume", "create", f"--{name}", "1", "v")
    assert (done.code, done.err) == (1, f"--{name}: cluster volumes are not supported\n")


def test_networks_removed_by_force(havre: Havre, daemon: FakeDaemon) -> None:
    fill(daemon)
    done = havre("network", "rm", "bridge", "nope")
    assert (done.code, done.out) == (1, "bridge\n")
    assert done.err == "Error response from daemon: network nope not found\n"
    assert havre("network", "rm", "-f", "nope").code == 0


def test_network_repair(havre: Havre, daemon: FakeDaemon) -> None:
    one = {"Network": "lan", "Mended": ["rules", "bridge"], "Containers": ["web"], "Problem": ""}
    daemon.on("POST", "/havre/networks/repair", json=[one])
    assert havre("network", "repair").out == "lan: rules, bridge, interface of web\n"
    daemon.on("POST", "/havre/networks/repair", json=[])
    assert havre("network", "repair").out == "nothing to repair\n"
    daemon.on("POST", "/havre/networks/repair", json=[{**one, "Mended": [], "Containers": [], "Problem": "no"}])
    done = havre("network", "repair")
    assert (done.code, done.out, done.err) == (1, "", "lan: no\n")


def test_network_why(havre: Havre, daemon: FakeDaemon) -> None:
    one = {
        "HostIp": "::",
        "HostPort": 8080,
        "Protocol": "tcp",
        "Container": "c" * 64,
        "ContainerName": "web",
        "Network": "lan",
        "Target": "[fd00::2]:80",
        "Rule": "table ip6 havre_br-1, map published: …",
        "Reach": ["every machine", "but one"],
    }
    daemon.on("GET", "/havre/ports/8080", json=[one])
    assert havre("network", "why", "8080/tcp").out.splitlines() == [
        "[::]:8080/tcp",
        "  container  web (cccccccccccc)",
        "  target     [fd00::2]:80 on network lan",
        "  rule       table ip6 havre_br-1, map published: …",
        "  reached by every machine",
        "             but one",
    ]
    assert query(daemon) == {"protocol": "tcp"}


def test_ports_come_and_go(havre: Havre, daemon: FakeDaemon) -> None:
    published = {
        "80/tcp": [{"HostIp": "::", "HostPort": "8080"}, {"HostIp": "0.0.0.0", "HostPort": "8080"}],
        "9/tcp": None,
    }
    daemon.on("POST", "/havre/containers/web/ports", json={"Ports": published})
    daemon.on("DELETE", "/havre/containers/web/ports/80", json={"Ports": {}})
    out = havre("port", "add", "web", "127.0.0.1:8080:80", "53/udp").out
    assert out.splitlines() == ["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080"]
    assert daemon.requests[-1].json() == {
        "PortBindings": {
            "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
            "53/udp": [{"HostIp": "", "HostPort": ""}],
        }
    }
    assert havre("port", "rm", "web", "80/tcp").out == "" and query(daemon) == {"protocol": "tcp"}


def test_a_container_called_add(havre: Havre, daemon: FakeDaemon) -> None:
    ports = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
    daemon.on("GET", "/containers/add/json", json={"NetworkSettings": {"Ports": ports}})
    assert havre("port", "add", "80").out == "0.0.0.0:8080\n" and havre("port", "add").out == "80/tcp -> 0.0.0.0:8080\n"
