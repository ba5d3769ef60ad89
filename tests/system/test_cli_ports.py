"""Every form of ``-p`` through both clients, and what is said of ports that are taken. It passes against dockerd."""

import re
import socket

import pytest

from tests.system.harness import Engine, Havred
from tests.system.programs import Program
from tests.system.test_cli_network import free_port

Places = dict[str, set[tuple[str, str]]]


def run(cli: Program, *flags: str, name: str = "box", code: int = 0) -> str:
    return cli("run", "-d", "--name", name, *flags, "busybox", "sleep", "1000", code=code).err


def places(engine: Engine, name: str = "box") -> Places:
    """Where the ports of a container are published; of IPv6, which a container without it has with dockerd, nothing."""
    ports = engine.inspect(name)["NetworkSettings"]["Ports"]
    return {
        port: {(one["HostIp"], one["HostPort"]) for one in bound if ":" not in one["HostIp"]}
        for port, bound in ports.items()
        if bound
    }


def free_run(count: int) -> int:
    """The first of that many ports in a row that nobody has."""
    for first in range(free_port() // 2, 65000, count):
        held = []
        try:
            for port in range(first, first + count):
                held.append(socket.create_server(("0.0.0.0", port)))
        except OSError:
            continue
        finally:
            for each in held:
                each.close()
        if len(held) == count:
            return first
    raise AssertionError("no ports are free")


def test_forms(cli: Program, engine: Engine) -> None:
    first = free_run(12)
    at = [str(first + number) for number in range(12)]
    flags = (
        f"{at[0]}:80",
        f"127.0.0.1:{at[1]}:81",
        f"{at[2]}:82/udp",
        f"{at[2]}:82/tcp",
        f"{at[3]}-{at[5]}:90-92",
        f"127.0.0.2:{at[6]}-{at[8]}:93/udp",
        f"{at[9]}:95",
        f"{at[10]}:95",
    )
    run(cli, *(word for flag in flags for word in ("-p", flag)))
    assert places(engine) == {
        "80/tcp": {("0.0.0.0", at[0])},
        "81/tcp": {("127.0.0.1", at[1])},
        "82/udp": {("0.0.0.0", at[2])},
        "82/tcp": {("0.0.0.0", at[2])},
        "90/tcp": {("0.0.0.0", at[3])},
        "91/tcp": {("0.0.0.0", at[4])},
        "92/tcp": {("0.0.0.0", at[5])},
        "93/udp": {("127.0.0.2", at[6])},
        "95/tcp": {("0.0.0.0", at[9]), ("0.0.0.0", at[10])},
    }


def test_ports_that_the_daemon_chooses(cli: Program, engine: Engine) -> None:
    run(cli, "-p", "80", "-p", "127.0.0.1::81", "-p", "127.0.0.1:0:82", "-p", "83/udp", "-p", "84-85")
    found = places(engine)
    chosen = {port: [(address, int(number)) for address, number in bound] for port, bound in found.items()}
    addresses = {port: address for port, ((address, _),) in chosen.items()}
    assert addresses == {
        "80/tcp": "0.0.0.0",
        "81/tcp": "127.0.0.1",
        "82/tcp": "127.0.0.1",
        "83/udp": "0.0.0.0",
        "84/tcp": "0.0.0.0",
        "85/tcp": "0.0.0.0",
    }
    assert all(number >= 32768 for ((_, number),) in chosen.values())


def test_every_exposed_port(cli: Program, engine: Engine) -> None:
    port = free_port()
    run(cli, "-P", "--expose", "80", "--expose", "81/udp", "--expose", "90-91", "-p", f"127.0.0.1:{port}:80")
    found = places(engine)
    assert found.pop("80/tcp") == {("127.0.0.1", str(port))}, "what is said of a port counts"
    assert set(found) == {"81/udp", "90/tcp", "91/tcp"}


def test_a_range_that_is_used_up(cli: Program, engine: Engine) -> None:
    first = free_run(2)
    for name, number in (("one", first), ("two", first + 1)):
        run(cli, "-p", f"{first}-{first + 1}:80", name=name)
        assert places(engine, name) == {"80/tcp": {("0.0.0.0", str(number))}}
    said = run(cli, "-p", f"{first}-{first + 1}:80", name="three", code=125)
    assert "driver failed programming external connectivity on endpoint three (" in said
    assert "): all ports are allocated\n" in said


def test_one_address_beside_another(cli: Program, engine: Engine) -> None:
    port = free_port()
    run(cli, "-p", f"127.0.0.1:{port}:80", name="one")
    run(cli, "-p", f"127.0.0.2:{port}:80", "-p", f"127.0.0.1:{port}:80/udp", name="two")
    said = run(cli, "-p", f"{port}:80", name="three", code=125)
    # Either of those that are in the way.
    assert re.search(rf"\): Bind for 127\.0\.0\.[12]:{port} failed: port is already allocated\n", said)
    said = run(cli, "-p", f"127.0.0.1:{port}:80", name="four", code=125)
    assert f"Bind for 127.0.0.1:{port} failed: port is already allocated" in said


def test_what_a_program_has(cli: Program, engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = run(cli, "-p", f"127.0.0.1:{port}:80", code=125)
    assert re.search(rf"failed to bind host port for 127\.0\.0\.1:{port}:[0-9.]+:80/tcp: address already in use", said)


def test_an_address_that_the_host_has_not(cli: Program, engine: Engine) -> None:
    said = run(cli, "-p", "192.0.2.77:8080:80", code=125)
    assert "failed to bind host port for 192.0.2.77:8080:" in said
    assert said.rstrip().split("\n")[0].endswith(":80/tcp: cannot assign requested address")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("70000:80", "invalid hostPort: 70000"),
        ("80/icmp", "invalid proto: icmp"),
        ("8000-8002:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000-8002"),
        ("localhost:80:80", "invalid IP address: localhost"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
    ],
)
def test_what_is_no_port(cli: Program, engine: Engine, spec: str, said: str) -> None:
    assert said in run(cli, "-p", spec, code=125)


def test_what_the_kernel_cannot_lead_back(cli: Program, havred: Havred) -> None:
    port = free_port()
    said = run(cli, "-p", f"[::1]:{port}:80", code=125)
    assert "cannot publish 80/tcp on ::1: the container has no IPv6 address" in said


def test_sctp(cli: Program, engine: Engine, havred: Havred) -> None:
    port = free_port()
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        assert "this host's kernel has no sctp sockets" in run(cli, "-p", f"{port}:80/sctp", code=125)
    else:
        run(cli, "-p", f"{port}:80/sctp")
        assert places(engine) == {"80/sctp": {("0.0.0.0", str(port))}}
