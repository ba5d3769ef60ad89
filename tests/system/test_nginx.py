"""A real server: nginx from Debian's package, published, logged, and untouched by the daemon's restarts."""

import http.client
import re
from collections.abc import Callable

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.harness import Havred, wait_until


def get(port: int, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def serves(port: int) -> bool:
    try:
        return get(port) == (200, "<h1>Welcome to nginx!</h1>\n")
    except OSError:
        return False


@pytest.mark.parametrize("end", [Havred.stop, Havred.kill], ids=["stopped", "killed"])
def test_nginx(new_havred: NewDaemon, tmp_path_factory: pytest.TempPathFactory, end: Callable[[Havred], None]) -> None:
    daemon = new_havred()
    daemon.start()
    daemon.load(images.nginx().archive("nginx:latest"))
    docker = docker_for(daemon, tmp_path_factory.mktemp("home"))
    docker("run", "-d", "--name", "web", "-p", "0:80", "nginx")
    port = int(docker("port", "web", "80").lines[0].rpartition(":")[2])
    wait_until(lambda: serves(port), "nginx to serve", daemon.tail)
    assert get(port, "/missing")[0] == 404

    def logged(path: str) -> bool:
        return re.search(rf'"GET {path} HTTP/1.1" \d+ ', docker("logs", "web").out) is not None

    wait_until(lambda: logged("/missing"), "the request to be logged")
    before = daemon.inspect("web")["State"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/held-open", headers={"Connection": "keep-alive"})
    connection.getresponse().read()

    end(daemon)
    assert serves(port), "it serves while there is no daemon"
    assert get(port, "/meanwhile")[0] == 404
    daemon.start()

    # The connection from before is still the same one, through the same rules.
    connection.request("GET", "/after")
    assert connection.getresponse().read()
    connection.close()
    after = daemon.inspect("web")["State"]
    assert (after["Pid"], after["StartedAt"]) == (before["Pid"], before["StartedAt"])
    assert serves(port)
    wait_until(lambda: logged("/meanwhile") and logged("/after"), "both requests to be logged")
    docker("stop", "web")
    assert daemon.inspect("web")["State"]["ExitCode"] == 0, "SIGQUIT lets nginx end by itself"
    assert not serves(port)
