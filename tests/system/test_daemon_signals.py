"""What havred does when it is signalled, and what it tells systemd."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.system.conftest import NewDaemon
from tests.system.harness import BIN, Havred, wait_until


def send(daemon: Havred, number: signal.Signals) -> None:
    assert daemon.process is not None
    daemon.process.send_signal(number)


def test_reload(new_havred: NewDaemon, tmp_path: Path) -> None:
    """SIGHUP takes labels, registries and the log level from the file, and nothing from a file that is wrong."""
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps({"labels": ["a=b"]}))
    daemon = new_havred("--config-file", str(file))
    daemon.start()

    def info() -> tuple[list[str], bool]:
        document = daemon.api("GET", "/info").json()
        return document["Labels"], document["Debug"]

    assert info() == (["a=b"], False)
    file.write_text(json.dumps({"labels": ["c=d"], "debug": True}))
    send(daemon, signal.SIGHUP)
    wait_until(lambda: info() == (["c=d"], True), "the new labels", daemon.tail)
    now = str(int(time.time()) + 1)
    events = daemon.api("GET", "/events", since="1", until=now, filters={"type": ["daemon"]}).body
    assert json.loads(events)["Action"] == "reload"

    def mirrors() -> list[str]:
        named = daemon.api("GET", "/info").json()["RegistryConfig"]["IndexConfigs"]
        return [*named["docker.io"]["Mirrors"], *named.get("quay.test", {"Mirrors": []})["Mirrors"]]

    registries = {"quay.test": {"mirrors": ["http://127.0.0.1:2"]}}
    file.write_text(
        json.dumps(
            {"labels": ["c=d"], "debug": True, "registries": registries, "registry-mirrors": ["http://127.0.0.1:1"]}
        )
    )
    send(daemon, signal.SIGHUP)
    wait_until(lambda: mirrors() == ["http://127.0.0.1:1/", "http://127.0.0.1:2/"], "the new mirrors", daemon.tail)
    file.write_text("{nonsense")
    send(daemon, signal.SIGHUP)
    wait_until(lambda: "the configuration stays as it was" in daemon.tail(), "the complaint", daemon.tail)
    assert info() == (["c=d"], True)


def test_where_tasks_wait(new_havred: NewDaemon) -> None:
    daemon = new_havred()
    daemon.start()
    send(daemon, signal.SIGUSR1)
    wait_until(lambda: "waits at" in daemon.tail(), "the list of tasks", daemon.tail)
    assert "daemon/main.py" in daemon.tail()
    assert daemon.answers()


def test_streams_do_not_hold_the_end_up(new_havred: NewDaemon) -> None:
    daemon = new_havred()
    daemon.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
        daemon.stop()
        while client.recv(4096):
            pass


def test_systemd(new_havred: NewDaemon, tmp_path: Path) -> None:
    """Socket activation and the ready message: systemd's socket is served, and left there at the end."""
    daemon = new_havred()
    with socket.socket(socket.AF_UNIX) as activated, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        activated.bind(str(tmp_path / "api"))
        activated.listen()
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        words = daemon.command()
        words[words.index("--host") + 1] = "fd://"
        # The shell, because LISTEN_PID has to be the daemon's own and systemd's sockets begin at 3.
        script = f'exec 3<&{activated.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        command = ["/bin/bash", "-c", script, "activate", str(BIN / "havred"), *words]
        with daemon.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                pass_fds=[activated.fileno()],
                env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
                stdout=log,
                stderr=log,
            )
        try:
            assert systemd.recv(100) == b"READY=1", daemon.tail()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(tmp_path / "api"))
                client.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
        finally:
            process.terminate()
            assert process.wait(30) == 0
        assert systemd.recv(100) == b"STOPPING=1"
        assert (tmp_path / "api").exists()
