"""Blobs as files: the order in which things reach the disk."""

import os
from pathlib import Path

import pytest

from havre.image.digest import of
from havre.registry.storages.filesystem import FilesystemStorage


async def test_a_blob_gets_its_name_between_two_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are on disk before it has a name, and the name before anybody is told: power may fail at any point."""
    storage = FilesystemStorage(tmp_path / "blobs", tmp_path / "uploads")
    final = tmp_path / "blobs" / "sha256" / of(b"content").partition(":")[2]
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), final.exists()))

    await storage.begin("0a")
    await storage.write("0a", 0, [b"content"])
    monkeypatch.setattr(os, "fsync", fsync)
    await storage.commit("0a", of(b"content"))
    assert synced == [(str(tmp_path / "uploads" / "0a"), False), (str(final.parent), True)]
    assert final.read_bytes() == b"content"


async def test_an_upload_that_was_dropped_does_not_come_back(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path / "blobs", tmp_path / "uploads")
    await storage.begin("0a")
    await storage.drop("0a")
    with pytest.raises(FileNotFoundError):
        await storage.write("0a", 0, [b"late"])
    assert await storage.offset("0a") is None
