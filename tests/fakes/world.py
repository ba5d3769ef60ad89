"""A small Docker world on the scripted daemon: containers, images, volumes, networks, events, usage.

Every list and inspect command has something to show here, with the odd cases among it: no name, no tag, wide
characters, ports that join, sizes that overflow. Ages are relative to now, so that "3 days ago" stays so.
"""

import json
import re
import time
from typing import Any

from tests.fakes.daemon import FakeDaemon

DIGEST = "sha256:" + "9" * 64


def ident(digit: str) -> str:
    return digit * 64


def missing(message: str) -> dict[str, Any]:
    return {"status": 404, "json": {"message": message}}


def lines(*messages: object) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\r\n" for message in messages)


def port(private: int, public: int | None = None, address: str = "0.0.0.0", protocol: str = "tcp") -> dict[str, Any]:
    bare = {"PrivatePort": private, "Type": protocol}
    return bare if public is None else {**bare, "IP": address, "PublicPort": public}


def containers(now: int) -> list[dict[str, Any]]:
    mapped = [port(p, p, address) for address in ("0.0.0.0", "::") for p in (5, 6, 7, 9)]
    return [
        {
            "Id": ident("a"),
            "Names": ["/web", "/other/link"],
            "Image": "nginx:1.25",
            "ImageID": "sha256:" + ident("1"),
            "Command": "nginx -g 'daemon off;' \"x\" and more",
            "Created": now - 5 * 3600,
            "Ports": [port(80, 8080), port(80, 8080, "::"), port(443), port(444), port(9000, protocol="udp")],
            "SizeRw": 1234567,
            "SizeRootFs": 999_900_000,
            "Labels": {"a": "b", "com.x.y-z": "q"},
            "State": "running",
            "Status": "Up 5 hours",
            "NetworkSettings": {"Networks": {"bridge": {}}},
            "Mounts": [
                {"Type": "volume", "Name": "v" * 64, "Source": "/x", "Destination": "/d", "Driver": "local"},
                {"Type": "bind", "Source": "/very/long/path/of/a/bind", "Destination": "/d"},
            ],
        },
        {
            "Id": ident("b"),
            "Names": ["/db"],
            "Image": "sha256:" + ident("2"),
            "ImageID": "sha256:" + ident("2"),
            "Command": "sh",
            "Created": now - 90,
            "Ports": mapped,
            "Labels": {},
            "State": "exited",
            "Status": "Exited (0) About a minute ago",
            "NetworkSettings": {"Networks": {}},
            "Mounts": [],
        },
        {
            "Id": ident("c"),
            "Names": ["/日本"],
            "Image": f"docker.io/library/busybox@{DIGEST}",
            "ImageID": "sha256:" + ident("4"),
            "Command": "日本語日本語日本語日本語",
            "Created": now - 40 * 86400,
            "Ports": None,
            "Labels": None,
            "State": "created",
            "Status": "Created",
            "NetworkSettings": None,
            "Mounts": None,
        },
    ]


def images(now: int) -> list[dict[str, Any]]:
    return [
        {
            "Id": "sha256:" + ident("1"),
            "RepoTags": ["busybox:latest", "busybox:1.36"],
            "RepoDigests": [f"busybox@{DIGEST}"],
            "Created": now - 40 * 86400,
            "Size": 4261550,
            "SharedSize": -1,
            "Labels": {"a": "b"},
            "Containers": -1,
        },
        {
            "Id": "sha256:" + ident("2"),
            "RepoTags": ["localhost:5000/x/y:v1"],
            "RepoDigests": [],
            "Created": now - 90,
            "Size": 999_950_000,
            "SharedSize": 100,
            "Labels": None,
            "Containers": 3,
        },
        {
            "Id": "sha256:" + ident("3"),
            "RepoTags": [],
            "RepoDigests": [],
            "Created": now - 86400 * 365 * 3,
            "Size": 0,
            "SharedSize": -1,
            "Containers": -1,
        },
        {
            "Id": "sha256:" + ident("4"),
            "RepoTags": None,
            "RepoDigests": [f"docker.io/library/alpine@{DIGEST}"],
            "Created": -62135596800,
            "Size": 12,
            "SharedSize": -1,
            "Containers": -1,
        },
    ]


