"""The container's configuration out of the user's and the image's."""

from dataclasses import replace
from typing import Any

import pytest

from havre.engine.container.merge import command_line, environment, merge, replaced
from havre.errors import InvalidParameter
from havre.image import config as configs
from havre.image.config import ImageConfig
from havre.wire.containers import ContainerConfig

EMPTY = configs.parse(b'{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}')


def image(**changes: Any) -> ImageConfig:
    return replace(EMPTY, cmd=("serve",), entrypoint=("/entry",), **changes)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ContainerConfig(), ("/entry", ("serve",))),
        (ContainerConfig(cmd=["x"]), ("/entry", ("x",))),
        (ContainerConfig(entrypoint=["/other"]), ("/other", ())),
        (ContainerConfig(entrypoint=[""], cmd=["x"]), ("x", ())),
        (ContainerConfig(entrypoint="/one", cmd="two"), ("/one", ("two",))),
    ],
)
def test_command(asked: ContainerConfig, expected: tuple[str, tuple[str, ...]]) -> None:
    assert command_line(merge(asked, image())) == expected


def test_no_command_is_an_error() -> None:
    with pytest.raises(InvalidParameter, match="no command specified"):
        merge(ContainerConfig(), EMPTY)


def test_the_users_environment_wins() -> None:
    merged = merge(ContainerConfig(env=["A=1"]), image(env=("A=2", "B=3", "PATH=/bin")))
    assert merged.env == ["A=1", "B=3", "PATH=/bin"]


def test_the_process_gets_path_hostname_and_term() -> None:
    config = merge(ContainerConfig(hostname="box", tty=True, env=["GONE"]), image())
    assert environment(config) == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=box",
        "TERM=xterm",
    ]


def test_a_later_variable_takes_the_place_of_its_name() -> None:
    assert replaced(["A=1", "B=2", "C=3"], ["B=4", "D=5", "A", "X"]) == ["B=4", "C=3", "D=5"]
    assert environment(ContainerConfig(env=["PATH=/x", "HOSTNAME"], hostname="box"), ["L=1"]) == ["PATH=/x", "L=1"]


def test_labels_ports_and_volumes_are_joined() -> None:
    asked = ContainerConfig(labels={"a": "mine"}, exposed_ports={"1/tcp": {}}, volumes={"/mine": {}})
    merged = merge(asked, image(labels={"a": "b", "c": "d"}, exposed_ports=("2/tcp",), volumes=("/data",)))
    assert merged.labels == {"a": "mine", "c": "d"}
    assert set(merged.exposed_ports or {}) == {"1/tcp", "2/tcp"}
    assert set(merged.volumes or {}) == {"/mine", "/data"}
