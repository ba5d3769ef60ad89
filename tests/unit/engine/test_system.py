"""What Docker tells about the engine: info, version, disk usage."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from havre import __version__
from havre.engine.events import Events
from havre.engine.system import Facts, System, identity
from havre.image.remote.config import HostSettings, RegistryConfig
from havre.kernel import cgrouplimits
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


def make(
    tmp_path: Path, states: Iterable[str] = (), controllers: str = "cpu memory pids cpuset", **facts: Any
) -> System:
    """A system with the parts above; programs are scripts that tell a version."""
    for name in ("runc", "conmon", "tini"):
        script = tmp_path / name
        words = "tini version 0.19.0 - git.de40ad0" if name == "tini" else f"{name} version 1.2.3\ncommit: {name}-abc"
        features = '{"hooks" :\n ["poststart"]}' if name == "runc" else "no such command"
        script.write_text(f"#!/bin/sh\n[ $1 = --version ] && echo '{words}' || echo '{features}'\n")
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
    (tmp_path / "cgroup.controllers").write_text(controllers)
    known["support"] = cgrouplimits.detect(facts.get("cgroups", known["cgroups"]))

    async def check_auth(auth: Any) -> dict[str, Any]:
        return {"Status": f"hello {auth}"}

    async def build_cache() -> list[dict[str, Any]]:
        return []

    return System(
        Facts(**{**known, **facts}),
        Events(),
        lambda: states,
        Listing(),
        Images(),
        Volumes(),
        check_auth,
        build_cache,
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
    hosts = {"quay.test": HostSettings(("https://q",)), "docker.io": HostSettings(("https://n",))}
    configured = RegistryConfig(insecure, mirrors, hosts=hosts)
    system = make(tmp_path, states, registries=configured, live_restore=True)
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
    quay = {"Name": "quay.test", "Mirrors": ["https://q/"], "Secure": True, "Official": False}
    assert registries["IndexConfigs"]["quay.test"] == quay
    assert registries["IndexConfigs"]["docker.io"]["Mirrors"] == ["https://m/", "https://n/"]
    assert registries["InsecureRegistryCIDRs"][-1] == "10.0.0.0/8"
    assert document["Swarm"]["LocalNodeState"] == "inactive"


async def test_what_the_host_lacks_is_a_warning(tmp_path: Path) -> None:
    document = await make(tmp_path, controllers="cpu").info()
    assert not document["MemoryLimit"] and not document["PidsLimit"]
    assert document["CPUShares"]
    assert {"WARNING: No memory limit support", "WARNING: No cpuset support"} <= set(document["Warnings"])


async def test_swap_limits_of_old_cgroups(tmp_path: Path) -> None:
    cgroups = Cgroups(1, {"memory": tmp_path, "cpu": tmp_path})
    for name in ("memory.limit_in_bytes", "memory.oom_control", "memory.kmem.tcp.limit_in_bytes"):
        (tmp_path / name).touch()
    document = await make(tmp_path, cgroups=cgroups).info()
    assert document["MemoryLimit"] and not document["SwapLimit"] and document["OomKillDisable"]
    assert document["KernelMemoryTCP"] is True
    (tmp_path / "memory.memsw.limit_in_bytes").touch()
    assert (await make(tmp_path, cgroups=cgroups).info())["SwapLimit"]


async def test_version(tmp_path: Path) -> None:
    document = await make(tmp_path).version()
    assert (document["Version"], document["ApiVersion"], document["MinAPIVersion"]) == (
        __version__,
        versions.MAX,
        versions.MIN,
    )
    assert document["Arch"] == "amd64" and document["Os"] == "linux"
    components = {one["Name"]: one["Version"] for one in document["Components"]}
    assert components == {"Engine": __version__, "runc": "1.2.3", "conmon": "1.2.3"}


async def test_the_init_of_containers_has_docker_s_name(tmp_path: Path) -> None:
    system = make(tmp_path, init_binary=str(tmp_path / "tini"))
    last = (await system.version())["Components"][-1]
    assert last == {"Name": "docker-init", "Version": "0.19.0", "Details": {"GitCommit": "de40ad0"}}
    document = await system.info()
    assert (document["InitCommit"], document["InitBinary"]) == ({"ID": "de40ad0"}, str(tmp_path / "tini"))


async def test_runtimes_say_what_they_can(tmp_path: Path) -> None:
    runtimes = {"runc": str(tmp_path / "runc"), "mute": str(tmp_path / "conmon"), "gone": "/nothing"}
    found = (await make(tmp_path, runtimes=runtimes).info())["Runtimes"]
    features = {"org.opencontainers.runtime-spec.features": '{"hooks":["poststart"]}'}
    assert found["runc"] == {"path": runtimes["runc"], "status": features}
    assert found["mute"] == {"path": runtimes["mute"]} and found["gone"] == {"path": "/nothing"}


async def test_what_the_configuration_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy:3128")
    monkeypatch.setenv("NO_PROXY", "a@b,localhost")
    facts: dict[str, Any] = {
        "cgroup_driver": "systemd",
        "private_cgroups": True,
        "no_new_privileges": True,
        "cdi_spec_dirs": ("/etc/cdi",),
        "exposed": (("0.0.0.0:2375", False),),
        "address_pools": (("10.0.0.0/8", 24),),
    }
    document = await make(tmp_path, **facts).info()
    assert (document["HttpsProxy"], document["NoProxy"]) == ("http://xxxxx:xxxxx@proxy:3128", "a@b,localhost")
    assert document["CgroupDriver"] == "systemd" and document["CDISpecDirs"] == ["/etc/cdi"]
    assert {"name=cgroupns", "name=no-new-privileges"} <= set(document["SecurityOptions"])
    assert any("without encryption" in warning for warning in document["Warnings"])
    assert document["DefaultAddressPools"] == [{"Base": "10.0.0.0/8", "Size": 24}]
    plain = await make(tmp_path).info()
    assert "DefaultAddressPools" not in plain and "name=cgroupns" not in plain["SecurityOptions"]


async def test_devices_that_are_described(tmp_path: Path) -> None:
    assert "DiscoveredDevices" not in await make(tmp_path, cdi_spec_dirs=(str(tmp_path / "cdi"),)).info()
    (tmp_path / "cdi").mkdir()
    devices = [{"name": name, "containerEdits": {"env": ["A=1"]}} for name in ("b", "a")]
    described = {"cdiVersion": "0.5.0", "kind": "example.com/dev", "devices": devices}
    (tmp_path / "cdi" / "good.json").write_text(json.dumps(described))
    (tmp_path / "cdi" / "bad.yaml").write_text("[")
    document = await make(tmp_path, cdi_spec_dirs=(str(tmp_path / "cdi"),)).info()
    assert [one["ID"] for one in document["DiscoveredDevices"]] == ["example.com/dev=a", "example.com/dev=b"]
    assert any(
        text.startswith(f"CDI: Error associated with spec file {tmp_path}/cdi/bad") for text in document["Warnings"]
    )


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


async def test_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Events, "publish", lambda self, *words: told.append(words))
    system = make(tmp_path)
    system.reload(("c=d",), debug=True, registries=RegistryConfig(insecure=("r:5000",)))
    document = await system.info()
    assert "r:5000" in document["RegistryConfig"]["IndexConfigs"]
    assert told[0][3]["insecure-registries"] == '["r:5000"]' and told[0][3]["registry-mirrors"] == "[]"
    assert document["Labels"] == ["c=d"] and document["Debug"] is True
    assert told[0][:3] == ("daemon", "reload", "id-1")


def test_identity_is_kept(tmp_path: Path) -> None:
    first = identity(tmp_path / "id")
    assert len(first) == 36 and identity(tmp_path / "id") == first