def history(now: int) -> list[dict[str, Any]]:
    return [
        {
            "Id": "sha256:" + ident("1"),
            "Created": now - 3 * 3600,
            "CreatedBy": '/bin/sh -c #(nop)  CMD ["sh"]\tx and a very long one indeed',
            "Tags": ["busybox:latest"],
            "Size": 0,
            "Comment": "c",
        },
        {
            "Id": "<missing>",
            "Created": 0,
            "CreatedBy": "/bin/sh -c #(nop) ADD file:xxx in / ",
            "Tags": None,
            "Size": 4261550,
            "Comment": "",
        },
    ]


CONTAINER: dict[str, Any] = {
    "Id": ident("a"),
    "Created": "2025-01-02T03:04:05.678Z",
    "Path": "sh",
    "Args": ["-c", "echo <hi> & \u2028"],
    "State": {
        "Status": "running",
        "Running": True,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 123,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": "2025-01-02T03:04:06Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
    },
    "Image": "sha256:" + ident("1"),
    "Name": "/web",
    "RestartCount": 0,
    "Driver": "overlay2",
    "HostConfig": {
        "Binds": None,
        "NetworkMode": "bridge",
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "Memory": 1048576,
        "NanoCpus": 1500000000,
        "PidsLimit": None,
        "OomKillDisable": False,
        "Init": None,
        "ConsoleSize": [0, 0],
        "Mounts": [{"Type": "bind", "Source": "/a", "Target": "/b"}],
    },
    "GraphDriver": {"Data": {"MergedDir": "/m"}, "Name": "overlay2"},
    "Mounts": [
        {"Type": "bind", "Source": "/a", "Destination": "/b", "Mode": "ro", "RW": False, "Propagation": "rprivate"}
    ],
    "Config": {
        "Hostname": "h",
        "Env": ["A=b", "PATH=/bin"],
        "Cmd": ["-c", "x"],
        "Labels": {"a": "b", "x.y": "z"},
        "ExposedPorts": {"80/tcp": {}},
        "Entrypoint": None,
        "Healthcheck": None,
    },
    "NetworkSettings": {
        "Bridge": "",
        "Ports": {
            "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
            "443/tcp": None,
        },
        "IPAddress": "172.17.0.2",
        "Networks": {"bridge": {"IPAMConfig": None, "Aliases": None, "IPAddress": "172.17.0.2", "GwPriority": 0}},
    },
    # What a newer daemon may add: seen only where Docker's types do not come in.
    "Future": {"x": 1.50, "big": 123456789012345678901},
}
CHECKED: dict[str, Any] = {
    **CONTAINER,
    "Id": ident("7"),
    "Name": "/checked",
    "Config": {
        "Healthcheck": {"Test": ["CMD-SHELL", "x"], "Interval": 90_000_000_000, "Timeout": 1_500_000, "Retries": 3},
    },
    "State": {
        **CONTAINER["State"],
        "Health": {
            "Status": "healthy",
            "FailingStreak": 0,
            "Log": [
                {"Start": "2025-01-02T03:04:05Z", "End": "2025-01-02T03:04:06.5Z", "ExitCode": 0, "Output": "fine\n"}
            ],
        },
    },
}
IMAGE: dict[str, Any] = {
    "Id": "sha256:" + ident("1"),
    "RepoTags": ["busybox:latest"],
    "RepoDigests": [],
    "Parent": "",
    "Comment": "",
    "Created": "2024-01-01T00:00:00Z",
    "Config": {"Cmd": ["sh"], "Env": None, "Labels": None},
    "Architecture": "amd64",
    "Os": "linux",
    "Size": 4261550,
    "GraphDriver": {"Data": None, "Name": "overlay2"},
    "RootFS": {"Type": "layers", "Layers": ["sha256:" + ident("2")]},
    "Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"},
}
NETWORK: dict[str, Any] = {
    "Name": "bridge",
    "Id": ident("d"),
    "Created": "2025-01-02T03:04:05.678901234+01:00",
    "Scope": "local",
    "Driver": "bridge",
    "EnableIPv4": True,
    "EnableIPv6": False,
    "IPAM": {
        "Driver": "default",
        "Options": None,
        "Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}],
    },
    "Internal": False,
    "Attachable": False,
    "Ingress": False,
    "ConfigFrom": {"Network": ""},
    "ConfigOnly": False,
    "Containers": {
        ident("a"): {
            "Name": "web",
            "EndpointID": ident("e"),
            "MacAddress": "02:42",
            "IPv4Address": "172.17.0.2/16",
            "IPv6Address": "",
        }
    },
    "Options": {"com.docker.network.bridge.name": "docker0"},
    "Labels": {},
}
VOLUME: dict[str, Any] = {
    "CreatedAt": "2025-01-02T03:04:05Z",
    "Driver": "local",
    "Labels": None,
    "Mountpoint": "/m",
    "Name": "vol",
    "Options": None,
    "Scope": "local",
}
VOLUMES = {
    "Volumes": [
        {"Name": "v10", "Driver": "local", "Scope": "local", "Mountpoint": "/m10", "Labels": {"a": "b"}},
        {
            "Name": "v2",
            "Driver": "nfs",
            "Scope": "global",
            "Mountpoint": "/m2",
            "Labels": None,
            "UsageData": {"Size": 1234567, "RefCount": 2},
        },
        {"Name": ident("a"), "Driver": "local", "Scope": "local", "Mountpoint": "/x", "Labels": {}},
    ],
    "Warnings": None,
}
NETWORKS = [
    {
        "Name": "host",
        "Id": ident("1"),
        "Created": "2025-01-02T03:04:05.6789Z",
        "Scope": "local",
        "Driver": "host",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "Internal": False,
        "Labels": {},
    },
    {
        "Name": "bridge",
        "Id": ident("2"),
        "Created": "2025-01-02T03:04:05.6789+02:00",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "Internal": True,
        "Labels": {"x": "y"},
    },
]
EVENTS = lines(
    {
        "status": "start",
        "id": ident("a"),
        "from": "busybox",
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": ident("a"), "Attributes": {"image": "busybox", "name": "x", "b": "<c>"}},
        "scope": "local",
        "time": 1700000000,
        "timeNano": 1700000000123456789,
    },
    {
        "Type": "network",
        "Action": "connect",
        "Actor": {"ID": "n", "Attributes": {}},
        "scope": "local",
        "time": 1700000001,
        "timeNano": 1700000001000000000,
    },
    {"Type": "x", "Action": "y", "Actor": {"ID": "z"}, "time": 5},
)
ENGINE = {
    "Name": "Engine",
    "Version": "0.1",
    "Details": {
        "ApiVersion": "1.51",
        "Arch": "amd64",
        "BuildTime": "2025-05-30T12:07:47.000000000+00:00",
        "Experimental": "false",
        "GitCommit": "abc",
        "GoVersion": "go1.24",
        "KernelVersion": "6.1",
        "MinAPIVersion": "1.24",
        "Os": "linux",
    },
}
VERSION = {
    "Platform": {"Name": "an engine"},
    "Components": [ENGINE, {"Name": "runc", "Version": "1.1", "Details": {"GitCommit": "v1"}}],
    "Version": "0.1",
    "ApiVersion": "1.51",
    "MinAPIVersion": "1.24",
    "GitCommit": "abc",
    "GoVersion": "go1.24",
    "Os": "linux",
    "Arch": "amd64",
    "KernelVersion": "6.1",
    "BuildTime": "2025-05-30T12:07:47.000000000+00:00",
}
INFO = {
    "ID": "abc",
    "Containers": 2,
    "ContainersRunning": 1,
    "ContainersPaused": 0,
    "ContainersStopped": 1,
    "Images": 3,
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "Plugins": {"Volume": ["local"], "Network": ["bridge", "host"], "Authorization": None, "Log": ["local", "none"]},
    "MemoryLimit": True,
    "Debug": False,
    "LoggingDriver": "local",
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "1",
    "KernelVersion": "6.18",
    "OperatingSystem": "Debian 12",
    "OSType": "linux",
    "Architecture": "x86_64",
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"],
        "IndexConfigs": {"x:5": {"Name": "x:5", "Secure": False}},
        "Mirrors": ["http://m/"],
    },
    "NCPU": 2,
    "MemTotal": 8589934592,
    "DockerRootDir": "/var/lib/x",
    "HttpsProxy": "p",
    "Name": "host",
    "Labels": ["a=b"],
    "ExperimentalBuild": False,
    "ServerVersion": "0.1",
    "Runtimes": {"runc": {"path": "runc"}},
    "DefaultRuntime": "runc",
    "Swarm": {"NodeID": "", "LocalNodeState": "inactive", "ControlAvailable": False},
    "LiveRestoreEnabled": True,
    "InitBinary": "init",
    "ContainerdCommit": {"ID": ""},
    "RuncCommit": {"ID": "v1"},
    "InitCommit": {"ID": "x"},
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "DefaultAddressPools": [{"Base": "10.0.0.0/8", "Size": 24}],
    "CDISpecDirs": ["/etc/cdi"],
    "Warnings": ["WARNING: No swap limit support"],
}
STATS = {
    "name": "/web",
    "id": ident("a"),
    "pids_stats": {"current": 3},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"op": "Read", "value": 123456},
            {"op": "write", "value": 5},
            {"op": "", "value": 7},
        ]
    },
    "cpu_stats": {"cpu_usage": {"total_usage": 3000000}, "system_cpu_usage": 200000000, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 1000000}, "system_cpu_usage": 100000000, "online_cpus": 2},
    "memory_stats": {"usage": 10485760, "limit": 8589934592, "stats": {"inactive_file": 1048576}},
    "networks": {"eth0": {"rx_bytes": 1000, "tx_bytes": 2000}, "eth1": {"rx_bytes": 1, "tx_bytes": 2}},
}
SEARCH = [
    {
        "name": "busybox",
        "description": "Busybox base image. and something really very long indeed",
        "star_count": 3,
        "is_official": True,
    },
    {"name": "x/y", "description": "", "star_count": 99, "is_official": False},
]
PULL = lines(
    {"status": "Pulling from library/busybox", "id": "latest"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "aaa"},
    {"status": "Downloading", "progressDetail": {"current": 100000, "total": 2000000}, "progress": "[x]", "id": "aaa"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "bbb"},
    {"status": "Waiting", "progressDetail": {}, "id": "bbb"},
    {"status": "Downloading", "progressDetail": {"current": 2000000, "total": 2000000}, "progress": "[x]", "id": "aaa"},
    {"status": "Extracting", "progressDetail": {"current": 3, "units": "s"}, "id": "bbb"},
    {"status": "Extracting", "progressDetail": {"current": 5, "total": 9, "units": "files"}, "id": "bbb"},
    {"status": "Verifying Checksum", "progressDetail": {}, "id": "aaa"},
    {"status": "Pull complete", "progressDetail": {}, "id": "aaa"},
    {"status": "Odd", "progressDetail": {"current": 50, "total": 20}, "id": "aaa"},
    {"status": "Odd", "progressDetail": {"current": 50}, "id": "aaa"},
    {"status": "Digest: sha256:xx"},
    {"status": "Status: Downloaded newer image for busybox:latest"},
    {"aux": {"ID": "x"}},
    {"stream": "no newline"},
)
BROKEN_PULL = lines(
    {"status": "Pulling", "id": "latest"}, {"errorDetail": {"message": "boom <x>"}, "error": "boom <x>"}
)


