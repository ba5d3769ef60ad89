"""What answers look like in each API version, quirk by quirk."""

import ast
import copy
from pathlib import Path
from typing import Any

import pytest

from havre.api import answers, compat

REPOSITORY = Path(__file__).parent.parent.parent.parent
NEWEST = (1, 51)
"""What the engine says."""
MAC = "02:42:ac:11:00:09"


def test_every_quirk_is_on_the_page() -> None:
    page = (REPOSITORY / "docs" / "compat.md").read_text()
    lists = ("_CONTAINER_SUMMARY", "_CONTAINER", "_IMAGE_SUMMARY", "_IMAGE", "_NETWORK", "_INFO")
    quirks = {quirk.__name__: before for name in lists for before, quirk in getattr(answers, name)}
    assert len(quirks) > 15
    for name, before in quirks.items():
        assert f"| {before[0]}.{before[1] - 1} | `{name}` |" in page, name
    for table in ("_CONTAINER_SINCE", "_IMAGE_SINCE", "_EVENT_SINCE", "_INFO_SINCE", "_STATS_SINCE"):
        for since, quirk in getattr(answers, table):
            assert f"| {since[0]}.{since[1]} | `{quirk.__name__}` |" in page, quirk
    assert f"| 1.45 | `{answers.event.__name__}` |" in page
    bodies = [ast.parse(Path(module.__file__).read_text()).body for module in (answers, compat)]
    functions = {node.name for body in bodies for node in body if isinstance(node, ast.FunctionDef)}
    named = {word for word in page.split("`")[1::2] if word.startswith(("_", "adapt_"))}
    assert named <= functions


CONTAINER: dict[str, Any] = {
    "Id": "0123456789abcdef",
    "ImageManifestDescriptor": {},
    "Config": {"Hostname": "0123456789ab"},
    "HostConfig": {"NetworkMode": "net", "Annotations": {"a": "b"}},
    "NetworkSettings": {"Networks": {"net": {"MacAddress": MAC, "Aliases": None, "DNSNames": ["x"]}}},
}
IMAGE: dict[str, Any] = {"RepoTags": [], "RepoDigests": [], "Size": 5, "Descriptor": {}, "Containers": 2, "Config": {}}
INFO: dict[str, Any] = {
    "Runtimes": {"runc": {"path": "runc", "status": {}}},
    "Containerd": {},
    "FirewallBackend": {},
    "RuncCommit": {"ID": "abc"},
    "RegistryConfig": {"Mirrors": []},
}


@pytest.mark.parametrize(
    ("adapt", "document"),
    [
        (answers.container, CONTAINER),
        (answers.image, IMAGE),
        (answers.info, INFO),
        (answers.disk_usage, {"Images": []}),
    ],
)
def test_the_newest_version_is_as_the_engine_says(adapt: Any, document: dict[str, Any]) -> None:
    assert adapt(NEWEST, document) == document


def test_the_engine_s_own_documents_stay_as_they_are() -> None:
    for adapt, document in ((answers.container, CONTAINER), (answers.image, IMAGE), (answers.info, INFO)):
        before = copy.deepcopy(document)
        adapt((1, 24), document)
        assert document == before
    rows = [copy.deepcopy(CONTAINER)]
    answers.container_list((1, 24), rows)
    assert rows == [CONTAINER]


def test_containers_of_old() -> None:
    old = answers.container((1, 43), CONTAINER)
    endpoint = old["NetworkSettings"]["Networks"]["net"]
    assert "ImageManifestDescriptor" not in old and endpoint["DNSNames"] == ["x"]
    assert endpoint["Aliases"] == ["0123456789ab"]
    (row,) = answers.container_list((1, 45), [CONTAINER])
    assert row["HostConfig"] == {"NetworkMode": "net"} and "ImageManifestDescriptor" not in row
    assert answers.container((1, 47), CONTAINER)["NetworkSettings"] == CONTAINER["NetworkSettings"]


def test_images_of_old() -> None:
    (row,) = answers.image_list((1, 42), [IMAGE])
    assert row["RepoTags"] == ["<none>:<none>"] and row["RepoDigests"] == ["<none>@<none>"]
    assert row["VirtualSize"] == 5 and row["Containers"] == -1 and "Descriptor" not in row
    assert answers.image_list((1, 50), [IMAGE])[0]["Containers"] == -1
    old = answers.image((1, 43), IMAGE)
    assert old["VirtualSize"] == 5 and old["Created"] == "0001-01-01T00:00:00Z"
    assert old["ContainerConfig"]["Hostname"] == "" and old["Config"]["Tty"] is False
    assert "Tty" not in answers.image((1, 50), IMAGE)["Config"]


def test_info_of_old() -> None:
    old = answers.info((1, 43), INFO)
    assert old["Runtimes"] == {"runc": {"path": "runc"}} and "Containerd" not in old and "FirewallBackend" not in old
    assert old["RuncCommit"] == {"ID": "abc", "Expected": "abc"} and old["BridgeNfIptables"] is False
    assert old["RegistryConfig"]["AllowNondistributableArtifactsCIDRs"] is None


