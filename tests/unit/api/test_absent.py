"""What havre does not have, and the reason it gives."""

from typing import Any, cast

import pytest

from havre.api.handlers import absent
from havre.errors import Unsupported


@pytest.mark.parametrize(
    ("found", "reason"),
    [(None, "criu is not installed on this host"), ("/usr/sbin/criu", "havre does not use criu yet")],
)
async def test_checkpoints(monkeypatch: pytest.MonkeyPatch, found: str | None, reason: str) -> None:
    monkeypatch.setattr(absent.shutil, "which", lambda name: found)
    # Clients know dockerd's words; the reason stands behind them.
    with pytest.raises(Unsupported, match=rf"^This experimental feature is disabled by default\..*criu: {reason}\.\)$"):
        await absent.no_checkpoints(cast(Any, None))
