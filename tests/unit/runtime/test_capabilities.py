"""What --cap-add, --cap-drop and --privileged make of Docker's default capabilities."""

import pytest

from havre.errors import InvalidParameter
from havre.runtime.capabilities import DEFAULT, NAMES, bounding, normalise, resolve

ALL = frozenset(NAMES)


def test_defaults() -> None:
    assert set(resolve(None, None, False, ALL)) == DEFAULT
    assert len(DEFAULT) == 14


def test_add_and_drop() -> None:
    assert "CAP_NET_ADMIN" in resolve(["net_admin"], None, False, ALL)
    assert resolve(None, ["ALL"], False, ALL) == []
    assert resolve(["CHOWN"], ["ALL"], False, ALL) == ["CAP_CHOWN"]
    assert resolve(["ALL"], ["CAP_SYS_ADMIN"], False, ALL) == [name for name in NAMES if name != "CAP_SYS_ADMIN"]


def test_never_more_than_the_daemon_has() -> None:
    limit = ALL - {"CAP_SYS_RESOURCE"}
    assert "CAP_SYS_RESOURCE" not in resolve(["ALL"], None, True, limit)
    assert resolve(["SYS_RESOURCE"], ["ALL"], False, limit) == []


def test_names() -> None:
    assert normalise(" cap_net_raw") == "CAP_NET_RAW"
    assert normalise("all") == "ALL"
    with pytest.raises(InvalidParameter, match='invalid capability: "FLY"'):
        normalise("FLY")


def test_bounding_set_of_a_process() -> None:
    assert bounding("Name:\tx\nCapBnd:\t0000000000000005\n") == {"CAP_CHOWN", "CAP_DAC_READ_SEARCH"}
