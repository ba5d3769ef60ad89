"""Volume drivers that are programs of their own: Docker's plugin protocol, JSON over a socket.

``discovery`` finds where a plugin listens, ``client`` speaks with one, ``drivers`` are those that keep volumes. Plugins
may be slow, dead or wrong: every call has an end, and nothing they say is taken for more than words.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """Where plugins are looked for, and the seconds they are waited for: ``connect`` until one is there, ``long`` for
    what may take its time (create, mount), ``short`` for all else, ``listing`` when somebody waits for a list.
    """

    sockets: Path = Path("/run/docker/plugins")
    specs: tuple[Path, ...] = (Path("/etc/docker/plugins"), Path("/usr/lib/docker/plugins"))
    connect: float = 30.0
    long: float = 120.0
    short: float = 60.0
    listing: float = 10.0
