"""Where groups lie, by the two drivers; the paths are the same on v1 and v2."""

from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.kernel import cgroupdriver
from havre.kernel.cgroupdriver import CgroupDriver, choose, expand_slice

ID = "0123456789ab" * 5


@pytest.mark.parametrize(
    ("parent", "default", "group"),
    [
        ("", "", f"/havre/{ID}"),
        ("", "/other", f"/other/{ID}"),
        ("/a/b", "/other", f"/a/b/{ID}"),
        ("a", "", f"/a/{ID}"),
        ("../../a", "", f"/a/{ID}"),
        ("/", "", f"/{ID}"),
    ],
)
def test_cgroupfs(parent: str, default: str, group: str) -> None:
    driver = CgroupDriver(parent=default)
    assert driver.group(parent, ID) == driver.words(group) == group


@pytest.mark.parametrize(
    ("parent", "default", "group", "words"),
    [
        ("", "", f"/system.slice/havre-{ID}.scope", f"system.slice:havre:{ID}"),
        ("", "havre.slice", f"/havre.slice/havre-{ID}.scope", f"havre.slice:havre:{ID}"),
        ("a-b-c.slice", "", f"/a.slice/a-b.slice/a-b-c.slice/havre-{ID}.scope", f"a-b-c.slice:havre:{ID}"),
    ],
)
def test_systemd(parent: str, default: str, group: str, words: str) -> None:
    driver = CgroupDriver("systemd", default)
    assert driver.group(parent, ID) == group
    assert driver.words(group) == words


def test_the_root_slice_is_no_directory() -> None:
    assert expand_slice("-.slice") == ""


@pytest.mark.parametrize("parent", ["/a/b", "a", ".slice", "a.scope", "a--b.slice", "a/b.slice", "-a.slice"])
def test_systemd_takes_slices_only(parent: str) -> None:
    with pytest.raises(InvalidParameter, match="slice"):
        CgroupDriver("systemd").check(parent)
    CgroupDriver().check(parent)


@pytest.mark.parametrize("parent", ["a" * 256, "a/" * 2000])
def test_names_have_an_end(parent: str) -> None:
    with pytest.raises(InvalidParameter, match="too long"):
        CgroupDriver().check(parent)


def test_the_driver_is_chosen_by_exec_opts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert choose((), "") == CgroupDriver()
    assert choose(("native.cgroupdriver=cgroupfs",), "/x") == CgroupDriver("cgroupfs", "/x")
    monkeypatch.setattr(cgroupdriver, "_BOOTED_BY_SYSTEMD", tmp_path)
    assert choose(("native.cgroupdriver=systemd",), "x.slice") == CgroupDriver("systemd", "x.slice")
    with pytest.raises(InvalidParameter, match="valid slice"):
        choose(("native.cgroupdriver=systemd",), "/x")
    monkeypatch.setattr(cgroupdriver, "_BOOTED_BY_SYSTEMD", tmp_path / "none")
    with pytest.raises(InvalidParameter, match="systemd does not run"):
        choose(("native.cgroupdriver=systemd",), "")


@pytest.mark.parametrize("option", ["native.cgroupdriver=none", "native.cgroupdriver", "other=x"])
def test_unknown_exec_opts_are_refused(option: str) -> None:
    with pytest.raises(InvalidParameter):
        choose((option,), "")


@pytest.mark.parametrize("driver", [CgroupDriver(), CgroupDriver(cgroupdriver.SYSTEMD)])
@pytest.mark.parametrize("parent", ["", "a-b.slice"])
def test_what_is_told_the_runtime_leads_back_to_the_group(driver: CgroupDriver, parent: str) -> None:
    group = driver.group(parent, "0" * 64)
    assert cgroupdriver.group_of(driver.words(group)) == group
