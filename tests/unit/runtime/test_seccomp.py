"""The default system call policy, against Docker's own profile where the specifications lie beside the checkout."""

import json
from pathlib import Path
from typing import Any

import pytest

from havre.runtime import capabilities, seccomp


def resolve(profile: dict[str, Any], held: set[str], architecture: str) -> set[str]:
    """The names Docker's profile allows without looking at arguments."""
    allowed: set[str] = set()
    for rule in profile["syscalls"]:
        includes, excludes = rule.get("includes", {}), rule.get("excludes", {})
        if rule["action"] != "SCMP_ACT_ALLOW" or rule.get("args"):
            continue
        if not set(includes.get("caps", ())) <= held or (
            "arches" in includes and architecture not in includes["arches"]
        ):
            continue
        if set(excludes.get("caps", ())) & held or architecture in excludes.get("arches", ()):
            continue
        allowed |= set(rule["names"])
    return allowed


@pytest.mark.parametrize("architecture", ["amd64", "arm64", "s390x"])
@pytest.mark.parametrize("held", [capabilities.DEFAULT, frozenset(capabilities.NAMES), frozenset[str]()])
def test_allows_what_docker_allows(spec: Path, architecture: str, held: frozenset[str]) -> None:
    docker = json.loads((spec / "seccomp/moby-default.json").read_text())
    ours = seccomp.profile(held, architecture)
    names = {
        name
        for rule in ours["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
        for name in rule["names"]
    }
    assert names == resolve(docker, set(held), architecture)


def test_rules_with_arguments_are_dockers(spec: Path) -> None:
    docker = json.loads((spec / "seccomp/moby-default.json").read_text())
    wanted = {
        (name, argument["index"], argument["value"], argument["op"])
        for rule in docker["syscalls"]
        for name in rule["names"]
        for argument in rule.get("args") or ()
        if "s390x" not in rule.get("includes", {}).get("arches", ())
    }
    ours = {
        (name, argument["index"], argument["value"], argument["op"])
        for rule in seccomp.profile(capabilities.DEFAULT, "amd64")["syscalls"]
        for name in rule["names"]
        for argument in rule.get("args", ())
    }
    assert ours == wanted


def test_clone_into_namespaces_needs_sys_admin() -> None:
    plain = seccomp.profile(capabilities.DEFAULT, "amd64")
    admin = seccomp.profile(capabilities.DEFAULT | {"CAP_SYS_ADMIN"}, "amd64")
    assert any("clone3" in rule["names"] and rule["errnoRet"] == seccomp.ENOSYS for rule in plain["syscalls"][1:])
    assert not any(rule["action"] == "SCMP_ACT_ERRNO" for rule in admin["syscalls"])
    assert "clone" in admin["syscalls"][0]["names"]


def test_no_specification_is_read_at_run_time() -> None:
    assert "shared" not in Path(seccomp.__file__).read_text()


def test_conventions_the_kernel_lacks_get_no_rules() -> None:
    assert seccomp.profile((), "amd64")["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert seccomp.profile((), "amd64", {"x32"})["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert seccomp.profile((), "arm64", {"x32"})["architectures"] == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
