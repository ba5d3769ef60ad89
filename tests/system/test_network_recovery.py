"""Whatever the daemon dies in, its next start leaves nothing orphaned and loses nothing that runs."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from havre.kernel import namespaces
from havre.kernel.nftables import Nftables, RuleEvents, RuleNews
from havre.lib.ids import new_id
from havre.network import records
from havre.network.model import EndpointRequest, PortRequest
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from tests.system import netlab
from tests.system.netlab import HOST, OUTSIDE, Lab, arrives, datagram_arrives, datagram_socket, run
from tests.system.network_crash import PORTS

lab = netlab.lab
REPOSITORY = Path(__file__).parents[2]
WEB = PortRequest(80, host_port_start=8080, host_port_end=8080)


def ports_of(bridge: str) -> list[str]:
    return [line.split("@")[0] for line in run("ip", "-br", "link", "show", "master", bridge).splitlines()]


def elements() -> list[str]:
    """The addresses that published ports lead to."""
    maps = [entry["map"] for entry in Nftables().table("inet", "havre_havre0") or () if "map" in entry]
    found = [each for one in maps if one["name"].startswith("published") for each in one.get("elem", ())]
    return [str(target["concat"][0]) for _, target in found]


async def until(reached: Callable[[], bool]) -> None:
    for _ in range(500):
        if reached():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came to that")


async def until_no_ports(bridge: str) -> None:
    """The kernel takes namespaces, and the interfaces in them, apart after the fact."""
    await until(lambda: not ports_of(bridge))


@pytest.mark.parametrize("verb", ["start", "create", "connect", "join", "part", "disconnect", "remove", "stop"])
async def test_killed_at_any_step(lab: Lab, verb: str) -> None:
    layout = lab.layout()
    for step in range(100):
        container_id = new_id()
        words = (lab.host, layout.data_root, layout.exec_root, verb, step, container_id)
        command = [sys.executable, "-m", "tests.system.network_crash", *map(str, words)]
        died = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert died.returncode in (0, -signal.SIGKILL), died.stderr
        async with netlab.daemon(layout) as daemon:
            assert await daemon.database.read(records.endpoints) == []
            assert list(layout.netns.iterdir()) == []
            assert run("nft", "list", "tables").split() == ["table", "inet", "havre_havre0"]
            assert elements() == []
            await until_no_ports("havre0")
            again = await daemon.container(*PORTS)
            if (own := daemon.networks.find("another")) is not None:
                # It is whole, whatever there was of it.
                await until_no_ports(own.interface)
                there = await daemon.networks.connect(again.id, "another", EndpointRequest(name="box"))
                assert set(elements()) == {there.ip_address}, "the ports went with the default route"
            await daemon.remove(again)
            if own is not None:
                await daemon.networks.remove(own)
        links = run("ip", "-br", "link")
        assert "havre0" not in links and "br-" not in links and "veth" not in links
        assert run("nft", "list", "tables") == ""
        if died.returncode == 0:
            assert step > 3, "the verb has steps to die at"
            return
    pytest.fail("the verb never ended")


async def abandon(networks: Networks) -> None:
    """End a daemon as kill -9 does, as far as this process can: its sockets close, nothing else happens."""
    driver = networks._drivers["bridge"]
    for endpoint in [each for network in networks.all() for each in networks.endpoints_on(network.id)]:
        driver._ports.release(endpoint.ports)  # type: ignore[attr-defined]
    driver._claims.give_up("havre0")  # type: ignore[attr-defined]
    driver._tables.leave("havre0")  # type: ignore[attr-defined]


async def test_running_containers_do_not_notice_a_restart(lab: Lab) -> None:
    layout = lab.layout()
    database = netlab.open_database(layout)
    first = Networks(database, NetworkSettings(), layout)
    await first.start()
    await first.live(set())
    box = await netlab.Daemon(first, database, layout).container(WEB)
    gone = await netlab.Daemon(first, database, layout).container()
    with box.listen(80) as server:
        held = lab.reach(HOST, 8080)
        server.settimeout(netlab.WAIT)
        connection, _ = server.accept()
        await abandon(first)
        arrives(server, lab.reach(HOST, 8080))
        async with netlab.daemon(layout, live={box.id}) as second:
            assert second.networks.endpoints_of(box.id) == [box.endpoint]
            assert second.networks.endpoints_of(gone.id) == []
            await until(lambda: ports_of("havre0") == [box.endpoint.host_interface])
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            held.sendall(b"still here")
            connection.settimeout(netlab.WAIT)
            assert connection.recv(20) == b"still here"
            # The port is reserved again, the address still taken, and the next one not one used before.
            with pytest.raises(OSError, match="in use"):
                socket.create_server(("", 8080))
            with pytest.raises(Exception, match="port is already allocated"):
                await second.container(WEB)
            other = await second.container()
            assert other.endpoint.ip_address not in (box.endpoint.ip_address, gone.endpoint.ip_address)
            await second.remove(box, other)
        held.close()
        connection.close()
    database.close()


async def test_a_stop_leaves_running_containers_connected(lab: Lab) -> None:
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        box = await daemon.container(WEB)
    with box.listen(80) as server:
        assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
        async with netlab.daemon(layout, live={box.id}) as daemon:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            await daemon.remove(box)
    assert "havre0" not in run("ip", "-br", "link") and run("nft", "list", "tables") == ""


async def test_after_a_reboot(lab: Lab) -> None:
    """Records survive on disk; the kernel and the exec root start empty (or with files that are mounts no more)."""
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        box = await daemon.container(WEB)
        network = daemon.networks.get("bridge")
    namespaces.remove(box.sandbox)
    box.sandbox.touch()
    run("ip", "link", "delete", "havre0")
    run("nft", "flush", "ruleset")
    async with netlab.daemon(layout) as daemon:
        assert daemon.networks.get("bridge") == network
        assert daemon.networks.endpoints_of(box.id) == []
        again = await daemon.container(WEB)
        assert again.endpoint.ip_address != box.endpoint.ip_address
        await daemon.remove(again)


async def test_a_bridge_deleted_under_a_running_container(lab: Lab) -> None:
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        box = await daemon.container(WEB)
    run("ip", "link", "delete", "havre0")
    async with netlab.daemon(layout, live={box.id}) as daemon:
        with box.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
        await daemon.remove(box)


async def test_flushed_rules_come_back(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container(WEB)
        before = run("nft", "list", "ruleset")
        for damage in (["flush", "ruleset"], ["delete", "table", "inet", "havre_havre0"]):
            run("nft", *damage)
            await until(lambda: run("nft", "list", "ruleset") == before)
        assert "is made anew: it was deleted" in caplog.text
        with box.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
        await daemon.remove(box)
    assert run("nft", "list", "ruleset") == "", "the own removal is no damage"


async def test_flushed_rules_come_back_with_the_next_change(
    lab: Lab, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RuleEvents, "news", lambda _: RuleNews(set(), set(), False))
    async with netlab.daemon(lab.layout()) as daemon:
        box = await daemon.container(WEB)
        run("nft", "flush", "ruleset")
        other = await daemon.container(PortRequest(80, host_port_start=8081, host_port_end=8081))
        assert "is made anew" in caplog.text
        with box.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
        with other.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8081)) == OUTSIDE
        run("nft", "flush", "ruleset")
        await daemon.remove(box)
        with other.listen(80) as server:
            assert arrives(server, lab.reach(HOST, 8081)) == OUTSIDE
        await daemon.remove(other)


async def test_other_tables_are_left_alone(lab: Lab) -> None:
    foreign = lab.root / "foreign.nft"
    foreign.write_text(
        "table ip nat {\n chain c {\n type nat hook prerouting priority -100\n }\n}\ntable inet havre {\n}\n"
    )
    run("nft", "-f", str(foreign))
    before = run("nft", "list", "ruleset")
    layout = lab.layout()
    async with netlab.daemon(layout) as daemon:
        await daemon.remove(await daemon.container(WEB))
    assert run("nft", "list", "ruleset") == before


async def test_udp_clients_that_never_pause_find_the_next_container(lab: Lab) -> None:
    """Flows from before a port was published, or to a container that is gone, must not keep missing the new one."""
    echo = PortRequest(53, "udp", "", 5353, 5353)
    async with netlab.daemon(lab.layout()) as daemon:
        with lab.from_outside(datagram_socket) as client:
            client.sendto(b"early", (HOST, 5353))
            for _ in range(2):
                box = await daemon.container(echo)
                with box.receive(53) as server:
                    assert datagram_arrives(server, client, HOST, 5353) == OUTSIDE
                await daemon.remove(box)


async def test_a_cancelled_connect_leaves_nothing(lab: Lab) -> None:
    async with netlab.daemon(lab.layout()) as daemon:
        for turns in range(12):
            container_id = new_id()
            await daemon.networks.sandbox_create(container_id)
            request = EndpointRequest(name="box", ports=(WEB,))
            work = asyncio.get_running_loop().create_task(daemon.networks.connect(container_id, "bridge", request))
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.sleep(0.0004 * turns)
            work.cancel()
            done = (await asyncio.gather(work, return_exceptions=True))[0]
            if isinstance(done, asyncio.CancelledError):
                assert daemon.networks.endpoints_of(container_id) == []
                assert await daemon.database.read(records.endpoints) == []
                assert elements() == []
            await daemon.networks.sandbox_remove(container_id)
        await until_no_ports("havre0")
