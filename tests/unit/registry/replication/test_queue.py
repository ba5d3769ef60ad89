"""What is still to be replicated: one row a target and tag, and nothing lost between two pushes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from havre.registry.replication.queue import Job, Queue, Wish
from havre.registry.replication.settings import read
from havre.store.db import Database
from havre.store.schema import registry, registry_replication

TARGETS = read({"replication": {"copy": {"url": "http://127.0.0.1:1", "deletes": True, "repositories": ["app"]}}})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    schemas = {"registry": registry.MIGRATIONS, "registry_replication": registry_replication.MIGRATIONS}
    opened = Database.open(tmp_path / "registry.db", schemas)
    yield opened
    opened.close()


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


async def due(queue: Queue) -> Job:
    job, _ = await queue.next("copy")
    assert job is not None
    return job


async def test_the_last_push_of_a_tag_is_what_is_wanted(queue: Queue) -> None:
    await queue.wish([Wish("copy", "app", "v1", "sha256:1"), Wish("copy", "app", "v1", "sha256:2", "a,b")])
    assert await due(queue) == Job("app", "v1", "sha256:2", None, "a,b", 0)


async def test_a_push_while_another_is_carried_out_is_not_lost(queue: Queue) -> None:
    await queue.wish([Wish("copy", "app", "v1", "sha256:1")])
    job = await due(queue)
    await queue.wish([Wish("copy", "app", "v1", "sha256:2")])
    await queue.done("copy", job)
    assert await due(queue) == Job("app", "v1", "sha256:2", "sha256:1", "", 0)
    await queue.done("copy", await due(queue))
    assert (await queue.next("copy"))[0] is None


async def test_what_is_there_is_not_wanted_again(queue: Queue) -> None:
    await queue.wish([Wish("copy", "app", "v1", "sha256:1")])
    await queue.done("copy", await due(queue))
    await queue.wish([Wish("copy", "app", "v1", "sha256:1")])
    assert (await queue.next("copy"))[0] is None


async def test_a_failure_waits_and_a_new_push_does_not(queue: Queue) -> None:
    await queue.wish([Wish("copy", "app", "v1", "sha256:1")])
    await queue.failed("copy", await due(queue), "no route")
    job, pause = await queue.next("copy")
    assert job is None and 0 < pause < 1.3
    status = (await queue.status(["copy"]))[0]
    assert (status["done"], status["waiting"], status["failed"][0]["error"]) == (0, 1, "no route")
    await queue.wish([Wish("copy", "app", "v1", "sha256:2")])
    assert (await due(queue)).attempts == 0


async def test_deletions_are_for_what_was_there_and_leave_no_row(queue: Queue) -> None:
    await queue.wish([Wish("copy", "app", "never", None), Wish("copy", "app", "v1", "sha256:1")])
    await queue.done("copy", await due(queue))
    await queue.wish([Wish("copy", "app", "v1", None)])
    assert (await due(queue)).wanted is None
    await queue.done("copy", await due(queue))
    assert (await queue.status(["copy"]))[0]["done"] == 0


async def test_a_start_finds_what_is_missing_and_what_is_gone(queue: Queue, database: Database) -> None:
    def fill(connection: object) -> None:
        execute = connection.execute  # type: ignore[attr-defined]
        execute("INSERT INTO repositories VALUES (1, 'app', 0), (2, 'other', 0)")
        execute("INSERT INTO bodies VALUES (1, 'sha256:1', x'')")
        for number in (1, 2):
            execute("INSERT INTO manifests VALUES (?, 'sha256:1', '', 0, 0, NULL, '', NULL, 0)", (number,))
            execute("INSERT INTO tags VALUES (?, 'v1', 'sha256:1', 0)", (number,))

    await database.write(fill)
    await queue.wish([Wish("copy", "app", "gone", "sha256:9"), Wish("nowhere", "app", "v1", "sha256:1")])
    await queue.done("copy", await due(queue))
    await queue.reconcile(TARGETS)
    jobs = {}
    while (job := (await queue.next("copy"))[0]) is not None:
        jobs[job.repository, job.reference] = job.wanted
        await queue.done("copy", job)
    assert jobs == {("app", "v1"): "sha256:1", ("app", "gone"): None}
    assert (await queue.next("nowhere"))[0] is None


async def test_a_registry_keeps_its_name(queue: Queue) -> None:
    assert await queue.own_name() == await queue.own_name() != ""
