"""What went through the interfaces of a process."""

import os

from havre.kernel import netcounters
from havre.kernel.netcounters import Counters

# The columns stand closer here than the kernel puts them.
TEXT = """\
Inter-|   Receive                                          |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo:       1       2    0    0    0     0       0         0        1       2    0    0    0     0       0       0
  eth0:     516       6    3    4    5     6       7         8      126       9   10   11   12    13      14      15
eth0:1:      10      20   30   40    0     0       0         0       50      60   70   80    0     0       0       0
"""


def test_parse() -> None:
    found = netcounters.parse(TEXT)
    assert list(found) == ["lo", "eth0", "eth0:1"]
    assert found["eth0"] == Counters(516, 6, 3, 4, 126, 9, 10, 11)
    assert found["eth0:1"] == Counters(10, 20, 30, 40, 50, 60, 70, 80)


def test_of_a_process() -> None:
    assert "lo" in netcounters.of_process(os.getpid())
    assert netcounters.of_process(2**22 + 1) == {}
