"""Published ports and the default bridge through both clients: from where they are reached, and from where not."""

import socket
import subprocess
import sys

import pytest

from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

SERVER = ("busybox", "nc", "-ll", "-p", "80", "-e", "/bin/echo", "hello")


def ask(host: str, port: int) -> str:
    """What a server says to a new TCP connection."""
    with socket.create_connection((host, port), timeout=5) as connection:
        return connection.makefile().read().strip()


def says_hello(host: str, port: int) -> bool:
    try:
        return ask(host, port) == "hello"
    except OSError:
        return False


def published(engine: Engine, container: str, port: str = "80/tcp") -> list[tuple[str, int]]:
    bindings = engine.inspect(container)["NetworkSettings"]["Ports"][port]
    return [(binding["HostIp"], int(binding["HostPort"])) for binding in bindings]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(cli: Program, *flags: str, name: str = "server") -> None:
    cli("run", "-d", "--name", name, *flags, *SERVER)


def test_from_the_loopback_interface(cli: Program, engine: Engine) -> None:
    serve(cli, "-p", "127.0.0.1::80")
    ((address, port),) = published(engine, "server")
    assert address == "127.0.0.1" and port >= 1024
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer")


def test_all_addresses(cli: Program, engine: Engine) -> None:
    port = free_port()
    serve(cli, "-p", f"{port}:80")
    assert ("0.0.0.0", port) in published(engine, "server")
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer on 127.0.0.1")
    gateway = engine.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    assert says_hello(gateway, port), "the bridge's own address is an address of the host"


def test_container_address(cli: Program, engine: Engine) -> None:
    serve(cli)
    address = engine.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    wait_until(lambda: says_hello(address, 80), "the server to answer the host")
    assert cli("run", "--rm", "busybox", "nc", "-w", "5", address, "80").out == "hello\n"


def test_from_other_containers_and_from_itself(cli: Program, engine: Engine) -> None:
    port = free_port()
    serve(cli, "-p", f"{port}:80")
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer")
    gateway = engine.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    assert cli("run", "--rm", "busybox", "nc", "-w", "5", gateway, str(port)).out == "hello\n"
    assert cli("exec", "server", "nc", "-w", "5", gateway, str(port)).out == "hello\n"


def test_published_on_loopback_is_only_for_the_host(cli: Program, engine: Engine) -> None:
    serve(cli, "-p", "127.0.0.1::80")
    ((_, port),) = published(engine, "server")
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer")
    gateway = engine.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    assert not says_hello(gateway, port)
    assert cli("run", "--rm", "busybox", "nc", "-w", "2", gateway, str(port), code=None).out == ""


def test_the_hosts_loopback_is_out_of_reach(cli: Program, engine: Engine, havred: Havred) -> None:
    """route_localnet must not let a container talk to what listens on the host's 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        serve(cli, "-p", "127.0.0.1::80")
        gateway = havred.gateway
        script = (
            f"ip route add 127.0.0.9/32 via {gateway} 2>/dev/null; nc -w 2 127.0.0.9 {port} </dev/null && echo reached"
        )
        assert "reached" not in cli("run", "--rm", "--privileged", "busybox", "sh", "-c", script, code=None).out
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
while True:
    data, sender = server.recvfrom(100)
    server.sendto(data, sender)
"""


def test_udp(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "server", "-p", "127.0.0.1::53/udp", "busybox", "sleep", "1000")
    ((_, port),) = published(engine, "server", "53/udp")
    # The image has no UDP server, so one of the host's runs in the container's network namespace.
    enter = ["nsenter", "-t", str(engine.inspect("server")["State"]["Pid"]), "-n"]
    server = subprocess.Popen([*enter, sys.executable, "-c", ECHO])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)

        def echoed() -> bool:
            try:
                client.sendto(b"ping", ("127.0.0.1", port))
                return client.recv(100) == b"ping"
            except OSError:
                return False

        try:
            wait_until(echoed, "an echo")
        finally:
            server.kill()
            server.wait()


def test_range(cli: Program, engine: Engine) -> None:
    first = free_port() // 10 * 10
    serve(cli, "-p", f"127.0.0.1:{first}-{first + 2}:80-82")
    ports = engine.inspect("server")["NetworkSettings"]["Ports"]
    assert [int(ports[f"{port}/tcp"][0]["HostPort"]) for port in (80, 81, 82)] == [first, first + 1, first + 2]
    wait_until(lambda: says_hello("127.0.0.1", first), "the server to answer")


def test_publish_all(cli: Program, engine: Engine) -> None:
    serve(cli, "-P", "--expose", "80", "--expose", "81/udp")
    assert set(engine.inspect("server")["NetworkSettings"]["Ports"]) == {"80/tcp", "81/udp"}
    port = published(engine, "server")[0][1]
    assert port >= 32768
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer")


