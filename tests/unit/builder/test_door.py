"""The door of BuildKit's protocol is light: a daemon's start does not pay for what nobody asks for yet."""

import subprocess
import sys


def test_http2_is_not_read_in_before_the_first_connection() -> None:
    program = "import sys, havre.daemon.assemble; sys.exit('h2' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
