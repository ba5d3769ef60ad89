"""The configuration of a committed image: the request's, completed by the container's, as dockerd completes it."""

from typing import Any

import pytest

from havre.engine.container.commit import document, merged
from havre.wire.containers import ContainerConfig, HealthConfig

OWN = document(
    ContainerConfig(
        cmd=["sleep", "1"],
        env=["A=1", "B=2"],
        labels={"l": "x", "m": "y"},
        exposed_ports={"80/tcp": {}},
        volumes={"/v": {}},
        working_dir="/tmp",
        user="root",
        stop_signal="SIGINT",
        healthcheck=HealthConfig(test=["CMD", "true"], interval=60),
    )
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (OWN, {}),
        ({}, {}),
        ({"Cmd": ["q"], "Env": ["A=9"]}, {"Cmd": ["q"], "Env": ["A=9", "B=2"]}),
        ({"Labels": {"l": "new"}}, {"Labels": {"l": "new", "m": "y"}}),
        ({"ExposedPorts": {"1/tcp": {}}, "Volumes": {"/z": {}}}, {
            "ExposedPorts": {"1/tcp": {}, "80/tcp": {}}, "Volumes": {"/v": {}, "/z": {}},
        }),
        ({"Entrypoint": ["q"]}, {"Entrypoint": ["q"], "Cmd": None}),
        ({"Entrypoint": []}, {"Entrypoint": []}),
        ({"User": "7", "WorkingDir": "/w", "StopSignal": "9"}, {"User": "7", "WorkingDir": "/w", "StopSignal": "9"}),
        ({"Healthcheck": {"Retries": 4}}, {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 60, "Retries": 4}}),
        ({"Healthcheck": {"Test": ["NONE"]}}, {"Healthcheck": {"Test": ["NONE"], "Interval": 60}}),
    ],
)  # fmt: skip
def test_merging(given: dict[str, Any], expected: dict[str, Any]) -> None:
    result = merged(given, OWN)
    for key in ("Cmd", "Entrypoint", "Env", "Labels", "ExposedPorts", "Volumes", "User", "WorkingDir", "StopSignal"):
        assert result.get(key) == expected.get(key, OWN.get(key)), key
    assert result["Healthcheck"] == expected.get("Healthcheck", {"Test": ["CMD", "true"], "Interval": 60})


def test_labels_are_never_null() -> None:
    bare = document(ContainerConfig())
    assert merged(bare, bare)["Labels"] == {}


def test_what_is_not_set_is_left_out() -> None:
    assert set(document(ContainerConfig())) == {
        *("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin"),
        *("StdinOnce", "Env", "Cmd", "Image", "Volumes", "WorkingDir", "Entrypoint", "OnBuild", "Labels"),
    }
