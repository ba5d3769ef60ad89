"""What links say, and what becomes of a hosts file when they change."""

from typing import Any

import pytest

from havre.engine.container.links import Link, changed_hosts, environment, parse
from havre.engine.container.record import Container
from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig, HostConfig


def link(alias: str = "db", name: str = "db1", **config: Any) -> Link:
    target = Container(
        id="1" * 64,
        name=name,
        created=0,
        image="",
        config=ContainerConfig(hostname="dbhost", **config),
        host=HostConfig(),
        path="x",
        args=(),
        runtime="runc",
    )
    return Link(alias, target, "192.0.2.5")


@pytest.mark.parametrize(
    ("text", "name", "alias"),
    [("db:x", "db", "x"), ("db", "db", "db"), ("/db:/web/x", "db", "x"), ("/db:/x", "db", "x")],
)
def test_reading(text: str, name: str, alias: str) -> None:
    assert parse(text) == (name, alias)


@pytest.mark.parametrize("text", ["", "a:b:c", "a:", "a:b c", "a:b\nc"])
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse(text)


def test_variables_of_ports() -> None:
    ports: dict[str, dict[str, str]] = {"53/udp": {}, "80-81/tcp": {}, "8080": {}}
    words = environment("web", link("my-db", exposed_ports=ports, env=["A=b=c", "PATH=/x", "GONE"]))
    assert words[0] == "MY_DB_PORT=tcp://192.0.2.5:80", "the lowest port of TCP stands for all"
    assert "MY_DB_PORT_80_TCP_END=tcp://192.0.2.5:81" in words
    assert "MY_DB_PORT_53_UDP_PROTO=udp" in words
    assert words[-2:] == ["MY_DB_NAME=/web/my-db", "MY_DB_ENV_A=b=c"]


def test_a_container_without_ports() -> None:
    assert environment("web", link()) == ["DB_NAME=/web/db"]


def test_only_its_own_line_changes() -> None:
    text = "127.0.0.1\tlocalhost\n192.0.2.4\tdb dbhost db1\n192.0.2.9 other db\n"
    told = changed_hosts(text, "db", link())
    assert told == text.replace("192.0.2.4", "192.0.2.5")
    assert changed_hosts(text, "db", None) == "127.0.0.1\tlocalhost\n192.0.2.9 other db\n"
    assert link(name="db").names == ["db", "dbhost"], "a name is not said twice"
