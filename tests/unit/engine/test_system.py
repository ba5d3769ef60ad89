"""What Docker tells about the engine: info, version, disk usage."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from havre import __version__
from havre.engine.events import Events
from havre.engine.system import Facts, System, identity
from havre.kernel.cgroups import Cgroups
from havre.kernel.hostinfo import Host
from havre.wire import versions
from havre.wire.filters import Filters
from tests.api.schema import load

HOST = Host("harbour", "6.1.0", "x86_64", "Debian GNU/Linux 12 (bookworm)", "12", 2, 4 << 30)


class Listing:
    async def list(self, all: bool, limit: int | None, size: bool, filters: Filters) -> list[dict[str, Any]]:
        assert all and size and limit is None and not filters
        return [{"Id": "c"}]


class Images:
    def count(self) -> int:
        return 3

    async def disk_usage(self) -> dict[str, Any]:
        return {"LayersSize": 99, "Images": [{"Id": "i"}]}


class Volumes:
    async def disk_usage(self) -> list[dict[str, Any]]:
        return [{"Name": "v"}]


def make(tmp_path: Path, states: Iterable[str] = (), **facts: Any) -> System:
    """A system with the parts above; programs are scripts that tell a version."""
    for name in ("runc", "conmon"):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\necho {name} version 1.2.3\necho commit: {name}-abc\n")
        script.chmod(0o755)
    known: dict[str, Any] = {
        "identity": "id-1",
        "data_root": tmp_path,
        "cgroups": Cgroups(2, {"": tmp_path}, tmp_path),
        "storage_driver": "overlay2",
        "log_driver": "local",
        "default_runtime": "runc",
        "runtimes": {"runc": str(tmp_path / "runc")},
        "conmon": str(tmp_path / "conmon"),
    }
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids cpuset")

    async def check_auth(auth: Any) -> dict[str, Any]:
        return {"Status": f"hello {auth}"}

    return System(
        Facts(**{**known, **facts}),
        Events(),
        lambda: states,
        Listing(),
        Images(),
        Volumes(),
        check_auth,
        labels=("a=b",),
        host=HOST,
    )


async def test_info_is_as_defined(tmp_path: Path, spec: Path) -> None:
    document = await make(tmp_path).info()
    assert load(spec).definition_errors("SystemInfo", document) == []


async def test_version_is_as_defined(tmp_path: Path, spec: Path) -> None:
    document = await make(tmp_path).version()
    assert load(spec).definition_errors("SystemVersion", document) == []


async def test_info(tmp_path: Path) -> None:
    states = ["running", "running", "paused", "exited", "created"]
    insecure = ("r:5000", "10.0.0.0/8")
    mirrors = ("https://m",)
    system = make(tmp_path, states, insecure_registries=insecure, registry_mirrors=mirrors, live_restore=True)
    document = await system.info()
    assert (document["Containers"], document["ContainersRunning"]) == (5, 2)
    assert (document["ContainersPaused"], document["ContainersStopped"], document["Images"]) == (1, 2, 3)
    assert document["ID"] == "id-1" and document["Name"] == "harbour" and document["MemTotal"] == 4 << 30
    assert document["MemoryLimit"] and document["PidsLimit"] and document["SwapLimit"]
    assert not document["OomKillDisable"] and document["CgroupVersion"] == "2"
    assert document["RuncCommit"] == {"ID": "runc-abc"} and document["Labels"] == ["a=b"]
    assert document["LiveRestoreEnabled"] is True
    registries = document["RegistryConfig"]
    assert registries["Mirrors"] == ["https://m/"] and registries["IndexConfigs"]["r:5000"]["Secure"] is False
    assert registries["InsecureRegistryCIDRs"][-1] == "10.0.0.0/8"
    assert document["Swarm"]["LocalNodeState"] == "inactive"


async def test_what_the_host_lacks_is_a_warning(tmp_path: Path) -> None:
    system = make(tmp_path)
    (tmp_path / "cgroup.controllers").write_text("cpu")
    document = await system.info()
    assert not document["MemoryLimit"] and not document["PidsLimit"]
    assert {"WARNING: No memory limit support", "WARNING: No cpuset support"} <= set(document["Warnings"])


async def test_swap_limits_of_old_cgroups(tmp_path: Path) -> None:
    system = make(tmp_path, cgroups=Cgroups(1, {"memory": tmp_path, "cpu": tmp_path}))
    document = await system.info()
    assert document["MemoryLimit"] and not document["SwapLimit"] and document["OomKillDisable"]
    (tmp_path / "memory.memsw.limit_in_bytes").touch()
    assert (await system.info())["SwapLimit"]


async def test_version(tmp_path: Path) -> None:
    document = await make(tmp_path).version()
    assert (document["Version"], document["ApiVersion"], document["MinAPIVersion"]) == (__version__, versions.MAX, versions.MIN)
    assert document["Arch"] == "amd64" and document["Os"] == "linux"
    components = {one["Name"]: one["Version"] for one in document["Components"]}
    assert components == {"Engine": __version__, "runc": "1.2.3", "conmon": "1.2.3"}


async def test_a_program_that_is_gone_has_no_version(tmp_path: Path) -> None:
    document = await make(tmp_path, conmon="/nothing").version()
    assert document["Components"][-1] == {"Name": "conmon", "Version": "", "Details": {"GitCommit": ""}}


@pytest.mark.parametrize(
    ("types", "empty"),
    [
        ({"container", "image", "volume", "build-cache"}, set()),
        ({"volume"}, {"Containers", "Images", "BuildCache"}),
        ({"image"}, {"Containers", "Volumes", "BuildCache"}),
    ],
)
async def test_disk_usage(tmp_path: Path, types: set[str], empty: set[str]) -> None:
    full = {
        "LayersSize": 99,
        "Images": [{"Id": "i"}],
        "Containers": [{"Id": "c"}],
        "Volumes": [{"Name": "v"}],
        "BuildCache": [],
    }
    expected = {**full, **dict.fromkeys(empty)}
    if "Images" in empty:
        expected["LayersSize"] = 0
    assert await make(tmp_path).disk_usage(frozenset(types)) == expected


async def test_login(tmp_path: Path) -> None:
    assert await make(tmp_path).login("you") == {"Status": "hello you"}


async def test_reload(tmp_path: Path) -> None:
    system = make(tmp_path)
    system.reload(("c=d",), debug=True)
    document = await system.info()
    assert document["Labels"] == ["c=d"] and document["Debug"] is True
    assert system.events._history[-1]["Action"] == "reload"


def test_identity_is_kept(tmp_path: Path) -> None:
    first = identity(tmp_path / "id")
    assert len(first) == 36 and identity(tmp_path / "id") == first
