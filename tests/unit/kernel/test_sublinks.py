"""Links that ride on another, made by the kernel itself where it knows them, in a namespace of the test's own."""

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from havre.kernel import namespaces, sublinks
from havre.kernel.netlink import NetlinkError
from havre.kernel.rtnetlink import Rtnetlink, bridge_add

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
MAC = "02:42:0a:01:02:03"


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A host with the bridge ``up0``, and a container's namespace."""
    host, inside = tmp_path / "host", tmp_path / "inside"
    namespaces.create(host, lambda: None)
    namespaces.create(inside, lambda: None)
    with namespaces.enter(host, Rtnetlink) as netlink:
        netlink.execute(bridge_add("up0", "02:00:00:00:00:01", 1500))
    yield host, inside
    namespaces.remove(host)
    namespaces.remove(inside)


def make(places: tuple[Path, Path], kind: str, *how: str) -> dict[str, Any]:
    """One in the container, as ``ip`` sees it; the test is skipped where the kernel does not know it."""
    host, inside = places
    with namespaces.enter(host, Rtnetlink) as netlink, open(inside) as there:
        if not sublinks.known(netlink, kind):
            pytest.skip(f"this kernel has no {kind}")
        parent = netlink.link("up0")
        assert parent is not None
        if kind == "macvlan":
            netlink.execute(sublinks.macvlan_add("eth0", parent.index, there.fileno(), how[0], MAC))
        else:
            netlink.execute(sublinks.ipvlan_add("eth0", parent.index, there.fileno(), how[0], how[1]))
    return namespaces.enter(inside, lambda: _shown("eth0"))


def _shown(name: str) -> dict[str, Any]:
    shown = subprocess.run(["ip", "-d", "-j", "link", "show", name], capture_output=True, check=True).stdout
    return dict(json.loads(shown)[0])


@pytest.mark.parametrize("mode", sublinks.MACVLAN_MODES)
def test_macvlan(places: tuple[Path, Path], mode: str) -> None:
    link = make(places, "macvlan", mode)
    assert link["linkinfo"]["info_kind"] == "macvlan" and link["linkinfo"]["info_data"]["mode"] == mode
    assert mode == "passthru" or link["address"] == MAC


@pytest.mark.parametrize("flag", sublinks.IPVLAN_FLAGS)
@pytest.mark.parametrize("mode", sublinks.IPVLAN_MODES)
def test_ipvlan(places: tuple[Path, Path], mode: str, flag: str) -> None:
    link = make(places, "ipvlan", mode, flag)
    data = link["linkinfo"]["info_data"]
    assert (link["linkinfo"]["info_kind"], data["mode"]) == ("ipvlan", mode) and data.get("flags", "bridge") == flag


def test_parents(places: tuple[Path, Path]) -> None:
    with namespaces.enter(places[0], Rtnetlink) as netlink:
        for kind, request in (("dummy", sublinks.dummy_add("dm-1")), ("vlan", sublinks.vlan_add("up0.10", 2, 10))):
            try:
                netlink.execute(request, request)
            except NetlinkError as error:
                assert error.errno == errno.EOPNOTSUPP and f"cannot add {kind} " in str(error)


def test_unknown_kinds(places: tuple[Path, Path]) -> None:
    with namespaces.enter(places[0], Rtnetlink) as netlink:
        assert not sublinks.known(netlink, "nonsuch")
        before = netlink.links()
        sublinks.known(netlink, "macvlan")
        assert netlink.links() == before
