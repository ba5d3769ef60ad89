"""The resolver of containers' names and what the daemon tells it: real namespaces, a list of networks made up."""

import asyncio
import os
import random
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from havre.kernel import namespaces
from havre.network import sandbox
from havre.network.dns import process
from havre.network.dns.service import Names
from havre.network.model import Endpoint, Network
from havre.network.names import Upstream
from tests.system.nameservers import answer, datagram, server, stream
from tests.unit.network.dns.questions import EDNS_4096, ask, read


@dataclass
class Home:
    """Networks as they are told to the service, and the directory of a daemon."""

    directory: Path
    endpoints: list[Endpoint] = field(default_factory=list)
    services: list[Names] = field(default_factory=list)

    def all(self) -> list[Network]:
        return [Network("n1", "front", "bridge", 0)]

    def endpoints_of(self, container_id: str) -> list[Endpoint]:
        return [each for each in self.endpoints if each.container_id == container_id]

    def endpoints_on(self, network_id: str) -> list[Endpoint]:
        return [each for each in self.endpoints if each.network_id == network_id]

    def put(self, name: str, number: int, **links: str) -> Path:
        place = (f"172.30.1.{number}", 24)
        self.endpoints.append(Endpoint("n1", "front", f"e{number}", name, "", *place, names=(name, "all"), links=links))
        return self.directory / name

    def daemon(self, lead: bool = True) -> Names:
        names = Names(self.directory, lead)
        names.look_at(self)
        self.services.append(names)
        return names

    @property
    def pid(self) -> int:
        return int((self.directory / "names.pid").read_text().split()[0])


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path)
    for name, number in (("web", 2), ("db", 3)):
        sandbox.create(made.put(name, number, **({"base": "db"} if name == "web" else {})))
    yield made
    last = made.services[-1] if made.services else made.daemon()
    for name in ("web", "db"):
        await last.detach(name)
        sandbox.remove(made.directory / name)
    pid = made.pid if (made.directory / "names.pid").exists() else 0
    await last.close()
    await until_ended(pid)
    assert not list(tmp_path.iterdir())


async def until(reached: Callable[[], Awaitable[object]]) -> None:
    for _ in range(1500):
        if await reached():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it never came to that")


async def until_ended(pid: int) -> None:
    async def ended() -> bool:
        return not pid or not Path(f"/proc/{pid}/fd/0").exists()

    await until(ended)


async def served(home: Home, servers: tuple[str, ...] = (), on_host: tuple[str, ...] = (), *options: str) -> Path:
    names = home.daemon()
    await names.attach("web", home.directory / "web", Upstream(servers, (), options, frozenset(on_host)))
    return home.directory / "web"


async def addresses(place: Path, name: str) -> list[str]:
    return read(await asyncio.to_thread(datagram, place, ask(name))).addresses


async def test_names_over_both_protocols(home: Home) -> None:
    place = await served(home)
    assert await addresses(place, "DB.front") == ["172.30.1.3"]
    assert await addresses(place, "base") == ["172.30.1.3"]
    assert sorted(await addresses(place, "all")) == ["172.30.1.2", "172.30.1.3"]
    found = await asyncio.to_thread(stream, place, ask("db", number=1), ask("nobody", number=2), ask("web", number=3))
    assert {read(each).number: read(each).code for each in found} == {1: 0, 2: 2, 3: 0}


async def test_a_container_has_its_own_port_53(home: Home) -> None:
    place = await served(home)

    def bind() -> list[socket.socket]:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        udp.bind(("0.0.0.0", 53))
        tcp.bind(("0.0.0.0", 53))
        tcp.listen()
        return [udp, tcp]

    bound = namespaces.enter(place, bind)
    assert await addresses(place, "db") == ["172.30.1.3"]
    for each in bound:
        each.close()


async def test_without_nftables_the_port_itself_is_taken(home: Home) -> None:
    names, place = home.daemon(lead=False), home.directory / "web"
    await names.attach("web", place, Upstream())
    assert await addresses(place, "db") == ["172.30.1.3"]
    assert len(await asyncio.to_thread(stream, place, ask("db"))) == 1


