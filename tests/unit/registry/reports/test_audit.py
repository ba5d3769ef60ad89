"""The audit log."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.errors import InvalidParameter
from havre.registry.reports.audit import AuditLog, AuditRecord, line


def record(**more: Any) -> AuditRecord:
    fields: dict[str, Any] = {
        "time": 1_700_000_000_000_000_000, "request_id": "r1", "address": "10.0.0.1", "identity": "user:alice",
        "method": "GET", "path": "/v2/app/manifests/latest", "status": 200, "sent": 12, "received": 0, "seconds": 0.25,
    }  # fmt: skip
    return AuditRecord(**{**fields, **more})


def test_a_line() -> None:
    assert json.loads(line(record(repository="app", action="pull"))) == {
        "time": "2023-11-14T22:13:20Z", "id": "r1", "address": "10.0.0.1", "identity": "user:alice", "method": "GET",
        "path": "/v2/app/manifests/latest", "status": 200, "sent": 12, "received": 0, "seconds": 0.25, "action": "pull",
        "repository": "app",
    }  # fmt: skip


def test_queries_stay_out() -> None:
    assert b"hunter2" not in line(record(path="/token?password=hunter2"))


@given(st.text(), st.text(), st.text())
def test_nothing_forges_a_line(path: str, agent: str, name: str) -> None:
    data = line(record(path=path, user_agent=agent, identity=name, method=agent))
    assert data.endswith(b"\n") and data.count(b"\n") == 1
    assert all(32 <= byte < 127 for byte in data[:-1])
    assert json.loads(data)["status"] == 200


def test_lines_are_bounded() -> None:
    assert len(line(record(path="/" + "é" * 100_000, user_agent="x" * 100_000, method="G" * 9999))) < 20_000


def test_rotation(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    size = len(line(record()))
    audit = AuditLog(path, most_bytes=size * 2, keep=2)
    for number in range(7):
        audit.write(record(status=number + 200))
    audit.close()
    statuses = {
        file.name: [json.loads(text)["status"] for text in file.read_text().splitlines()] for file in tmp_path.iterdir()
    }
    assert statuses == {"audit.log": [206], "audit.log.1": [204, 205], "audit.log.2": [202, 203]}
    again = AuditLog(path, most_bytes=size * 2, keep=2)
    again.write(record())
    again.close()
    assert len(path.read_text().splitlines()) == 2, "it goes on where it was"


def test_a_disk_that_takes_nothing_stops_no_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: Any
) -> None:
    audit = AuditLog(tmp_path / "audit.log")
    real = os.write

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    audit.write(record())
    audit.write(record())
    monkeypatch.setattr(os, "write", real)
    assert caplog.text.count("No space left") == 1
    audit.write(record())
    assert len((tmp_path / "audit.log").read_text().splitlines()) == 1
    with pytest.raises(InvalidParameter, match="audit"):
        AuditLog(tmp_path / "missing" / "audit.log")
