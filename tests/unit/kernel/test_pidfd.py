"""Processes by descriptor."""

import os
import subprocess

import pytest

from havre.errors import NotFound
from havre.kernel import pidfd


def test_the_end_of_a_process() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        started = pidfd.start_time(process.pid)
        assert started is not None
        fd = pidfd.open_checked(process.pid, started)
        assert not pidfd.ended(fd)
        assert process.stdin is not None
        process.stdin.close()
        os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOWAIT)
        assert pidfd.ended(fd)
        with pytest.raises(NotFound):
            pidfd.open_checked(process.pid, started + 1)
        os.close(fd)
