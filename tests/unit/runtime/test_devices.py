"""Device nodes: those asked for, those of a directory, and what may be done with them."""

import os
from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.runtime import devices
from havre.wire.containers import DeviceMapping


def test_a_node_under_another_name() -> None:
    nodes, accesses = devices.requested([DeviceMapping(path_on_host="/dev/zero", path_in_container="/dev/nought")])
    assert [(node["path"], node["major"], node["minor"]) for node in nodes] == [("/dev/nought", 1, 5)]
    assert accesses == ["rwm"]


def test_a_link_stands_for_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    nodes, _ = devices.requested([DeviceMapping(path_on_host=str(tmp_path / "link"))])
    assert [(node["path"], node["minor"]) for node in nodes] == [(str(tmp_path / "link"), 3)]


def test_a_directory_brings_the_devices_in_it(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(50):
        deep /= "in"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    os.mknod(deep / "one", 0o20600, os.makedev(1, 3))
    os.mknod(tmp_path / "two", 0o20600, os.makedev(1, 5))
    nodes, accesses = devices.requested(
        [DeviceMapping(path_on_host=str(tmp_path), path_in_container="/dev/all", cgroup_permissions="r")]
    )
    assert [node["path"] for node in nodes] == ["/dev/all" + "/in" * 50 + "/one", "/dev/all/two"]
    assert accesses == ["r", "r"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("", "no such file or directory"), ("/dev/nope", "no such file or directory"), ("/etc", "not a device node")],
)
def test_what_is_no_device(path: str, reason: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        devices.requested([DeviceMapping(path_on_host=path)])
    wanted = f'error gathering device information while adding custom device "{path}": {reason}'
    assert caught.value.message == wanted


def test_a_whole_disk_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_MOST_FILES", 10)
    for number in range(20):
        (tmp_path / str(number)).touch()
    with pytest.raises(InvalidParameter, match="no directory of devices"):
        devices.requested([DeviceMapping(path_on_host=str(tmp_path))])


def test_rules_in_the_kernels_words() -> None:
    node = {"type": "c", "major": 1, "minor": 5}
    rules = devices.rules(False, [node], ["r"], ["b 8:* rw", "a *:* m"])
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert rules[-3:] == [
        {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "r"},
        {"allow": True, "type": "b", "major": 8, "access": "rw"},
        {"allow": True, "type": "a", "access": "m"},
    ]
    assert devices.rules(True, [], []) == [{"allow": True, "access": "rwm"}]
