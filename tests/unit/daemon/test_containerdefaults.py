"""What the configuration says of containers, read into values or refused before the daemon does anything."""

import json
from pathlib import Path
from typing import Any

import pytest

from havre.daemon import config as configuration
from havre.daemon import containerdefaults
from havre.daemon import flags as command_line
from havre.daemon.config import Config
from havre.engine.container.ocisecurity import SecurityDefaults
from havre.errors import InvalidParameter
from havre.wire.containers import Ulimit

PROFILE = '{"defaultAction": "SCMP_ACT_ALLOW"}'


def load(tmp_path: Path, stored: dict[str, Any], *words: str) -> Config:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps(stored))
    return configuration.load(command_line.parse(["--config-file", str(path), *words]))


def test_nothing_said(tmp_path: Path) -> None:
    config = load(tmp_path, {})
    containerdefaults.check(config)
    assert containerdefaults.ulimits(config) == ()
    assert containerdefaults.shm_size(config) == 64 << 20
    assert containerdefaults.security(config) == SecurityDefaults()
    assert config.cdi_spec_dirs == ("/etc/cdi", "/var/run/cdi")


def test_as_dockerds_file_says_it(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text(PROFILE)
    stored = {
        "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 64000, "Soft": 32000}},
        "default-shm-size": "128M",
        "no-new-privileges": True,
        "seccomp-profile": str(tmp_path / "profile"),
        "default-cgroupns-mode": "host",
        "default-ipc-mode": "shareable",
        "cgroup-parent": "/x",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cdi-spec-dirs": ["/a", "/b"],
        "init": True,
        "init-path": "/sbin/tini",
    }
    config = load(tmp_path, stored)
    containerdefaults.check(config)
    assert containerdefaults.ulimits(config) == (Ulimit(name="nofile", soft=32000, hard=64000),)
    assert containerdefaults.shm_size(config) == 128 << 20
    assert containerdefaults.security(config) == SecurityDefaults(True, PROFILE)
    assert (config.cdi_spec_dirs, config.cgroup_parent, config.init) == (("/a", "/b"), "/x", True)


def test_as_the_command_line_says_it(tmp_path: Path) -> None:
    config = load(tmp_path, {}, "--default-ulimit", "core=0", "--default-ulimit", "nproc=5:6", "--no-new-privileges")
    assert containerdefaults.ulimits(config) == (Ulimit(name="core"), Ulimit(name="nproc", soft=5, hard=6))
    assert containerdefaults.security(config).no_new_privileges


@pytest.mark.parametrize(
    "stored",
    [
        {"default-ulimits": {"nonsense": "1"}},
        {"default-ulimits": {"nofile": "one"}},
        {"default-ulimits": {"nofile": {"Name": "nofile", "Hard": 64000}}},
        {"default-ulimits": {"nofile": {"Name": "nofile", "Hard": 64000, "Sofd": 1}}},
        {"default-ulimits": {"nofile": "6:5"}},
        {"default-shm-size": "much"},
        {"seccomp-profile": "/no/such/file"},
        {"default-cgroupns-mode": "x"},
        {"default-ipc-mode": "host"},
        {"exec-opts": ["native.cgroupdriver=none"]},
        {"exec-opts": ["x"]},
    ],
)
def test_what_cannot_be(tmp_path: Path, stored: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        containerdefaults.check(load(tmp_path, stored))


def test_a_broken_profile_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("{}")
    with pytest.raises(InvalidParameter, match="seccomp profile"):
        containerdefaults.check(load(tmp_path, {"seccomp-profile": str(tmp_path / "profile")}))