def test_disk_usage_of_old() -> None:
    usage = {"LayersSize": 0, "Images": [IMAGE], "Containers": [CONTAINER]}
    old = answers.disk_usage((1, 41), usage)
    assert old["Images"][0]["VirtualSize"] == 5
    assert old["Images"][0]["Containers"] == IMAGE["Containers"] >= 0
    assert "ImageManifestDescriptor" not in old["Containers"][0]


EVENT: dict[str, Any] = {"Type": "image", "Action": "create", "id": "i", "status": "create"}


def test_events() -> None:
    assert answers.event((1, 45), EVENT) is None and answers.event((1, 46), EVENT) == EVENT
    other = {**EVENT, "Type": "container", "from": "x"}
    assert answers.event((1, 24), other) == answers.event((1, 51), other) == other
    assert answers.event((1, 52), other) == {"Type": "container", "Action": "create"}


def test_containers_since_1_52() -> None:
    settings = {"Bridge": "", "IPAddress": "1.2.3.4", "Ports": {}, "Networks": {}, "SandboxID": ""}
    container = {"Config": {"OnBuild": None, "Env": None, "MacAddress": MAC}, "NetworkSettings": settings}
    assert answers.container((1, 51), container) == container
    new = answers.container((1, 52), container)
    assert new == {"Config": {"Env": None}, "NetworkSettings": {"Ports": {}, "Networks": {}, "SandboxID": ""}}
    kept = answers.container((1, 52), {**container, "Config": {"OnBuild": ["RUN x"]}})
    assert kept["Config"] == {"OnBuild": ["RUN x"]}
    row = {"Health": {"Status": "none"}}
    assert answers.container_list((1, 51), [row]) == [{}] and answers.container_list((1, 52), [row]) == [row]


def test_images_since_1_52() -> None:
    image = {"Parent": "", "Comment": "c", "Author": "", "DockerVersion": "", "Config": {"Cmd": ["sh"], "User": ""}}
    assert answers.image((1, 51), image) == image
    assert answers.image((1, 52), image) == {"Comment": "c", "Config": {"Cmd": ["sh"]}}


def test_networks_since_1_52() -> None:
    network = {"Name": "x", "Status": {}}
    assert answers.network((1, 51), network) == {"Name": "x"} and answers.network((1, 52), network) == network


USAGE: dict[str, Any] = {
    "LayersSize": 100,
    "Images": [
        {**IMAGE, "Size": 60, "SharedSize": 20, "Containers": 1},
        {**IMAGE, "Size": 60, "SharedSize": 20, "Containers": 0},
    ],
    "Containers": [{**CONTAINER, "State": "running", "SizeRw": 5}, {**CONTAINER, "State": "exited", "SizeRw": 7}],
    "Volumes": [{"UsageData": {"Size": 9, "RefCount": 1}}, {"UsageData": {"Size": -1, "RefCount": -1}}],
    "BuildCache": None,
}


def test_disk_usage_in_sums() -> None:
    sums = {
        "ImageUsage": {"TotalCount": 2, "ActiveCount": 1, "TotalSize": 100, "Reclaimable": 60},
        "ContainerUsage": {"TotalCount": 2, "ActiveCount": 1, "TotalSize": 12, "Reclaimable": 7},
        "VolumeUsage": {"TotalCount": 2, "ActiveCount": 2, "TotalSize": 9, "Reclaimable": 0},
    }
    assert answers.disk_usage((1, 52), USAGE) == answers.disk_usage((1, 55), USAGE) == {**USAGE, **sums}
    verbose = answers.disk_usage((1, 52), USAGE, verbose=True)
    assert verbose["ImageUsage"] == {**sums["ImageUsage"], "Items": USAGE["Images"]} and "Images" not in verbose
    assert answers.disk_usage((1, 51), USAGE, verbose=True) == USAGE


def test_stats_and_info_since_1_52() -> None:
    assert answers.stats((1, 51), {"read": "now"}) == {"read": "now"}
    assert answers.stats((1, 52), {"read": "now"}) == {"read": "now", "os_type": "linux"}
    assert "KernelMemoryTCP" in answers.info((1, 51), {**INFO, "KernelMemoryTCP": True})
    assert "KernelMemoryTCP" not in answers.info((1, 52), {**INFO, "KernelMemoryTCP": True})


def test_info_of_very_old() -> None:
    document = {**INFO, "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"], "InitCommit": {"ID": ""}}
    old = answers.info((1, 24), document)
    assert (old["SecurityOptions"], old["KernelMemory"]) == (["seccomp", "cgroupns"], False)
    assert (old["RuncCommit"], old["InitCommit"]) == ({"ID": "abc", "Expected": "abc"}, {"ID": ""})
    newer = answers.info((1, 42), document)
    assert newer["SecurityOptions"] == document["SecurityOptions"] and "KernelMemory" not in newer
