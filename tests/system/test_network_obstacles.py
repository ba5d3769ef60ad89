"""Beside the firewalls of others, which drop what is forwarded: what ``docs/firewall.md`` says lets containers out and
published ports in, and nothing else.
"""

import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from havre.kernel.nftables import Nftables
from havre.network.model import PortRequest
from havre.network.obstacles import obstacles
from tests.conftest import REPOSITORY
from tests.system import images, netlab
from tests.system.harness import Engine, wait_until
from tests.system.netlab import HOST, OUTSIDE, Container, Lab, arrives, run
from tests.system.test_network_own import box, misses, network, reaches, six_outside

lab = netlab.lab
WEB = PortRequest(80, host_port_start=8080, host_port_end=8080)
OUTSIDE6, HOST6 = "2001:db8::9", "2001:db8::1"
PAGE = (REPOSITORY / "docs" / "firewall.md").read_text()

UFW = (
    "-N ufw-before-forward",
    "-A FORWARD -j ufw-before-forward",
    "-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-P FORWARD DROP",
)
"""What of ufw's rules is about forwarding."""

FIREWALLD = """
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        jump filter_FORWARD_ZONES
        reject with icmpx type admin-prohibited
    }
    chain filter_FORWARD_ZONES {
        iifname "wan0" goto filter_FWD_public
        goto filter_FWD_public
    }
    chain filter_FWD_public {
        reject with icmpx type admin-prohibited
    }
}
"""
"""What of firewalld's rules is about forwarding."""


def commands(first: str) -> list[list[str]]:
    """The commands of the page, those of the block whose first line begins so."""
    blocks = PAGE.split("```")[1::2]
    (block,) = [each for each in blocks if each.removeprefix("sh").strip().startswith(first)]
    return [shlex.split(line) for line in block.removeprefix("sh").strip().splitlines()]


def with_program(words: list[str], flavour: str) -> list[str]:
    """The command by the flavour of iptables that is tested."""
    return [words[0].replace("tables", f"tables-{flavour}"), *words[1:]]


@contextmanager
def listening(lab: Lab) -> Iterator[socket.socket]:
    """The machine outside listens, on both versions; the socket of IPv4."""
    four = lab.from_outside(lambda: socket.create_server((OUTSIDE, 9000)))
    with four, six_outside(lab), lab.from_outside(_server6):
        yield four


def _server6() -> socket.socket:
    return socket.create_server((OUTSIDE6, 9000), family=socket.AF_INET6)


def assert_shut(lab: Lab, one: Container, address: str, host: str) -> None:
    assert misses(one, address, 9000), "nothing gets out"
    with pytest.raises(OSError):
        lab.from_outside(lambda: socket.create_connection((host, 8080), netlab.REFUSED))


def assert_open(lab: Lab, one: Container, address: str, host: str) -> None:
    assert reaches(one, address, 9000)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with one.inside(lambda: socket.create_server(("", 80), family=family)) as server:
        assert arrives(server, lab.reach(host, 8080)).endswith(address)


