"""The manifests kept in memory: bounded, and never older than the last change."""

import asyncio
from pathlib import Path

import pytest

from havre.registry import records
from havre.registry.catalog import Catalog
from havre.registry.manifestcache import Manifest, ManifestCache
from havre.registry.manifests import Document
from havre.store.db import Connection, Database
from havre.store.schema.registry import MIGRATIONS

REPOSITORY = "team/app"


def manifest(name: str, size: int = 10) -> Manifest:
    return Manifest(f"sha256:{name}", "application/x", size, b"x" * size)


def test_the_least_used_goes_first() -> None:
    cache = ManifestCache(room=10_000)
    for name in "abc":
        cache.put(REPOSITORY, name, manifest(name, 2_000))
    assert cache.get(REPOSITORY, "a") is not None
    cache.put(REPOSITORY, "d", manifest("d", 2_000))
    assert [name for name in "abcd" if cache.get(REPOSITORY, name)] == ["a", "c", "d"]


def test_one_too_large_for_the_cache_is_not_kept_and_costs_nothing() -> None:
    cache = ManifestCache(room=10_000)
    cache.put(REPOSITORY, "large", manifest("large", 20_000))
    assert cache.get(REPOSITORY, "large") is None
    for name in "abc":
        cache.put(REPOSITORY, name, manifest(name, 2_000))
    assert all(cache.get(REPOSITORY, name) for name in "abc")


def test_a_change_forgets_one_repository() -> None:
    cache = ManifestCache()
    cache.put(REPOSITORY, "v1", manifest("a"))
    cache.put("other", "v1", manifest("b"))
    cache.forget(REPOSITORY)
    assert cache.get(REPOSITORY, "v1") is None
    assert cache.get("other", "v1") == manifest("b")


async def test_a_change_during_a_read_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag is moved after it was read and before that is put into the cache."""
    database = Database.open(tmp_path / "registry.db", {"registry": MIGRATIONS})
    catalog = Catalog(database)
    documents = [Document(digest=f"sha256:{name}", media_type="application/x", body=b"{}", parts=()) for name in "ab"]
    await catalog.put_manifest(REPOSITORY, documents[0], ["latest"])
    real = records.manifest
    moved = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: Connection, repository: str, reference: str) -> Manifest | None:
        found = real(connection, repository, reference)
        monkeypatch.setattr(records, "manifest", real)
        loop.call_soon_threadsafe(moved.set)
        return found

    monkeypatch.setattr(records, "manifest", slow)
    reading = asyncio.gather(catalog.manifest(REPOSITORY, "latest"))
    move = asyncio.gather(catalog.put_manifest(REPOSITORY, documents[1], ["latest"]))
    await asyncio.gather(moved.wait(), reading, move)
    found = await catalog.manifest(REPOSITORY, "latest")
    assert found is not None and found.digest == "sha256:b"
    database.close()
