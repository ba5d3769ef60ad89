"""The host's limits and dangers in Docker's words."""

from dataclasses import fields, replace

import pytest

from havre.engine import hostreport
from havre.kernel import apparmor, hostinfo
from havre.kernel.cgrouplimits import Support

FULL = Support(**{field.name: True for field in fields(Support) if field.type == "bool" or field.type is bool})  # type: ignore[arg-type]


def warnings(support: Support, version: int, forwards: bool = True, *exposed: tuple[str, bool]) -> list[str]:
    return hostreport.warnings(support, version, {"IPv4Forwarding": forwards}, exposed)


@pytest.mark.parametrize("version", [1, 2])
def test_a_host_that_has_all(version: int) -> None:
    assert warnings(FULL, version) == []
    limits = hostreport.limits(FULL, version)
    names = ("MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit")
    assert all(limits[name] for name in names) and limits["CgroupVersion"] == str(version)
    assert limits.get("KernelMemoryTCP") == (True if version == 1 else None)


def test_a_host_that_has_nothing() -> None:
    assert warnings(Support(), 1, False) == [
        "WARNING: No memory limit support",
        "WARNING: No swap limit support",
        "WARNING: No kernel memory TCP limit support",
        "WARNING: No oom kill disable support",
        "WARNING: No cpu cfs quota support",
        "WARNING: No cpu cfs period support",
        "WARNING: No cpu shares support",
        "WARNING: No cpuset support",
        "WARNING: No blkio throttle.read_bps_device support",
        "WARNING: No blkio throttle.write_bps_device support",
        "WARNING: No blkio throttle.read_iops_device support",
        "WARNING: No blkio throttle.write_iops_device support",
        "WARNING: IPv4 forwarding is disabled",
    ]


def test_what_old_groups_lack_anyway_is_no_warning() -> None:
    assert warnings(replace(FULL, io_weight=False, io_weight_device=False), 1) == []
    assert warnings(replace(FULL, oom_kill_disable=False, kernel_tcp=False), 2) == []


def test_io_limits_of_new_groups() -> None:
    io = {field.name: False for field in fields(Support) if field.name.startswith("io_")}
    assert warnings(replace(FULL, **io), 2) == [  # type: ignore[arg-type]
        "WARNING: No io.weight support",
        "WARNING: No io.weight (per device) support",
        "WARNING: No io.max (rbps) support",
        "WARNING: No io.max (wbps) support",
        "WARNING: No io.max (riops) support",
        "WARNING: No io.max (wiops) support",
    ]


def test_open_doors() -> None:
    plain, encrypted = warnings(FULL, 2, True, ("0.0.0.0:2375", False), ("0.0.0.0:2376", True))
    assert plain.startswith("WARNING: API is accessible on http://0.0.0.0:2375 without encryption.\n")
    assert encrypted.startswith("WARNING: API is accessible on https://0.0.0.0:2376 without TLS client verification.\n")
    assert "root access on the host" in plain and "root access on the host" in encrypted


def test_security_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apparmor, "enabled", lambda: True)
    assert hostreport.security_options("/p.json", True, True) == [
        "name=apparmor",
        "name=seccomp,profile=/p.json",
        "name=cgroupns",
        "name=no-new-privileges",
    ]
    monkeypatch.setattr(apparmor, "enabled", lambda: False)
    assert hostreport.security_options("", False, False) == ["name=seccomp,profile=builtin"]
    monkeypatch.setattr(hostinfo, "has_seccomp", lambda: False)
    assert hostreport.security_options("", False, False) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://proxy:3128/a@b", "http://proxy:3128/a@b"),
        ("http://me:secret@proxy:3128/x", "http://xxxxx:xxxxx@proxy:3128/x"),
        ("http://me@proxy", "http://xxxxx:xxxxx@proxy"),
        ("http://me:p@ss@proxy", "http://xxxxx:xxxxx@proxy"),
        ("me:secret@proxy:3128", "xxxxx:xxxxx@proxy:3128"),
        ("http://me:secret@[bad", "http://xxxxx:xxxxx@[bad"),
    ],
)
def test_credentials_of_proxies_are_masked(url: str, shown: str) -> None:
    assert hostreport.masked(url) == shown
