"""The records of containers: found by name and id, unique, and there again after a restart."""

from pathlib import Path

import pytest

from havre.engine.container.record import RUNNING, Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, InvalidParameter, NotFound
from havre.store.db import Database
from havre.store.schema import ALL
from havre.wire.containers import ContainerConfig, HostConfig


def container(identifier: str, name: str) -> Container:
    return Container(
        id=identifier.ljust(64, "0"),
        name=name,
        created=1,
        image="sha256:0",
        config=ContainerConfig(image="x", labels={"a": "b"}),
        host=HostConfig(),
        path="true",
        args=(),
        runtime="runc",
    )


def opened(path: Path) -> Registry:
    registry = Registry(Database.open(path / "db", ALL))
    registry.load()
    return registry


async def test_found_by_id_prefix_and_name(tmp_path: Path) -> None:
    registry = opened(tmp_path)
    one = await registry.save(container("abc1", "web"))
    await registry.save(container("abc2", "abc1"))
    assert registry.find("web") is registry.find("/web") is registry.find("abc10") is one
    assert registry.find("abc1").name == "abc1", "a name wins over a beginning of an id"
    with pytest.raises(InvalidParameter, match="multiple IDs found"):
        registry.find("abc")
    with pytest.raises(NotFound, match="No such container: nope"):
        registry.find("nope")


async def test_names_are_unique_also_while_being_made(tmp_path: Path) -> None:
    registry = opened(tmp_path)
    registry.reserve("web", "1")
    with pytest.raises(Conflict, match='The container name "/web" is already in use by container "1"'):
        registry.reserve("web", "2")
    registry.release("web")
    registry.reserve("web", "2")


async def test_records_survive(tmp_path: Path) -> None:
    registry = opened(tmp_path)
    made = await registry.save(container("a", "web").with_state(status=RUNNING, pid=7))
    await registry.save(container("b", "gone"))
    await registry.erase(container("b", "gone"))
    registry.drop(container("b", "gone").id)
    again = opened(tmp_path)
    assert list(again) == [made]
    assert again.find("web").config.labels == {"a": "b"}


async def test_renaming_frees_the_old_name(tmp_path: Path) -> None:
    registry = opened(tmp_path)
    one = await registry.save(container("a", "old"))
    await registry.save(one.replace(name="new"))
    assert not registry.named("old")
    assert registry.find("new").id == one.id
