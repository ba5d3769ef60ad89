"""Requests that are too much: deep, long, many. They are fulfilled or refused, and the daemon goes on."""

import io
import json
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.system.harness import Engine, Havred, UnixConnection

CREATE = "/containers/create"


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def post(engine: Engine, path: str, body: bytes) -> tuple[int, Any]:
    """The harness sends bytes as tar: what is sent here is JSON to the letter."""
    connection = UnixConnection(engine.socket, 60)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_json_of_any_depth(havred: Havred) -> None:
    havred.api("POST", f"{CREATE}?name=here", {"Image": "busybox", "Cmd": ["sleep", "1000"]})
    for path in (CREATE, "/volumes/create", "/containers/here/update", "/containers/here/exec"):
        for depth in (5_000, 100_000, 2_000_000):
            status, answer = post(havred, path, b'{"Image": "busybox", "Unknown": ' + nested(depth) + b"}")
            assert (status, answer) == (400, {"message": "invalid JSON: exceeded max depth"})
    assert havred.answers()


@pytest.mark.parametrize("place", ["manifest.json", "config.json"])
def test_images_of_any_depth(engine: Engine, place: str) -> None:
    files = {
        "config.json": b'{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}',
        "manifest.json": b'[{"Config": "config.json", "RepoTags": ["deep:latest"], "Layers": []}]',
    }
    files[place] = files[place].rstrip(b"]}") + b', "x": ' + nested(200_000) + b"}" + b"]" * (place == "manifest.json")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    answer = engine.api("POST", "/images/load", archive.getvalue())
    assert answer.status == 400 or b"errorDetail" in answer.body, answer
    assert engine.answers()


@pytest.mark.parametrize("field", ["Volumes", "ExposedPorts", "Unknown"])
def test_what_a_go_program_would_nest_is_taken(engine: Engine, field: str) -> None:
    key = b"80/tcp" if field == "ExposedPorts" else b"/data"
    body = b'{"Image": "busybox", "%s": {"%s": {"x": %s}}}' % (field.encode(), key, nested(400))
    assert post(engine, CREATE, body)[0] == 201


def test_a_hundred_thousand_variables(engine: Engine) -> None:
    """Kept and shown whole. Started are fewer: the runtime compares each with each, which takes it half a minute."""
    env = [f"VARIABLE{number}=value {number}" for number in range(100_000)]
    body = {"Image": "busybox", "Env": env, "Cmd": ["true"]}
    answer = engine.api("POST", f"{CREATE}?name=large", body)
    assert answer.status == 201
    assert engine.inspect("large")["Config"]["Env"][: len(env)] == env
    body = {"Image": "busybox", "Env": env[:20_000], "Cmd": ["sh", "-c", "env | grep -c ^VARIABLE"]}
    engine.api("POST", f"{CREATE}?name=many", body)
    assert engine.api("POST", "/containers/many/start").status == 204
    engine.api("POST", "/containers/many/wait")
    assert b"20000\n" in engine.api("GET", "/containers/many/logs?stdout=1").body


def test_ten_thousand_of_something(engine: Engine) -> None:
    for host in (
        {"SecurityOpt": ["label=disable"] * 10_000},
        {"Sysctls": {f"net.ipv4.none{number}": "1" for number in range(10_000)}},
        {"Tmpfs": {f"/x{number}": "" for number in range(10_000)}},
        {"PortBindings": {f"{number}/tcp": [{"HostPort": ""}] for number in range(1, 10_000)}},
        {"DeviceCgroupRules": ["c 1:3 rwm"] * 10_000},
        {"Ulimits": [{"Name": "nofile", "Soft": 5, "Hard": 5}] * 10_000},
    ):
        assert engine.api("POST", CREATE, {"Image": "busybox", "Cmd": ["true"], "HostConfig": host}).status == 201


def test_more_ports_than_the_daemon_may_open_files(havred: Havred) -> None:
    files = int(next(line for line in limits_of(havred) if line.startswith("Max open files")).split()[3])
    ports = {
        f"{number}/{proto}": [{"HostPort": ""}] for number in range(1, min(files, 65_000)) for proto in ("tcp", "udp")
    }
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"PortBindings": ports}}
    assert havred.api("POST", f"{CREATE}?name=open", body).status == 201
    answer = havred.api("POST", "/containers/open/start")
    assert (answer.status, "too many ports to publish" in answer.json()["message"]) == (400, True), answer


def limits_of(havred: Havred) -> list[str]:
    assert havred.process is not None
    return Path(f"/proc/{havred.process.pid}/limits").read_text().splitlines()


def test_a_port_asked_for_twice_is_published_once(engine: Engine) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    bindings = {"80/tcp": [{"HostPort": port}, {"HostPort": port}]}
    body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"PortBindings": bindings}}
    engine.api("POST", f"{CREATE}?name=twice", body)
    assert engine.api("POST", "/containers/twice/start").status == 204
    published = engine.inspect("twice")["NetworkSettings"]["Ports"]["80/tcp"]
    assert len(published) == len({(one["HostIp"], one["HostPort"]) for one in published}) > 0


def test_numbers_that_are_none(engine: Engine) -> None:
    for number in (b"9" * 100_000, b"1e400", b"1.5", b"-" + b"9" * 30, b'"1"'):
        status, answer = post(engine, CREATE, b'{"Image": "busybox", "HostConfig": {"Memory": ' + number + b"}}")
        assert status == 400 and answer["message"].startswith("invalid "), answer
