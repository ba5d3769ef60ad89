"""The pid file, the log's form, and what systemd is told."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from havre.daemon import log, notify
from havre.daemon.pidfile import PidFile
from havre.errors import Conflict


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "havre.pid"


def test_pid_file(path: Path) -> None:
    pidfile = PidFile(path)
    pidfile.acquire()
    assert path.read_text() == f"{os.getpid()}\n"
    pidfile.acquire()
    pidfile.release()
    assert not path.exists()


@pytest.mark.parametrize("left", ["", "nonsense", "999999999", "1"])
def test_what_no_daemon_owns_is_replaced(path: Path, left: str) -> None:
    """Process 1 is alive, but no havred: the number was given out again."""
    path.parent.mkdir()
    path.write_text(left)
    PidFile(path).acquire()
    assert path.read_text() == f"{os.getpid()}\n"


def test_a_live_daemon_is_respected(path: Path) -> None:
    path.parent.mkdir()
    program = "import sys; print(flush=True); sys.stdin.read()  # havred"
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline()
        path.write_text(str(other.pid))
        with pytest.raises(Conflict, match=f"process with PID {other.pid} is still running"):
            PidFile(path).acquire()
        PidFile(path).release()
        assert path.read_text() == str(other.pid)
    finally:
        other.communicate()


def test_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    root, ours = logging.getLogger(), logging.getLogger("havre")
    before = (root.handlers[:], root.level, ours.level)
    try:
        log.configure("info")
        logging.getLogger("havre.api.app").warning('a "quoted" \\ word\nand a second line')
        logging.getLogger("havre.api.app").debug("not shown")
        logging.getLogger("aiohttp").info("not shown")
        log.set_level("debug")
        logging.getLogger("havre.x").debug("shown")
        lines = capsys.readouterr().err.splitlines()
    finally:
        root.handlers[:], _, _ = before[0], root.setLevel(before[1]), ours.setLevel(before[2])
    assert len(lines) == 2
    assert lines[0].startswith('time="20') and lines[0].partition('Z" ')[2] == (
        'level=warn msg="a \\"quoted\\" \\\\ word\\nand a second line" module=api.app'
    )
    assert lines[1].endswith('level=debug msg="shown" module=x')


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify.notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nothing/there", "relative"])
def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify.notify("READY=1")
