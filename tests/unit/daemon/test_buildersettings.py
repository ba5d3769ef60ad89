"""What daemon.json says of the builder's disk budget: values, and complaints."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from havre.builder.upkeep import Limits
from havre.daemon.buildersettings import limits
from havre.errors import InvalidParameter


def test_budgets(tmp_path: Path) -> None:
    disk = shutil.disk_usage(tmp_path).total // 100
    assert limits({}, tmp_path) == Limits(disk * 10, disk * 60, disk * 20)
    assert limits({"gc": {"enabled": False, "defaultKeepStorage": "1g"}}, tmp_path) is None
    assert limits({"gc": {"defaultKeepStorage": "1k"}}, tmp_path) == Limits(1024, 1024)
    said = {"enabled": True, "defaultReservedSpace": "1k", "defaultMaxUsedSpace": "2k", "defaultMinFreeSpace": "3k"}
    assert limits({"gc": said}, tmp_path) == Limits(1024, 2048, 3072)


@pytest.mark.parametrize(
    ("builder", "said"),
    [
        ({"history": {}}, "unknown history"),
        ({"gc": []}, "gc must be an object"),
        ({"gc": {"policy": []}}, "does not know policy"),
        ({"gc": {"enabled": "yes"}}, "enabled must be true or false"),
        ({"gc": {"defaultKeepStorage": "much"}}, "defaultKeepStorage must be a size"),
        ({"gc": {"defaultKeepStorage": 5}}, "defaultKeepStorage must be a size"),
    ],
)
def test_complaints(tmp_path: Path, builder: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        limits(builder, tmp_path)
