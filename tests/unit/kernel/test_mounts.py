"""The table of mounts, read; and how overlays are named. Mounting itself is tested with root."""

import os
from pathlib import Path

import pytest

from havre.errors import SystemFault
from havre.kernel import mounts, overlayfs
from havre.kernel.mounts import MountInfo


def test_a_line_of_the_table() -> None:
    entry = MountInfo(
        r"36 35 98:0 /mnt1 /mnt\0402\134n rw,noatime master:1 shared:2 - ext3 /dev/ro\011ot rw,errors=continue,x=a - b"
    )
    assert (entry.device, entry.root, entry.target) == ("98:0", "/mnt1", "/mnt 2\\n")
    assert (entry.options, entry.propagation) == ("rw,noatime", ("master:1", "shared:2"))
    assert (entry.fstype, entry.source) == ("ext3", "/dev/ro\tot")
    assert entry.super_options == "rw,errors=continue,x=a - b"


def test_no_optional_fields() -> None:
    entry = MountInfo("1 1 0:1 / / rw - tmpfs none rw")
    assert entry.propagation == () and entry.fstype == "tmpfs"


def test_this_host() -> None:
    assert any(entry.target == "/" for entry in mounts.mountinfo())
    assert mounts.is_mounted("/proc")
    assert not mounts.is_mounted("/proc/self")


def test_errors_name_the_target(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        mounts.unmount(tmp_path / "nothing")
    assert caught.value.filename == str(tmp_path / "nothing")


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The option strings of overlays that would have been mounted."""
    options: list[str] = []
    monkeypatch.setattr(mounts, "mount", lambda source, target, kind, flags, data: options.append(data))
    return options


def test_options(mounted: list[str]) -> None:
    overlayfs.mount_stack("/m", ["/s/2/fs", "/s/1/fs"], "/s/3/fs", "/s/3/work")
    (options,) = mounted
    assert options.endswith(",lowerdir=/s/2/fs:/s/1/fs,upperdir=/s/3/fs,workdir=/s/3/work")


def test_paths_with_special_characters(mounted: list[str]) -> None:
    overlayfs.mount_stack("/m", ["/a:b,c\\d/2", "/a:b,c\\d/1"])
    assert mounted[0].endswith(r"lowerdir=/a\:b\,c\\d/2:/a\:b\,c\\d/1")


def test_long_stacks_go_by_a_descriptor(mounted: list[str], tmp_path: Path) -> None:
    root = tmp_path / ("x" * 100)
    root.mkdir()
    overlayfs.mount_stack("/m", [root / str(number) / "fs" for number in range(127)])
    assert "lowerdir=/proc/self/fd/" in mounted[0] and len(os.fsencode(mounted[0])) < 4096
    with pytest.raises(SystemFault, match="too many layers to mount: 400"):
        overlayfs.mount_stack("/m", [root / str(number) / "fs" for number in range(400)])


def test_the_mount_that_holds_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["1 0 8:1 / / rw - ext4 a rw", "2 1 8:2 / /data rw shared:5 - ext4 b rw", "3 1 8:3 / /da rw - ext4 c rw"]
    lines.append("4 2 8:4 / /data rw master:1 - tmpfs d rw")
    monkeypatch.setattr(mounts, "mountinfo", lambda: [MountInfo(line) for line in lines])
    found = {path: mounts.holding(path).source for path in ("/", "/dat", "/data", "/data/x", "/da/ta")}
    assert found == {"/": "a", "/dat": "a", "/data": "d", "/data/x": "d", "/da/ta": "c"}, "the newest covers the rest"


def test_whether_read_only_reaches_below() -> None:
    assert mounts.recursive_readonly(), "Linux 5.12 or later"
