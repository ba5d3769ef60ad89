"""Image configurations, from complete to nearly empty."""

import json
from typing import Any

import pytest

from havre.errors import InvalidParameter
from havre.image.config import parse

A = "sha256:" + "a" * 64


def read(**fields: Any) -> Any:
    return parse(json.dumps({"rootfs": {"type": "layers", "diff_ids": [A]}, **fields}).encode())


def test_everything() -> None:
    config = read(
        os="linux",
        architecture="arm64",
        variant="v8",
        created="2024-01-01T00:00:00Z",
        author="me",
        config={
            "Env": ["A=1"],
            "Cmd": ["sh"],
            "Entrypoint": ["/init"],
            "WorkingDir": "/srv",
            "User": "app:app",
            "ExposedPorts": {"80/tcp": {}},
            "Volumes": {"/data": {}},
            "Labels": {"a": "b"},
            "StopSignal": "SIGQUIT",
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5},
            "Shell": ["/bin/bash", "-c"],
            "OnBuild": ["RUN true"],
            "ArgsEscaped": True,
        },
        history=[{"created_by": "x", "empty_layer": True}, {"comment": "c"}],
    )
    assert (config.os, config.architecture, str(config.platform)) == ("linux", "arm64", "linux/arm64/v8")
    assert (config.env, config.cmd, config.entrypoint) == (("A=1",), ("sh",), ("/init",))
    assert (config.working_dir, config.user, config.stop_signal) == ("/srv", "app:app", "SIGQUIT")
    assert (config.exposed_ports, config.volumes, config.labels) == (("80/tcp",), ("/data",), {"a": "b"})
    assert config.healthcheck is not None and config.healthcheck.test == ["CMD", "true"]
    assert (config.shell, config.on_build, config.args_escaped) == (("/bin/bash", "-c"), ("RUN true",), True)
    assert config.diff_ids == (A,)
    assert [entry.empty_layer for entry in config.history] == [True, False]


def test_nothing() -> None:
    config = read()
    assert (config.os, config.architecture, config.created) == ("linux", "", None)
    assert (config.env, config.cmd, config.entrypoint, config.labels) == ((), None, None, None)


def test_nulls() -> None:
    names = ["Env", "Cmd", "Entrypoint", "ExposedPorts", "Volumes", "Labels", "OnBuild", "User", "Healthcheck"]
    config = read(config=dict.fromkeys(names), history=None, author=None, created=None)
    assert (config.env, config.cmd, config.user) == ((), None, "")
    assert read(config=None).env == ()


def test_an_old_command_is_one_string() -> None:
    assert read(config={"Cmd": "echo hi"}).cmd == ("/bin/sh", "-c", "echo hi")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"rootfs": {"type": "other"}}',
        b'{"rootfs": {"type": "layers", "diff_ids": ["sha256:../../x"]}}',
        b'{"rootfs": {"type": "layers", "diff_ids": []}, "config": {"Env": "A=1"}}',
    ],
)
def test_what_is_no_configuration(data: bytes) -> None:
    with pytest.raises(InvalidParameter):
        parse(data)