async def test_nonsense_is_survived(home: Home) -> None:
    place = await served(home)
    pid, chance = home.pid if await addresses(place, "db") else 0, random.Random(1)

    def throw() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for _ in range(2000):
                udp.sendto(chance.randbytes(chance.randrange(80)), ("127.0.0.11", 53))
        for _ in range(100):
            with socket.create_connection(("127.0.0.11", 53)) as tcp:
                tcp.sendall(chance.randbytes(chance.randrange(80)))

    await asyncio.to_thread(namespaces.enter, place, throw)
    assert await addresses(place, "db") == ["172.30.1.3"]
    assert home.pid == pid


async def test_other_names_are_asked_of_servers(home: Home) -> None:
    place = await served(home, ("127.0.0.1",))
    with server(lambda question, _: [answer(question, 2)], "127.0.0.1", place) as asked:
        question = ask("example.org", edns=EDNS_4096, number=7)
        response = read(await asyncio.to_thread(datagram, place, question))
        assert (response.number, response.addresses) == (7, ["9.9.9.0", "9.9.9.1"])
        assert [each[2:] for each in asked] == [question[2:]]
        numbers = {asked[-1][:2] for _ in range(4) if await asyncio.to_thread(datagram, place, question)}
        assert len(numbers) > 1, "each question has a number of its own"


async def test_servers_of_the_host(home: Home) -> None:
    address = f"127.83.{random.randrange(256)}.{random.randrange(1, 255)}"
    place = await served(home, (address,), (address,))
    with server(lambda question, _: [answer(question, 1)], address):
        assert await addresses(place, "example.org") == ["9.9.9.0"]


async def test_one_server_s_failure_is_another_s_turn(home: Home) -> None:
    place = await served(home, ("127.0.0.1", "127.0.0.2", "127.0.0.3"))
    with (
        server(lambda question, _: [answer(question, 0, code=2)], "127.0.0.1", place),
        server(lambda question, _: [b"", b"x" * 40, answer(b"\0\0" + question[2:], 3)], "127.0.0.2", place) as silent,
        server(lambda question, _: [answer(question, 1)], "127.0.0.3", place),
    ):
        assert await addresses(place, "example.org") == ["9.9.9.0"]
        assert await addresses(place, "example.com") == ["9.9.9.0"]
        assert len(silent) == 1, "who was silent is asked last for a while"


async def test_nobody_knows_better(home: Home) -> None:
    place = await served(home, ("127.0.0.1", "127.0.0.2"))
    with server(lambda question, _: [answer(question, 0, code=5)], "127.0.0.1", place):
        # Nothing listens at the second's.
        assert read(await asyncio.to_thread(datagram, place, ask("example.org"))).code == 5


async def test_what_is_truncated_is_asked_for_over_tcp(home: Home) -> None:
    place = await served(home, ("127.0.0.1",))

    def handle(question: bytes, over_tcp: bool) -> list[bytes]:
        return [answer(question, 100) if over_tcp else answer(question, 3, truncated=True)]

    with server(handle, "127.0.0.1", place):
        short = read(await asyncio.to_thread(datagram, place, ask("example.org")))
        assert short.truncated and len(short.records) == 3
        assert len(read(await asyncio.to_thread(datagram, place, ask("example.org", edns=EDNS_4096))).records) == 100
        assert len(read((await asyncio.to_thread(stream, place, ask("example.org")))[0]).records) == 100


async def test_questions_under_way_are_bounded(home: Home) -> None:
    place = await served(home, ("127.0.0.1",))

    def flood() -> list[int]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(10)
            asking.connect(("127.0.0.11", 53))
            for number in range(400):
                asking.send(ask(f"host{number}.example", number=number))
                if number % 20 == 0:
                    asking.send(ask("db", number=1000 + number))
                    while struct.unpack("!H", (response := asking.recv(512))[:2])[0] < 1000:
                        codes.append(read(response).code)
            return codes

    codes: list[int] = []
    with server(lambda *_: [], "127.0.0.1", place):
        await asyncio.to_thread(namespaces.enter, place, flood)
    assert codes and set(codes) == {5}


