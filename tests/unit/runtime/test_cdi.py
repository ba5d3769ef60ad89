"""Devices described by files: what is read, what is found, what a container gets of it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from havre.errors import InvalidParameter, Unsupported
from havre.runtime import cdi, cdiedits, devicerequests
from havre.runtime.cdi import Edits, Specifications
from havre.wire.containers import DeviceRequest

CONFIG: dict[str, Any] = {
    "process": {"env": ["PATH=/bin", "A=old"], "user": {"uid": 7, "gid": 8, "additionalGids": [5]}},
    "mounts": [{"destination": "/proc", "type": "proc"}, {"destination": "/deep/in/there", "type": "bind"}],
    "linux": {"devices": [{"path": "/dev/nought", "type": "c"}], "resources": {"devices": [{"allow": False}]}},
}
YAML = """\
cdiVersion: 0.6.0
kind: vendor.com/device
containerEdits:
  env: [COMMON=22:22]
devices:
  - name: "0"
    containerEdits:
      env: [A=new]
      deviceNodes:
        - {path: /dev/nought, hostPath: /dev/null, permissions: r}
      mounts:
        - {hostPath: /usr/lib, containerPath: /lib/vendor, options: [ro, nosuid, bind]}
      hooks:
        - {hookName: createContainer, path: /bin/true, args: ["true", no]}
      additionalGids: [9, 0, 5]
  - name: all
    containerEdits: {env: [ALL=1]}
