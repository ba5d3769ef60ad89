"""``docker stats`` and what is below it: right numbers of containers that use what we know."""

import json
import re
import threading
from collections.abc import Generator
from typing import Any

import pytest

from tests.system.harness import Engine, UnixConnection, wait_until
from tests.system.programs import Program

NEVER = "0001-01-01T00:00:00Z"
MB = 1 << 20


def numbers(engine: Engine, name: str, query: str = "stream=0") -> dict[str, Any]:
    answer = engine.api("GET", f"/containers/{name}/stats?{query}")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


def sizes(text: str) -> list[float]:
    """Bytes of both halves of "1.5MiB / 2GB"."""
    units = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024, "MiB": MB, "GiB": 1 << 30}
    return [float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)([A-Za-z]+)", text)]


def stream(engine: Engine, name: str) -> Generator[dict[str, Any]]:
    connection = UnixConnection(engine.socket, 30)
    try:
        connection.request("GET", f"/containers/{name}/stats")
        for line in connection.getresponse():
            yield json.loads(line)
    finally:
        connection.close()


def test_known_use(docker: Program, havre: Program, engine: Engine) -> None:
    """40 MiB of memory held, 2.4 MB sent and received, a fifth of a processor burned, two processes of at most 20."""
    work = "head -c 40m /dev/zero > /dev/shm/held; ping -c 40 -s 60000 -i 0.01 $1; sleep 1000 & while :; do :; done"
    flags = ("--memory", "100m", "--cpus", "0.2", "--pids-limit", "20", "--shm-size", "64m")
    docker("run", "-d", "--name", "busy", *flags, "busybox", "sh", "-c", work, "sh", _gateway(engine))
    docker("create", "--name", "idle", "busybox", "true")

    def sent() -> int:
        document = numbers(engine, "busy", "stream=0&one-shot=1")
        return int(document["networks"]["eth0"]["tx_bytes"])

    wait_until(lambda: sent() >= 2.4e6, "pings to be sent", lambda: str(sent()))
    for program in (docker, havre):
        _check_table(program, engine)
    document = numbers(engine, "busy")
    assert document["pids_stats"] == {"current": 2, "limit": 20}
    assert document["cpu_stats"]["throttling_data"]["throttled_periods"] > 0
    assert list(document["networks"]) == ["eth0"]


def _check_table(program: Program, engine: Engine) -> None:
    def rows() -> list[dict[str, str]]:
        return program("stats", "--no-stream").table()

    wait_until(lambda: 10 < float(rows()[0]["CPU %"].rstrip("%")) < 30, "a fifth of a processor", lambda: str(rows()))
    [found] = rows()
    used, limit = sizes(found["MEM USAGE / LIMIT"])
    assert limit == 100 * MB and 40 * MB <= used < 50 * MB
    assert 40 <= float(found["MEM %"].rstrip("%")) < 50
    received, sent = sizes(found["NET I/O"])
    assert 2.4e6 <= received < 2.6e6 and 2.4e6 <= sent < 2.6e6
    assert found["NAME"] == "busy" and found["CONTAINER ID"] == engine.inspect("busy")["Id"][:12]
    assert found["PIDS"] == "2"
    template = "{{.Name}} {{.Container}} {{.BlockIO}} {{.PIDs}} {{.MemUsage}}"
    every = program("stats", "--no-stream", "--all", "--format", template).lines
    assert len(every) == 2 and f"idle {engine.inspect('idle')['Id'][:12]} 0B / 0B 0 0B / 0B" in every


def _gateway(engine: Engine) -> str:
    found = engine.api("GET", "/networks/bridge").json()["IPAM"]["Config"][0]
    gateway: str = found["Gateway"]
    return gateway


def test_whose_network(docker: Program, engine: Engine) -> None:
    for mode in ("bridge", "host", "none"):
        docker("run", "-d", "--name", mode, "--network", mode, "busybox", "sleep", "1000")
    found = {mode: numbers(engine, mode, "stream=0&one-shot=1").get("networks") for mode in ("bridge", "host", "none")}
    assert list(found["bridge"] or ()) == ["eth0"] and found["host"] is found["none"] is None


