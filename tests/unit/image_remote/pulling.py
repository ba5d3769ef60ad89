"""Pulling in a test: to the end, to an error, and what was said meanwhile."""

from typing import Any

import pytest

from havre.errors import HavreError
from havre.lib.references import parse
from tests.fakes.registry import layer_tar
from tests.unit.image_remote.conftest import Remote

BASE = layer_tar(("base", b"1" * 1000))
TOP = layer_tar(("top", b"2" * 1000))


async def pull(remote: Remote, text: str, **options: Any) -> list[dict[str, Any]]:
    """All messages of a pull of ``text``."""
    reference = parse(text, None if options.get("all_tags") else "latest")
    return [message async for message in remote.puller.pull(reference, **options)]


def words(messages: list[dict[str, Any]]) -> list[str]:
    """``id: status`` of each message but the bars."""
    return [
        f"{message['id']}: {message['status']}" if "id" in message else message["status"]
        for message in messages
        if "progress" not in message
    ]


def short(digest: str) -> str:
    """The digest as rows are called."""
    return digest.removeprefix("sha256:")[:12]


async def failing(remote: Remote, text: str, **options: Any) -> HavreError:
    """The error that a pull of ``text`` ends with."""
    with pytest.raises(HavreError) as caught:
        await pull(remote, text, **options)
    return caught.value
