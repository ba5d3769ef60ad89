"""The OCI configuration, against the runtime specification's schema where it lies beside the checkout."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4 as _DRAFT4

from havre.runtime import devices, resources, seccomp
from havre.runtime.spec import Process, Sandbox, User, base_mounts, bind, build, tmpfs
from havre.wire.containers import HostConfig


def configuration(**changes: Any) -> dict[str, Any]:
    process = Process(
        ["/bin/true"], ["A=b"], "/", User(0, 0, (5,)), ["CAP_CHOWN"], terminal=True, console_size=(24, 80)
    )
    given: dict[str, Any] = {
        "rootfs": "/x",
        "hostname": "box",
        "cgroup": "/havre/x",
        "namespaces": {"mount": "", "pid": "", "uts": "", "network": "/run/n"},
        "mounts": [*base_mounts(1 << 20, False), bind("/a", "/b", "ro"), tmpfs("/t", "size=1m")],
        "resources": {
            **resources.linux_resources(HostConfig(memory=1 << 26, nano_cpus=500_000_000, pids_limit=10)),
            "devices": devices.rules(False, [], []),
        },
        "seccomp": seccomp.profile({"CAP_CHOWN"}, "amd64"),
    }
    return build(process, Sandbox(**{**given, **changes}))


def test_fits_the_schema(spec: Path) -> None:
    folder = spec / "runtime-spec/schema"
    files = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    known = [(name, Resource.from_contents(text, default_specification=_DRAFT4)) for name, text in files.items()]
    known += [(text["id"], resource) for (_, resource), text in zip(known, files.values(), strict=True) if "id" in text]
    registry: Registry[Any] = Registry().with_resources(known)
    validator = jsonschema.Draft4Validator(files["config-schema.json"], registry=registry)
    assert [error.message for error in validator.iter_errors(configuration())] == []


def test_limits() -> None:
    limits = configuration()["linux"]["resources"]
    assert limits["memory"] == {"limit": 1 << 26, "swap": 1 << 27}
    assert limits["cpu"] == {"period": 100_000, "quota": 50_000}
    assert limits["pids"] == {"limit": 10}
    assert limits["devices"][0] == {"allow": False, "access": "rwm"}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HostConfig(), {}),
        (HostConfig(memory_swap=-1, memory=1 << 26), {"memory": {"limit": 1 << 26, "swap": -1}}),
        (HostConfig(pids_limit=-1), {"pids": {"limit": -1}}),
        (HostConfig(cpuset_cpus="0-1", cpu_shares=512), {"cpu": {"shares": 512, "cpus": "0-1"}}),
    ],
)
def test_resources(host: HostConfig, expected: dict[str, Any]) -> None:
    assert resources.linux_resources(host) == expected


def test_a_user_other_than_root_has_no_effective_capabilities() -> None:
    process = Process(["x"], [], "/", User(1000, 1000), ["CAP_CHOWN"]).to_oci()
    assert process["capabilities"] == {"bounding": ["CAP_CHOWN"], "effective": [], "permitted": [], "inheritable": []}


def test_no_hostname_without_an_own_uts_namespace() -> None:
    assert configuration()["hostname"] == "box"
    assert "hostname" not in configuration(namespaces={"mount": ""})


def test_tmpfs_keeps_docker_s_safe_options_unless_contradicted() -> None:
    assert tmpfs("/t", "exec", "size=1m")["options"] == ["nosuid", "nodev", "exec", "size=1m"]
