"""havre's own verbs for published ports: they come and go while a container runs, and tell why they are reached."""

from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program
from tests.system.test_cli_network import free_port, published, says_hello, serve


def test_ports_come_and_go(havre: Program, engine: Engine, havred: Havred) -> None:
    serve(havre)
    port = free_port()
    assert havre("port", "add", "server", f"127.0.0.1:{port}:80").out == f"80/tcp -> 127.0.0.1:{port}\n"
    assert published(engine, "server") == [("127.0.0.1", port)]
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer")
    told = havre("network", "why", str(port)).out
    assert "server" in told and "this host alone" in told and "map published_on" in told
    # The next start does as it was left.
    havre("restart", "-t", "0", "server")
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer after its restart")
    assert havre("port", "rm", "server", "80").out == ""
    assert not says_hello("127.0.0.1", port) and havre("port", "server").out == ""
    assert "no running container publishes" in havre("network", "why", str(port), code=1).err
    havre("restart", "-t", "0", "server")
    assert havre("port", "server").out == ""


def test_what_is_taken_is_refused(havre: Program, engine: Engine, havred: Havred) -> None:
    port = free_port()
    serve(havre, "-p", f"127.0.0.1:{port}:80")
    serve(havre, name="other")
    assert "port is already allocated" in havre("port", "add", "other", f"127.0.0.1:{port}:80", code=1).err
    assert havre("port", "other").out == ""
    assert "is not published" in havre("port", "rm", "other", "80", code=1).err


def test_why_of_a_routed_port(havre: Program, engine: Engine) -> None:
    havre("network", "create", "-o", "com.docker.network.bridge.gateway_mode_ipv4=routed", "routed")
    serve(havre, "--network", "routed", "-p", "80")
    told = havre("network", "why", "80").out
    assert "0.0.0.0:/tcp" in told and "set direct" in told and "a route to the container's own address" in told
