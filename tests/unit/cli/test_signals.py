"""Signals that end the client while its main thread waits in a read."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading
from havre.cli.signals import SignalRelay

number = int(sys.argv[1])
never, _ = os.pipe()
with SignalRelay(None, lambda: None):
    # The handler of C runs in the other thread, so the read of the main thread is not interrupted: the same as when
    # the signal comes in the instant before that read.
    threading.Timer(0.1, lambda: signal.pthread_kill(threading.get_ident(), number)).start()
    try:
        os.read(never, 1)
    finally:
        print("unwound", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_ending_signal_ends_a_read_that_it_does_not_interrupt(number: signal.Signals) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(int(number))], capture_output=True, timeout=20)
    assert (done.returncode, done.stdout) == (128 + number, b"unwound\n"), done.stderr