async def test_a_resolver_that_is_killed_comes_back(home: Home) -> None:
    place = await served(home)
    await addresses(place, "db")
    killed = home.pid
    os.kill(killed, signal.SIGKILL)
    await until_ended(killed)

    async def back() -> bool:
        try:
            return await addresses(place, "db") == ["172.30.1.3"]
        except ConnectionRefusedError:
            return False

    await until(back)
    assert home.pid != killed


async def test_it_goes_on_without_the_daemon_and_is_found_again(home: Home) -> None:
    place = await served(home)
    await addresses(place, "db")
    pid = home.pid
    await home.services.pop().close()
    assert await addresses(place, "db") == ["172.30.1.3"]

    again = home.daemon()
    home.endpoints = [each for each in home.endpoints if each.container_id == "web"]
    await again.adopt("web", place, Upstream())

    async def finds(name: str) -> list[str]:
        return await addresses(place, name)

    async def forgotten() -> bool:
        return not await finds("db")

    await until(forgotten)
    home.put("new", 9)
    again.changed()
    await until(lambda: finds("new"))
    assert home.pid == pid


async def test_without_a_daemon_it_ends_with_what_it_serves(home: Home) -> None:
    place = await served(home)
    await addresses(place, "db")
    await home.services.pop().close()
    sandbox.remove(place)
    await until_ended(home.pid)
    assert not Path(f"/proc/{home.pid}/fd/0").exists()


async def test_a_namespace_that_was_made_anew_is_served_anew(home: Home) -> None:
    place = await served(home)
    await addresses(place, "db")
    names = home.services[0]
    for _ in range(5):
        await names.detach("web")
        sandbox.remove(place)
        sandbox.create(place)
        await names.attach("web", place, Upstream())
        assert await addresses(place, "db") == ["172.30.1.3"]


@pytest.mark.parametrize("trouble", ["another version", "stopped"])
async def test_a_resolver_that_is_of_no_use_is_replaced(
    home: Home, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await served(home)
    await addresses(place, "db")
    await home.services.pop().close()
    old = home.pid
    if trouble == "stopped":
        os.kill(old, signal.SIGSTOP)
        monkeypatch.setattr(process, "_PATIENCE", 1.0)
    else:
        monkeypatch.setattr(process, "VERSION", [process.VERSION[0], "0.0.1"])
        monkeypatch.setattr("havre.__version__", "0.0.1")
    again = home.daemon()
    await again.adopt("web", place, Upstream())

    async def replaced() -> bool:
        try:
            return home.pid != old and await addresses(place, "db") == ["172.30.1.3"]
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    await until(replaced)
    await until_ended(old)


async def test_many_questions(home: Home) -> None:
    """Eight clients ask 10,000 questions as fast as they are answered: none is lost, and none answered wrongly."""
    place = await served(home)
    each, at_once = 1250, 16
    expected = {
        "db": [["172.30.1.3"]],
        "web": [["172.30.1.2"]],
        "all": [["172.30.1.2", "172.30.1.3"]],
        "no.front": [[]],
    }
    words = list(expected)

    def client() -> int:
        answered, under_way, number = 0, {}, 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(10)
            asking.connect(("127.0.0.11", 53))
            while answered < each:
                while number < each and len(under_way) < at_once:
                    under_way[number] = words[number % len(words)]
                    asking.send(ask(under_way[number], number=number))
                    number += 1
                response = read(asking.recv(512))
                name = under_way.pop(response.number)
                assert sorted(response.addresses) in expected[name], (name, response)
                answered += 1
        assert not under_way
        return answered

    clients = (asyncio.to_thread(namespaces.enter, place, client) for _ in range(8))
    assert sum(await asyncio.gather(*clients)) == 8 * each