@pytest.mark.parametrize("flavour", ["nft", "legacy"])
@pytest.mark.parametrize("kind", ["plain", "ufw"])
async def test_forward_drop(lab: Lab, flavour: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    for program in ("iptables", "ip6tables"):
        for rule in ("-P FORWARD DROP",) if kind == "plain" else UFW:
            run(f"{program}-{flavour}", *rule.split())
    nft = Nftables()
    with listening(lab):
        async with netlab.daemon(lab.layout(), seed="x") as daemon:
            await daemon.networks.create(network("a", ipv6=True))
            await daemon.networks.create(network("in", ipv6=True, internal=True))
            one, shut = await box(daemon, "a", ports=(WEB,)), await box(daemon, "in")
            assert [(family, chain) for family, _, chain in obstacles(nft)] == [("ip", "FORWARD"), ("ip6", "FORWARD")]
            assert "until it accepts those with the mark 0x1000" in caplog.text
            for address, host in ((OUTSIDE, HOST), (OUTSIDE6, HOST6)):
                assert_shut(lab, one, address, host)
            if kind == "plain":
                for words in commands("iptables -I FORWARD"):
                    run(*with_program(words, flavour))
            else:
                (line,) = [" ".join(words) for words in commands("-A ufw-before-forward")]
                for program in ("iptables", "ip6tables"):
                    run(f"{program}-{flavour}", *line.replace("-A", "-I").split())
            assert obstacles(nft) == []
            for address, host in ((OUTSIDE, HOST), (OUTSIDE6, HOST6)):
                assert_open(lab, one, address, host)
                assert misses(shut, address, 9000), "an internal network stays so"
            await daemon.remove(one, shut)
    nft.close()


async def test_firewalld(lab: Lab) -> None:
    """Its published ports are let in by themselves; what goes out is of the zone that the page names."""
    run("nft", FIREWALLD)
    with listening(lab):
        async with netlab.daemon(lab.layout(), seed="x") as daemon:
            await daemon.networks.create(network("a", "10.5.0.0/24", ipv6=True))
            one = await box(daemon, "a", ports=(WEB,))
            assert misses(one, OUTSIDE, 9000) and misses(one, OUTSIDE6, 9000)
            with one.listen(80) as server:
                assert arrives(server, lab.reach(HOST, 8080)) == OUTSIDE
            sources = [words[2:] for words in commands("firewall-cmd")]
            assert ["--zone=trusted", "--add-source=172.16.0.0/12"] in sources
            assert ["--zone=trusted", "--add-source=fc00::/7"] in sources
            # As firewalld does for sources of the zone trusted.
            for rule in ("ip saddr 10.5.0.0/24", "ip6 saddr fc00::/7"):
                run("nft", f"insert rule inet firewalld filter_FORWARD_ZONES {rule} accept")
            for address, host in ((OUTSIDE, HOST), (OUTSIDE6, HOST6)):
                assert_open(lab, one, address, host)
            await daemon.remove(one)


# What scripts/setup has unpacked, or one that is installed.
PROGRAMS = f"{Path(__file__).resolve().parents[2] / '.plugins'}:{os.environ['PATH']}"
NO_DOCKERD = pytest.mark.skipif(
    not shutil.which("dockerd", path=PROGRAMS),
    reason="there is no dockerd (scripts/setup --dev has one for amd64 only)",
)


@NO_DOCKERD
async def test_dockerd_first(lab: Lab, tmp_path: Path) -> None:
    """It lets the host forward, and drops what is not its own."""
    with listening(lab) as server, dockerd(tmp_path) as docker:
        async with netlab.daemon(lab.layout(), seed="x") as daemon:
            await daemon.networks.create(network("a", "10.5.0.0/24", ipv6=True))
            one = await box(daemon, "a", ports=(WEB,))
            assert_shut(lab, one, OUTSIDE, HOST)
            for words in commands("iptables -I DOCKER-USER"):
                run(*words)
            assert obstacles(Nftables()) == []
            for address, host in ((OUTSIDE, HOST), (OUTSIDE6, HOST6)):
                assert_open(lab, one, address, host)
            assert_theirs(lab, docker, server)
            await daemon.remove(one)


@NO_DOCKERD
async def test_dockerd_second(lab: Lab, tmp_path: Path) -> None:
    """The host forwards already: it leaves the policy alone."""
    with listening(lab) as server:
        async with netlab.daemon(lab.layout(), seed="x") as daemon:
            await daemon.networks.create(network("a", "10.5.0.0/24", ipv6=True))
            one = await box(daemon, "a", ports=(WEB,))
            with dockerd(tmp_path) as docker:
                for address, host in ((OUTSIDE, HOST), (OUTSIDE6, HOST6)):
                    assert_open(lab, one, address, host)
                assert_theirs(lab, docker, server)
            await daemon.remove(one)


def assert_theirs(lab: Lab, docker: Engine, server: socket.socket) -> None:
    """A container of dockerd's gets out, and is reached."""
    body = {
        "Image": "busybox",
        "ExposedPorts": {"80/tcp": {}},
        "Cmd": ["sh", "-c", f"echo theirs | nc {OUTSIDE} 9000 & while :; do nc -l -p 80 -e /bin/echo hello; done"],
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8090"}]}},
    }
    assert docker.api("POST", "/containers/create", body, name="theirs").status == 201
    assert docker.api("POST", "/containers/theirs/start").status == 204
    said = ""
    while not said:
        server.settimeout(netlab.WAIT)
        with server.accept()[0] as connection:
            connection.settimeout(netlab.WAIT)
            # Others have connected before, and said nothing.
            said = connection.recv(100).decode()
    assert said == "theirs\n"
    wait_until(lambda: says_hello(lab), "dockerd's container to be reached")
    assert docker.api("DELETE", "/containers/theirs?force=1").status == 204


def says_hello(lab: Lab) -> bool:
    try:
        with lab.reach(HOST, 8090) as client:
            return client.recv(10) == b"hello\n"
    except OSError:
        return False


@contextmanager
def dockerd(root: Path) -> Iterator[Engine]:
    """A dockerd in this thread's network namespace."""
    short = Path("/run") / f"havre-test-dockerd-{root.name[-20:]}"
    flags = ["--data-root", f"{root}/data", "--exec-root", str(short), "-p", f"{root}/pid", "-G", "root"]
    engine = Engine(root / "s")
    with (root / "log").open("wb") as log:
        command = [shutil.which("dockerd", path=PROGRAMS) or "", *flags, "-H", engine.host]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PATH": PROGRAMS})
    try:
        wait_until(engine.answers, "dockerd to answer", lambda: (root / "log").read_text()[-3000:])
        engine.load(images.busybox().archive("busybox:latest"))
        yield engine
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(short, ignore_errors=True)
