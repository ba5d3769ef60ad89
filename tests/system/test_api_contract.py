"""Every operation of the API's groups, called for real in each major version, and its answers held against that
version's definitions; and what came and went between the versions, against the list of it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from havre.wire.versions import parse
from tests.api.schema import load
from tests.system.api_tour import Tour
from tests.system.conftest import FOREIGN
from tests.system.harness import Engine
from tests.system.programs import Program
from tests.system.registry import Registry

# 1.24 was never defined by machine: it is held against the definitions of the version after it.
VERSIONS = {"1.24": "1.25", "1.25": "1.25", "1.40": "1.40", "1.44": "1.44", "1.51": "1.51", "1.55": "1.55"}

EARLY = {
    *(f"EndpointSettings.{name}" for name in ("DNSNames", "DriverOpts", "GwPriority")),
    *(f"HostConfig.{name}" for name in ("CgroupnsMode", "DeviceCgroupRules", "DeviceRequests")),
    *("HostConfig.MaskedPaths", "HostConfig.ReadonlyPaths"),
    *(f"Network.{name}" for name in ("Attachable", "ConfigFrom", "ConfigOnly", "EnableIPv4", "Ingress")),
    *(
        f"SystemInfo.{name}"
        for name in ("CDISpecDirs", "CgroupVersion", "KernelMemory", "KernelMemoryTCP", "OSVersion")
    ),
    *("SystemInfo.PidsLimit", "SystemInfo.Warnings", "Volume.CreatedAt"),
}
"""Members that answers have before the version they came with: in dockerd's, all of them."""


@pytest.fixture(scope="module")
def tours() -> dict[str, Tour]:
    """Those that were made so far."""
    return {}


@pytest.fixture
def tour(engine: Engine, spec: Path, registry: Registry, tours: dict[str, Tour]) -> Callable[[str], Tour]:
    """The tour of a version, made when it is asked for first."""

    def make(version: str) -> Tour:
        if version not in tours:
            tours[version] = Tour(engine, version, load(spec, VERSIONS[version]), registry.host)
            tours[version].go()
        return tours[version]

    return make


@pytest.mark.parametrize("version", VERSIONS)
def test_every_operation(tour: Callable[[str], Tour], version: str) -> None:
    if version == "1.55" and FOREIGN:
        pytest.skip("dockerd 28 speaks up to 1.51")
    made = tour(version)
    assert not made.wrong, "\n".join(made.wrong)
    missing = made.missing()
    prunes = {("POST", f"/{kind}/prune") for kind in ("containers", "images", "networks", "volumes")}
    assert missing == (prunes if version == "1.24" else set())
    assert made.engine.answers()


def _shown(tour: Tour) -> dict[str, dict[str, Any]]:
    """One document of each definition that a tour saw."""
    info, container = tour.answers["GET /info"], tour.answers["GET /containers/{id}/json"]
    image, network = tour.answers["GET /images/{name}/json"], tour.answers["GET /networks/{id}"]
    return {
        "SystemInfo": info,
        "RegistryServiceConfig": info["RegistryConfig"],
        "Runtime": next(iter(info["Runtimes"].values())),
        "Commit": info["RuncCommit"],
        "ContainerSummary": tour.answers["GET /containers/json"][0],
        "ContainerInspectResponse": container,
        "ContainerConfig": container["Config"],
        "HealthConfig": container["Config"]["Healthcheck"],
        "HostConfig": container["HostConfig"],
        "NetworkSettings": container["NetworkSettings"],
        "EndpointSettings": container["NetworkSettings"]["Networks"]["bridge"],
        "ImageInspect": image,
        "ImageConfig": image["Config"],
        "ImageSummary": tour.answers["GET /images/json"][0],
        "Network" if tour.number < (1, 52) else "NetworkInspect": network,
        "Volume": tour.answers["GET /volumes/{name}"],
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_what_came_and_went(tour: Callable[[str], Tour], spec: Path, version: str) -> None:
    """dockerd mostly leaves new members in old answers: those it does are listed, all others have to be absent."""
    if version == "1.55" and FOREIGN:
        pytest.skip("dockerd 28 speaks up to 1.51")
    made = tour(version)
    history = json.loads((spec / "docker-api" / "endpoints.json").read_text())["definitions"]
    early, late = set(), set()
    for definition, document in _shown(made).items():
        facts = history[definition]
        for member in document:
            came, went = facts.get("added", {}).get(member), facts.get("last_seen", {}).get(member)
            # The definition of a list became that of its items with their ids.
            if came and parse(came) > made.number and came != facts["added"].get("Id"):
                early.add(f"{definition}.{member}")
            if went and parse(went) < made.number:
                late.add(f"{definition}.{member}")
    assert (early - EARLY, late) == (set(), set())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_docker_cli_in_each_version(docker: Program, version: str) -> None:
    """What most people do all day, by a client that was told to speak this version."""
    if version == "1.55" and FOREIGN:
        pytest.skip("dockerd 28 speaks up to 1.51")

    def said(*words: str) -> str:
        return docker(*words, env={"DOCKER_API_VERSION": version}).out.strip()

    assert said("run", "--rm", "busybox", "echo", "hello") == "hello"
    said("run", "-d", "--name", "box", "-p", "127.0.0.1::80", "-v", "/data", "busybox", "sleep", "1000")
    assert said("exec", "box", "echo", "in") == "in"
    assert "box" in said("ps") and "127.0.0.1" in said("port", "box")
    assert said("inspect", "-f", "{{.State.Status}}", "box") == "running"
    assert "sleep 1000" in said("top", "box") and "box" in said("stats", "--no-stream")
    said("cp", "box:/etc/passwd", "-")
    assert "busybox" in said("images") and "busybox" in said("history", "busybox")
    assert "bridge" in said("network", "ls") and "local" in said("volume", "ls")
    assert "container start" in said("events", "--since", "1", "--until", "0s")
    assert said("info", "-f", "{{.OSType}}") == "linux"
    assert version == "1.24" or "Images" in said("system", "df")
    said("update", "--restart", "no", "box")
    said("stop", "-t", "0", "box")
    said("rm", "-v", "box")
