"""``config.json``: where it is, and what a bad one does."""

from pathlib import Path

import pytest

from havre.client.config import ConfigFile


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ConfigFile("", {}).path == f"{tmp_path}/.docker/config.json"
    assert ConfigFile("", {"DOCKER_CONFIG": "/d"}).path == "/d/config.json"
    assert ConfigFile("/f", {"DOCKER_CONFIG": "/d"}).path == "/f/config.json"


def test_settings_by_kind(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"detachKeys": "ctrl-a", "HttpHeaders": {"A": "b"}, "psFormat": 3, "auths": []}'
    )
    file = ConfigFile(str(tmp_path))
    assert file.text("detachKeys") == "ctrl-a"
    assert file.text("psFormat") == ""
    assert file.table("HttpHeaders") == {"A": "b"}
    assert file.table("auths") == {}


@pytest.mark.parametrize("there", [False, True])
def test_none_or_an_empty_one_is_no_settings(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "config.json").write_text(" \n")
    warnings: list[str] = []
    assert ConfigFile(str(tmp_path), {}, warnings.append).values == {}
    assert warnings == []


@pytest.mark.parametrize("text", ["{", "[]", '{"a":'])
def test_a_bad_one_is_reported_once_and_then_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    warnings: list[str] = []
    file = ConfigFile(str(tmp_path), {}, warnings.append)
    assert (file.values, file.text("x")) == ({}, "")
    assert len(warnings) == 1
    assert "config.json" in warnings[0]