def test_old_versions_do_not_know_one_shot(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "web", "busybox", "sleep", "1000")
    old = engine.api("GET", "/v1.40/containers/web/stats?stream=0&one-shot=1").json()
    new = engine.api("GET", "/v1.41/containers/web/stats?stream=0&one-shot=1").json()
    assert old["preread"] != NEVER == new["preread"]
    assert "system_cpu_usage" in old["precpu_stats"] and "system_cpu_usage" not in new["precpu_stats"]
    both = engine.api("GET", "/containers/web/stats?one-shot=1")
    assert (both.status, both.json()["message"]) == (400, "cannot have stream=true and one-shot=true")
    assert engine.api("GET", "/containers/nope/stats?one-shot=1").status == 404


def test_a_stream_from_start_to_removal(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "short", "busybox", "sleep", "1000")
    documents = stream(engine, "short")
    first, second = next(documents), next(documents)
    assert first["preread"] == NEVER and second["preread"] == first["read"] != NEVER
    docker("kill", "short")
    while (ended := next(documents))["read"] != NEVER:
        pass
    assert (ended["memory_stats"], ended["pids_stats"], ended["name"]) == ({}, {}, "/short")
    docker("start", "short")
    while next(documents)["read"] == NEVER:
        pass
    docker("rm", "-f", "short")
    assert all(document["name"] == "/short" for document in documents), "the stream ends"


def test_a_live_table(cli: Program, docker: Program) -> None:
    with cli.terminal("stats") as terminal:
        terminal.expect("CONTAINER ID")
        docker("run", "-d", "--name", "latecomer", "busybox", "sleep", "1000")
        terminal.expect("latecomer")
        terminal.send("\x03")


def test_paused_and_missing(cli: Program, docker: Program) -> None:
    docker("run", "-d", "--name", "frozen", "busybox", "sleep", "1000")
    docker("pause", "frozen")
    [row] = cli("stats", "--no-stream", "frozen").table()
    assert (row["PIDS"], row["CPU %"]) == ("1", "0.00%")
    done = cli("stats", "--no-stream", "nope", code=1)
    assert done.err == "Error response from daemon: No such container: nope\n"


@pytest.mark.slow
def test_streams_while_containers_come_and_go(engine: Engine) -> None:
    """No answer but 200 and 404, whenever a container goes."""
    statuses: set[int] = set()
    over = threading.Event()

    def listen(query: str) -> None:
        while not over.is_set():
            for one in engine.containers():
                statuses.add(engine.api("GET", f"/containers/{one['Id']}/stats?{query}").status)

    queries = ("stream=0&one-shot=1", "stream=0", "stream=1")
    listeners = [threading.Thread(target=listen, args=(query,)) for query in queries * 2]
    for listener in listeners:
        listener.start()
    for number in range(25):
        body = {"Image": "busybox", "Cmd": ["sleep", f"0.{number % 5}"], "HostConfig": {"AutoRemove": number % 2 == 0}}
        made = engine.api("POST", "/containers/create", body).json()["Id"]
        assert engine.api("POST", f"/containers/{made}/start").status == 204
        if number % 2:
            assert engine.api("DELETE", f"/containers/{made}?force=1").status == 204
    wait_until(lambda: not engine.containers(), "all to be gone")
    over.set()
    for listener in listeners:
        listener.join(30)
        assert not listener.is_alive()
    assert statuses <= {200, 404}


def test_nobody_looks_when_nobody_listens(docker: Program, engine: Engine) -> None:
    docker("run", "-d", "--name", "web", "busybox", "sleep", "1000")
    before = engine.api("GET", "/info").json()["NGoroutines"]
    streams = [stream(engine, "web") for _ in range(2)]
    for one in streams:
        next(one)
    wait_until(lambda: engine.api("GET", "/info").json()["NGoroutines"] > before, "the tasks to run")
    for one in streams:
        one.close()
    wait_until(lambda: engine.api("GET", "/info").json()["NGoroutines"] <= before, "the tasks to end")
