"""Profiles of users, resolved for a container here."""

import json
from pathlib import Path
from typing import Any

import pytest

from havre.errors import InvalidParameter
from havre.runtime import capabilities, seccomp, seccompprofiles


def test_a_users_profile_is_resolved() -> None:
    text = json.dumps(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
            "syscalls": [
                {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
                {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
                {"names": ["reboot"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_BOOT"]}},
            ],
        }
    )
    profile = seccompprofiles.resolve(text, {"CAP_SYS_ADMIN"}, "amd64")
    assert profile["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert profile["syscalls"] == [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", "/no/file.json", '{"syscalls": []}', '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [1]}'),
        '{"defaultAction": "x"}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "x"}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "name": "x", "action": "SCMP_ACT_LOG"}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x"], "archMap": [{"architecture": "x"}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x86"]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_LOG", "args": [{}]}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": ' + "[" * 100_000,
    ],
)
def test_a_broken_profile_is_the_clients_error(text: str) -> None:
    with pytest.raises(InvalidParameter, match="seccomp"):
        seccompprofiles.parse(text)


@pytest.mark.parametrize(("kernel", "allowed"), [("4.7.0", False), ("4.8.1-x", True), ("6.18.44", True), ("5", False)])
def test_rules_for_a_kernel(kernel: str, allowed: bool) -> None:
    rule = {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW"}
    when = {"minKernel": "4.8"}
    text = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{**rule, "includes": when}]})
    assert seccompprofiles.resolve(text, set(), "amd64", kernel)["syscalls"] == ([rule] if allowed else [])
    text = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{**rule, "excludes": when}]})
    assert seccompprofiles.resolve(text, set(), "amd64", kernel)["syscalls"] == ([] if allowed else [rule])


def test_dockers_own_profile_as_a_users_is_the_built_in_one(spec: Path) -> None:
    text = (spec / "seccomp/moby-default.json").read_text()
    theirs = seccompprofiles.resolve(text, capabilities.DEFAULT, "amd64", "6.1.0")
    ours = seccomp.profile(capabilities.DEFAULT, "amd64")
    assert theirs["architectures"] == ours["architectures"]
    assert theirs["defaultAction"] == ours["defaultAction"]
    assert _free(theirs) == _free(ours)


def _free(profile: dict[str, Any]) -> set[str]:
    rules = profile["syscalls"]
    return {
        name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args") for name in rule["names"]
    }
