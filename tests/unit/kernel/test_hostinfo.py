"""What is read of the host."""

import os
import socket
from pathlib import Path

import pytest

from havre.kernel import hostinfo


def test_host() -> None:
    host = hostinfo.host()
    assert host.name == socket.gethostname()
    assert host.kernel == os.uname().release and host.architecture == os.uname().machine
    assert host.processors >= 1 and host.memory > 1 << 20
    assert host.system


def test_files_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostinfo, "_read", lambda path: "")
    host = hostinfo.host()
    assert (host.system, host.system_version, host.memory) == ("Linux", "", 0)
    assert not hostinfo.has_seccomp() and not hostinfo.forwards_ipv4()


def test_os_release(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '# a comment\nNAME="X"\nPRETTY_NAME=\'X 1 "final"\'\nVERSION_ID=1\nnonsense\n'
    monkeypatch.setattr(hostinfo, "_read", lambda path: text if "os-release" in path else "")
    host = hostinfo.host()
    assert (host.system, host.system_version) == ('X 1 "final"', "1")


def test_open_files() -> None:
    before = hostinfo.open_files()
    with open(os.devnull):
        assert hostinfo.open_files() == before + 1


def test_file_system(tmp_path: Path) -> None:
    assert hostinfo.file_system(Path("/proc")) == "proc"
    assert isinstance(hostinfo.file_system(tmp_path), str)


def test_processor_time() -> None:
    text = "cpu  10 1 20 400 5 6 7 300 9 0\ncpu0 5 1 10 200 5 3 4 150 9 0\ncpu3 5 0 10 200 0 3 3 150 0 0\nintr 5\n"
    found = hostinfo.processor_time(text)
    assert (found.total, found.online) == (449 * 1_000_000_000 // os.sysconf("SC_CLK_TCK"), 2)
    assert hostinfo.processor_time().online == os.sysconf("SC_NPROCESSORS_ONLN")