"""


def write(directory: Path, name: str, text: str | dict[str, Any]) -> Specifications:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text if isinstance(text, str) else json.dumps(text))
    return Specifications([str(directory)])


def minimal(**more: Any) -> dict[str, Any]:
    edits = {"env": ["X=1"]}
    return {"cdiVersion": "0.3.0", "kind": "a.b/c", "devices": [{"name": "d", "containerEdits": edits}], **more}


def inject(specifications: Specifications, *names: str) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    devicerequests.fulfil([DeviceRequest(driver="cdi", device_ids=list(names))], specifications, config)
    return config


def test_a_device_in_yaml(tmp_path: Path) -> None:
    specifications = write(tmp_path, "vendor.yaml", YAML)
    config = inject(specifications, "vendor.com/device=0", "vendor.com/device=all")
    assert config["process"]["env"] == ["PATH=/bin", "COMMON=22:22", "A=new", "ALL=1"]
    assert config["process"]["user"]["additionalGids"] == [5, 9]
    node = {"path": "/dev/nought", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 7, "gid": 8}
    assert config["linux"]["devices"] == [node]
    rule = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"}
    assert config["linux"]["resources"]["devices"] == [{"allow": False}, rule]
    assert [mount["destination"] for mount in config["mounts"]] == ["/proc", "/lib/vendor", "/deep/in/there"]
    assert config["mounts"][1]["options"] == ["ro", "nosuid", "bind"]
    assert config["hooks"] == {"createContainer": [{"path": "/bin/true", "args": ["true", "no"]}]}


def test_devices_nobody_describes_are_named(tmp_path: Path) -> None:
    specifications = write(tmp_path, "x.json", minimal())
    assert list(specifications.find().devices) == ["a.b/c=d"]
    with pytest.raises(InvalidParameter, match=r"^CDI device injection failed: unresolvable CDI devices a.b/c=e, x$"):
        inject(specifications, "a.b/c=d", "a.b/c=e", "x")


def test_later_directories_win_and_twins_are_nobodys(tmp_path: Path) -> None:
    for folder, value in (("one", "1"), ("two", "2")):
        device = {"name": "d", "containerEdits": {"env": [f"X={value}"]}}
        write(tmp_path / folder, "x.json", minimal(devices=[device]))
    both = Specifications([str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "none")])
    assert "X=2" in inject(both, "a.b/c=d")["process"]["env"]
    write(tmp_path / "two", "y.json", minimal())
    assert both.find().devices == {}
    assert list(both.find().errors) == [tmp_path / "two" / "y.json"]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "{}",
        minimal(cdiVersion="9.0.0"),
        minimal(kind="nothing"),
        minimal(kind="-a/b"),
        minimal(unknown=1),
        minimal(devices=[{"name": "a b"}]),
        "[" * 100_000,
    ],
)
def test_broken_files_are_told_of_and_skipped(tmp_path: Path, text: str | dict[str, Any]) -> None:
    write(tmp_path, "good.json", minimal())
    specifications = write(tmp_path, "bad.json", text)
    found = specifications.find()
    assert list(found.errors) == [tmp_path / "bad.json"]
    assert list(found.devices) == ["a.b/c=d"]


def test_a_broken_yaml_is_told_of(tmp_path: Path) -> None:
    specifications = write(tmp_path, "bad.yaml", "a: [")
    assert list(specifications.find().errors) == [tmp_path / "bad.yaml"]


@pytest.mark.parametrize(
    "edits",
    [
        Edits(env=["NOTHING"]),
        Edits(device_nodes=[cdi.DeviceNode(path="/dev/no-such")]),
        Edits(device_nodes=[cdi.DeviceNode(path="/etc/passwd")]),
        Edits(device_nodes=[cdi.DeviceNode(path="/dev/null", type="b")]),
        Edits(device_nodes=[cdi.DeviceNode(path="/dev/null", type="z")]),
        Edits(device_nodes=[cdi.DeviceNode(path="/dev/null", permissions="x")]),
        Edits(device_nodes=[cdi.DeviceNode(path="/dev/null", major=-1)]),
        Edits(mounts=[cdi.Mount(host_path="", container_path="/x")]),
        Edits(hooks=[cdi.Hook(hook_name="sometimes", path="/bin/true")]),
        Edits(hooks=[cdi.Hook(hook_name="prestart", path="")]),
    ],
)
def test_edits_that_cannot_be(edits: Edits) -> None:
    with pytest.raises(InvalidParameter, match=r"^CDI device injection failed: failed to inject devices: "):
        cdiedits.apply(edits, copy.deepcopy(CONFIG))


def test_resctrl_needs_a_kernel_that_has_it() -> None:
    edits = Edits(intel_rdt=cdi.IntelRdt(closID="x"))
    if cdiedits._RESCTRL.exists():
        pytest.skip("this kernel has resctrl")
    with pytest.raises(Unsupported, match="resctrl"):
        cdiedits.apply(edits, copy.deepcopy(CONFIG))


GPU = [["gpu"]]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (DeviceRequest(count=-1, capabilities=GPU), 'could not select device driver "" with capabilities: [[gpu]]'),
        (
            DeviceRequest(driver="x", capabilities=[["gpu", "utility"], ["tpu"]]),
            'could not select device driver "x" with capabilities: [[gpu utility] [tpu]]',
        ),
        (DeviceRequest(count=1), 'could not select device driver "" with capabilities: []'),
        (DeviceRequest(driver="cdi", count=1), "unexpected count in CDI device request"),
        (DeviceRequest(driver="cdi", options={"a": "b"}), "unexpected options in CDI device request"),
    ],
)
def test_requests_nobody_fulfils(monkeypatch: pytest.MonkeyPatch, request_: DeviceRequest, text: str) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InvalidParameter) as caught:
        devicerequests.fulfil([request_], Specifications([]), copy.deepcopy(CONFIG))
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (DeviceRequest(count=-1, capabilities=GPU), [100, 101]),
        (DeviceRequest(count=1, capabilities=GPU), [100]),
        (DeviceRequest(device_ids=["1"], capabilities=[["tpu"], ["gpu", "compute"]]), [101]),
        (DeviceRequest(driver="nvidia", count=2, capabilities=GPU), [100, 101]),
    ],
)
def test_gpus_that_files_describe(tmp_path: Path, request_: DeviceRequest, wanted: list[int]) -> None:
    devices = [{"name": str(number), "containerEdits": {"additionalGids": [100 + number]}} for number in range(2)]
    specifications = write(tmp_path, "gpu.json", minimal(kind="nvidia.com/gpu", devices=devices))
    config = copy.deepcopy(CONFIG)
    devicerequests.fulfil([request_], specifications, config)
    assert config["process"]["user"]["additionalGids"][1:] == wanted


def test_gpus_by_the_hook_of_their_vendor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hook = tmp_path / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    config = copy.deepcopy(CONFIG)
    request = DeviceRequest(count=2, capabilities=[["gpu", "compute"]])
    devicerequests.fulfil([request], Specifications([]), config)
    assert config["process"]["env"][-2:] == ["NVIDIA_VISIBLE_DEVICES=0,1", "NVIDIA_DRIVER_CAPABILITIES=compute"]
    assert config["hooks"]["prestart"][0]["path"] == str(hook)