def test_published_on_a_routed_network(cli: Program, engine: Engine) -> None:
    """No port of the host is taken: the container's is open at its own address."""
    cli("network", "create", "-o", "com.docker.network.bridge.gateway_mode_ipv4=routed", "routed")
    serve(cli, "--network", "routed", "-p", f"127.0.0.1:{free_port()}:80")
    assert engine.inspect("server")["NetworkSettings"]["Ports"] == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": ""}]}
    assert cli("port", "server").out == "80/tcp -> 0.0.0.0:\n"
    assert cli("ps", "--format", "{{.Ports}}").out == "0.0.0.0:0->80/tcp\n"
    address = engine.inspect("server")["NetworkSettings"]["Networks"]["routed"]["IPAddress"]
    wait_until(lambda: says_hello(address, 80), "the server to answer")


def test_port_of_another_container(cli: Program, engine: Engine) -> None:
    port = free_port()
    serve(cli, "-p", f"{port}:80", name="one")
    done = cli("run", "--name", "two", "-p", f"{port}:80", "busybox", "true", code=125)
    assert "driver failed programming external connectivity on endpoint two (" in done.err
    assert f"Bind for 0.0.0.0:{port} failed: port is already allocated" in done.err
    assert engine.inspect("two")["State"]["Status"] == "created"
    cli("rm", "-f", "one")
    cli("start", "-a", "two")


def test_port_of_a_process(cli: Program) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        done = cli("run", "-p", f"{port}:80", "busybox", "true", code=125)
    assert "address already in use" in done.err


def test_port_is_free_after_the_container(cli: Program) -> None:
    port = free_port()
    for _ in range(3):
        serve(cli, "-p", f"{port}:80")
        wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer")
        cli("rm", "-f", "server")
        assert not says_hello("127.0.0.1", port)


def test_stopped_container_has_no_ports(cli: Program, engine: Engine) -> None:
    serve(cli, "-p", "127.0.0.1::80")
    cli("kill", "server")
    wait_until(lambda: not engine.inspect("server")["State"]["Running"], "the container to die")
    assert engine.inspect("server")["NetworkSettings"]["Ports"] in ({}, {"80/tcp": None})
    assert engine.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == ""


def test_etc_files(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "named", "-h", "the-host", "--add-host", "gw:host-gateway", "busybox", "sleep", "1000")
    settings = engine.inspect("named")["NetworkSettings"]["Networks"]["bridge"]
    hosts = cli("exec", "named", "cat", "/etc/hosts").out
    assert hosts.startswith("127.0.0.1\tlocalhost\n")
    assert f"{settings['Gateway']}\tgw\n" in hosts
    assert f"{settings['IPAddress']}\tthe-host\n" in hosts
    assert "nameserver" in cli("exec", "named", "cat", "/etc/resolv.conf").out
    assert (
        cli("exec", "named", "sh", "-c", "echo 10.0.0.9 other >> /etc/hosts && grep -c other /etc/hosts").out == "1\n"
    )


def test_addresses_and_mac(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "wired", "busybox", "sleep", "1000")
    settings = engine.inspect("wired")["NetworkSettings"]["Networks"]["bridge"]
    shown = cli("exec", "wired", "ip", "addr", "show", "eth0").out
    assert f"inet {settings['IPAddress']}/{settings['IPPrefixLen']} " in shown
    assert f"link/ether {settings['MacAddress']} " in shown
    assert f"default via {settings['Gateway']} dev eth0" in cli("exec", "wired", "ip", "route").out


def test_host_network(cli: Program) -> None:
    port = free_port()
    server = ("nc", "-ll", "-p", str(port), "-e", "/bin/echo", "hello")
    cli("run", "-d", "--network", "host", "busybox", *server)
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer")
    assert cli("run", "--rm", "--network", "host", "busybox", "hostname").out.strip() == socket.gethostname()


def test_the_hosts_other_tables_are_left_alone(cli: Program, havred: Havred) -> None:
    def others() -> list[str]:
        listing = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
        return [line for line in listing.splitlines() if "havre" not in line]

    table = f"havre_test_foreign_{havred.subnet.number}"
    subprocess.run(["nft", "add", "table", "inet", table], check=True)
    try:
        listed = ["nft", "list", "table", "inet", table]
        before = subprocess.run(listed, check=True, capture_output=True).stdout
        serve(cli, "-p", "127.0.0.1::80")
        cli("rm", "-f", "server")
        assert subprocess.run(listed, check=True, capture_output=True).stdout == before
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


def test_a_network_that_is_not_there_is_no_missing_image(cli: Program, engine: Engine) -> None:
    done = cli("run", "--name", "lost", "--network", "nowhere", "busybox", "true", code=125)
    assert "network nowhere not found" in done.err and "Unable to find image" not in done.err
    assert engine.inspect("lost")["State"]["Status"] == "created"
