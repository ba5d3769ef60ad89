"""havred itself: its flags, its socket, its refusals, several of it on one host."""

import grp
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon
from tests.system.harness import BIN, Engine, Havred, wait_until
from tests.system.residue import tables

BUSYBOX = {"Image": "busybox", "Cmd": ["sleep", "100000"]}


def refusal(*flags: str) -> str:
    """What havred says when it will not start with these flags."""
    done = subprocess.run([BIN / "havred", *flags], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_socket_mode_and_group(new_havred: NewDaemon) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    daemon = new_havred("--group", group)
    daemon.start()
    status = daemon.socket.stat()
    assert oct(status.st_mode & 0o777) == "0o660"
    assert status.st_gid == os.getgid()


def test_pid_file(new_havred: NewDaemon) -> None:
    daemon = new_havred()
    daemon.start()
    assert daemon.process is not None
    assert int((daemon.exec_root / "pid").read_text()) == daemon.process.pid
    daemon.stop()
    assert not (daemon.exec_root / "pid").exists()
    assert not daemon.socket.exists()


def test_second_daemon_on_the_same_data_root(fresh_havred: Havred) -> None:
    said = refusal(
        "-H", f"unix://{fresh_havred.exec_root}/other", "--data-root", str(fresh_havred.data_root),
        "--exec-root", f"{fresh_havred.exec_root}/x", "-p", f"{fresh_havred.exec_root}/x.pid", "--bridge", "htbx",
    )  # fmt: skip
    assert str(fresh_havred.data_root) in said
    assert fresh_havred.answers()


def test_tcp_without_tls_only_on_loopback(new_havred: NewDaemon, tmp_path: Path) -> None:
    roots = ["--data-root", str(tmp_path / "d"), "--exec-root", str(tmp_path / "x"), "-p", str(tmp_path / "pid")]
    assert "0.0.0.0" in refusal("-H", "tcp://0.0.0.0:2375", *roots)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = new_havred("-H", f"tcp://127.0.0.1:{port}")
    daemon.start()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.makefile().read().endswith("OK")


def test_config_file(new_havred: NewDaemon, tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"labels": ["place=test"], "debug": True}))
    daemon = new_havred("--config-file", str(config))
    daemon.start()
    info = daemon.api("GET", "/info").json()
    assert info["Labels"] == ["place=test"] and info["Debug"] is True


def test_flag_and_key_that_disagree(tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"data-root": "/elsewhere", "log-level": "info"}))
    said = refusal("--config-file", str(config), "--data-root", str(tmp_path / "d"))
    assert "data-root" in said and "/elsewhere" in said and str(tmp_path / "d") in said


def test_unknown_key_is_named(tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"no-such-key": 1}))
    assert "no-such-key" in refusal("--config-file", str(config))


def test_two_daemons_side_by_side(new_havred: NewDaemon) -> None:
    daemons = [new_havred(), new_havred()]
    for daemon in daemons:
        daemon.start()
        daemon.load(images.busybox().archive("busybox:latest"))
        assert daemon.api("POST", "/containers/create", BUSYBOX, name="same").status == 201
        assert daemon.api("POST", "/containers/same/start").status == 204
    first, second = daemons
    addresses = {one.inspect("same")["NetworkSettings"]["Networks"]["bridge"]["Gateway"] for one in daemons}
    assert addresses == {first.gateway, second.gateway}
    first.clean()
    first.stop()
    assert second.inspect("same")["State"]["Running"]
    assert second.bridge in " ".join(tables())
    assert first.bridge not in " ".join(tables())


def test_without_firewall(new_havred: NewDaemon) -> None:
    daemon = new_havred("--iptables=false")
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    assert daemon.api("POST", "/containers/create", BUSYBOX, name="plain").status == 201
    assert daemon.api("POST", "/containers/plain/start").status == 204
    assert daemon.bridge not in " ".join(tables())
    daemon.clean()
    published = {**BUSYBOX, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": ""}]}}}
    daemon.api("POST", "/containers/create", published, name="published")
    assert daemon.api("POST", "/containers/published/start").status >= 400


@pytest.mark.parametrize("signal", ["stop", "kill"])
def test_containers_live_on(fresh_havred: Havred, signal: str) -> None:
    fresh_havred.api("POST", "/containers/create", BUSYBOX, name="lives")
    fresh_havred.api("POST", "/containers/lives/start")
    before = fresh_havred.inspect("lives")
    getattr(fresh_havred, signal)()
    assert Path(f"/proc/{before['State']['Pid']}").exists()
    fresh_havred.start()
    after = fresh_havred.inspect("lives")
    assert after["State"] == before["State"]
    assert after["NetworkSettings"] == before["NetworkSettings"]


def test_restart_policies_at_start(fresh_havred: Havred) -> None:
    for name, policy in (("always", "always"), ("unless", "unless-stopped"), ("never", "no")):
        body = {**BUSYBOX, "HostConfig": {"RestartPolicy": {"Name": policy}}}
        assert fresh_havred.api("POST", "/containers/create", body, name=name).status == 201
        assert fresh_havred.api("POST", f"/containers/{name}/start").status == 204
    assert fresh_havred.api("POST", "/containers/unless/stop?t=0").status == 204
    pids = [fresh_havred.inspect(name)["State"]["Pid"] for name in ("always", "never")]
    fresh_havred.kill()
    for pid in pids:
        os.kill(pid, 9)
    fresh_havred.start()
    wait_until(lambda: fresh_havred.inspect("always")["State"]["Running"], "the container to be started again")
    assert fresh_havred.inspect("never")["State"]["Status"] == "exited"
    assert fresh_havred.inspect("unless")["State"]["Status"] == "exited"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("v1.23", "client version 1.23 is too old. Minimum supported API version is 1.24"),
        ("v1.99", "client version 1.99 is too new. Maximum supported API version is 1.55"),
    ],
)
def test_versions_out_of_range(engine: Engine, version: str, message: str) -> None:
    answer = engine.api("GET", f"/{version}/info")
    assert answer.status == 400
    assert message in answer.body.decode()


def test_ping(engine: Engine) -> None:
    for method in ("GET", "HEAD"):
        answer = engine.api(method, "/_ping")
        assert (answer.status, answer.body) == (200, b"OK" if method == "GET" else b"")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers["api-version"] == "1.55"
        assert headers["ostype"] == "linux"
        assert headers["cache-control"] == "no-cache, no-store, must-revalidate"


def test_unknown_page(engine: Engine) -> None:
    answer = engine.api("GET", "/no/such/page")
    assert (answer.status, answer.json()) == (404, {"message": "page not found"})
