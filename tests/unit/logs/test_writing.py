"""The daemon's half of the log writer."""

import asyncio
import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from havre.logs import writing
from havre.logs.writing import Writer


async def test_a_writer_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = subprocess.Popen, [OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))]

    def spawn(*words: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*words, **options)

    monkeypatch.setattr(writing.subprocess, "Popen", spawn)
    monkeypatch.setattr(writing, "_RETRY_DELAY", 0.01)
    (tmp_path / "c").mkdir()
    writer = Writer(tmp_path / "lock", lambda _: None)
    plan = {"kind": "local", "name": "c", "rotation": {"max_size": 1 << 20, "max_file": 2, "compress": False}}
    try:
        opened = writer.open("c", tmp_path / "c", plan, fresh=False)
        async with asyncio.timeout(20):
            assert await opened is None
    finally:
        await writer.close()
    assert not failures