def usage(now: int) -> dict[str, Any]:
    made, used = (time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(now - days * 86400)) for days in (100, 50))
    cached = {"Type": "regular", "InUse": False, "Shared": False, "CreatedAt": made}
    return {
        "LayersSize": 10_000_000,
        "Images": [
            {**images(now)[0], "SharedSize": 1000, "Containers": 1},
            {**images(now)[2], "Size": 2_000_000, "SharedSize": 0, "Containers": 0},
        ],
        "Containers": [
            {**containers(now)[0], "SizeRw": 5000},
            {**containers(now)[1], "SizeRw": 7000},
        ],
        "Volumes": [
            {"Name": "v", "Driver": "local", "UsageData": {"Size": 12345, "RefCount": 1}},
            {"Name": "w", "Driver": "local", "UsageData": {"Size": 1000, "RefCount": 0}},
        ],
        "BuildCache": [
            {
                **cached,
                "ID": "b" * 25,
                "InUse": True,
                "Size": 500,
                "UsageCount": 1,
                "LastUsedAt": used,
            },
            {**cached, "ID": "abcdefghijklmnopqrstuvwxy", "Size": 1000, "UsageCount": 2, "LastUsedAt": None},
        ],
    }


def steady(text: str) -> str:
    """A command's output without what differs from run to run: times that follow the clock, the client's version."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC", "$TIME", text)
    return re.sub(r"^( Version:    )\S+", r"\1$CLIENT", text, flags=re.MULTILINE)


def fill(daemon: FakeDaemon) -> None:
    """Script the whole world on ``daemon``."""
    now = int(time.time())
    on = daemon.on
    for kind in ("containers", "images"):
        for name in ("web", "busybox", "bridge", "vol", "nope"):
            on("GET", f"/{kind}/{name}/json", **missing(f"No such {kind[:-1]}: {name}"))
    for name in ("web", "vol", "nope", "busybox"):
        on("GET", f"/networks/{name}", **missing(f"network {name} not found"))
    on("GET", "/volumes/nope", **missing("get nope: no such volume"))
    on("GET", "/plugins/nope/json", **missing("plugin nope not found"))
    for path, body in {
        "/containers/json": containers(now),
        "/images/json": images(now),
        "/containers/web/json": CONTAINER,
        "/containers/checked/json": CHECKED,
        "/images/busybox/json": IMAGE,
        "/networks/bridge": NETWORK,
        "/volumes/vol": VOLUME,
        "/volumes": VOLUMES,
        "/networks": NETWORKS,
        "/version": VERSION,
        "/info": INFO,
        "/system/df": usage(now),
        "/containers/web/stats": STATS,
        "/images/search": SEARCH,
        "/images/busybox/history": history(now),
        "/containers/web/changes": [{"Path": "/a b", "Kind": 1}, {"Path": "/c", "Kind": 0}, {"Path": "/d", "Kind": 2}],
    }.items():
        on("GET", path, json=body)
    on("GET", "/events", body=EVENTS, headers={"Content-Type": "application/json"})
    on("GET", "/images/nope/history", **missing("No such image: nope"))
    on("GET", "/containers/nope/stats", **missing("No such container: nope"))
    on("GET", "/containers/nope/export", **missing("No such container: nope"))
    on("GET", "/containers/web/export", body=b"TAR\n")
    on("GET", "/images/get", body=b"TAR\n")
    _verbs(daemon)


def _verbs(daemon: FakeDaemon) -> None:
    """What changes something."""
    on = daemon.on
    on("DELETE", "/images/busybox", json=[{"Untagged": "busybox:latest"}, {"Deleted": "sha256:x"}])
    on("DELETE", "/images/nope", **missing("No such image: nope"))
    on("DELETE", "/images/used", status=409, json={"message": "conflict: unable to remove (must force)"})
    on("POST", "/images/busybox/tag", status=201)
    on("POST", "/images/nope/tag", **missing("No such image: nope"))
    on("POST", "/commit", status=201, json={"Id": "sha256:" + ident("5")})
    on("POST", "/images/create", body=PULL, headers={"Content-Type": "application/json"})
    loaded = lines({"stream": "Loaded image: busybox:latest\n"})
    on("POST", "/images/load", body=loaded, headers={"Content-Type": "application/json"})
    on("POST", "/auth", json={"Status": "Login Succeeded", "IdentityToken": ""})
    on("POST", "/volumes/create", status=201, json={"Name": "new", "Driver": "local"})
    on("DELETE", "/volumes/vol", status=204)
    on("DELETE", "/volumes/nope", **missing("get nope: no such volume"))
    on("POST", "/networks/create", status=201, json={"Id": ident("3"), "Warning": ""})
    on("POST", "/networks/bridge/connect")
    on("POST", "/networks/bridge/disconnect")
    on("DELETE", "/networks/bridge", status=204)
    on("DELETE", "/networks/nope", **missing("network nope not found"))
    deleted = [{"Untagged": "x:1"}, {"Deleted": "sha256:1"}]
    for path, report in {
        "/containers/prune": {"ContainersDeleted": [ident("a"), ident("b")], "SpaceReclaimed": 1234567},
        "/images/prune": {"ImagesDeleted": deleted, "SpaceReclaimed": 99},
        "/volumes/prune": {"VolumesDeleted": ["v"], "SpaceReclaimed": 5},
        "/networks/prune": {"NetworksDeleted": ["n"]},
        "/build/prune": {"CachesDeleted": None, "SpaceReclaimed": 0},
    }.items():
        on("POST", path, json=report)
