"""Changing the configuration that others share: nothing of theirs is lost, nobody else can read it."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from havre.client.config import ConfigFile
from havre.client.configsaving import change
from havre.errors import InvalidParameter, SystemFault


def add(key: str) -> Any:
    return lambda values: {**values, key: 1}


def kept(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "config.json").read_text())


def test_what_others_wrote_meanwhile_stays(tmp_path: Path) -> None:
    config = ConfigFile(str(tmp_path), {})
    assert config.values == {}
    (tmp_path / "config.json").write_text('{"theirs": {"deep": [1, null]}}')
    change(config, add("ours"))
    assert kept(tmp_path) == {"theirs": {"deep": [1, None]}, "ours": 1} == config.values
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["config.json"]


def test_many_at_once(tmp_path: Path) -> None:
    keys = [f"key{number}" for number in range(20)]
    threads = [threading.Thread(target=change, args=[ConfigFile(str(tmp_path), {}), add(key)]) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kept(tmp_path)) == sorted(keys)


def test_no_change_writes_nothing(tmp_path: Path) -> None:
    change(ConfigFile(str(tmp_path), {}), lambda values: None)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", ["{nonsense", "[]"])
def test_what_cannot_be_understood_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidParameter, match="parsing config file"):
        change(ConfigFile(str(tmp_path), {}), add("ours"))
    assert (tmp_path / "config.json").read_text() == text


def test_what_a_killed_process_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f"config.json.{os.getpid()}.tmp").write_text("half")
    change(ConfigFile(str(tmp_path), {}), add("ours"))
    assert os.listdir(tmp_path) == ["config.json"] and kept(tmp_path) == {"ours": 1}


def test_the_owner_stays_the_owner(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gives files away")
    (tmp_path / "config.json").write_text("{}")
    os.chown(tmp_path / "config.json", 1234, 1234)
    change(ConfigFile(str(tmp_path), {}), add("ours"))
    assert (tmp_path / "config.json").stat().st_uid == 1234


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemFault, match=r"Not a directory|File exists"):
        change(ConfigFile(str(tmp_path / "file" / "folder"), {}), add("ours"))
