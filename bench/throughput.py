"""Rows about bytes through networks: TCP from outside through a published port, and from container to container.

Both ends are ``iperf3``, in the namespaces of the containers; dockerd runs without its userland proxy meanwhile.
"""

import json
import subprocess
from pathlib import Path

from bench.engines import Measured
from bench.rows import Row, cli

_PORT = "5201"
_HOST, _CLIENT = "192.0.2.1", "192.0.2.2"
_SECONDS = "2"
_STREAMS = 4
_GIB = 8 << 30


def rows(repeat: int) -> list[Row[Measured]]:
    """The rows, in the order they are measured: the time of a GiB."""

    def row(key: str, title: str, *, outside: bool, more: tuple[str, ...] = ()) -> Row[Measured]:
        return Row(key, f"1 GiB {title}", 1.03, lambda engine: carried(engine, outside, more), samples=repeat,
                   prepare=laid, tidy=cleared)  # fmt: skip

    several = ("-P", str(_STREAMS))
    return [
        row("tcp-in", "into a container through a published port", outside=True),
        row("tcp-in-4", f"the same in {_STREAMS} streams", outside=True, more=several),
        row("tcp-out", "out of it through that port", outside=True, more=("-R",)),
        row("tcp-pair", "from container to container", outside=False),
        row("tcp-pair-4", f"the same in {_STREAMS} streams", outside=False, more=several),
    ]


def laid(engine: Measured) -> None:
    """Two containers on one network, of which one publishes a port, and a neighbour of the host."""
    engine.stop()
    engine.start(unproxied=True)
    engine.api("POST", "/networks/create", {"Name": "bench-lan"})
    run = ("run", "-d", "--network", "bench-lan")
    cli(engine, *run, "--name", "serves", "-p", f"{_PORT}:{_PORT}", "busybox", "sleep", "100000")
    cli(engine, *run, "--name", "asks", "busybox", "sleep", "100000")
    outside = _outside(engine)
    _ip("netns", "add", outside)
    _ip("-n", engine.netns, "link", "add", "outside", "type", "veth", "peer", "name", "eth0", "netns", outside)
    for netns, device, address in ((engine.netns, "outside", _HOST), (outside, "eth0", _CLIENT)):
        _ip("-n", netns, "address", "add", f"{address}/30", "dev", device)
        _ip("-n", netns, "link", "set", device, "up")


def cleared(engine: Measured) -> None:
    _ip("netns", "delete", _outside(engine))
    engine.clean()
    engine.stop()
    engine.start()


def carried(engine: Measured, outside: bool, more: tuple[str, ...]) -> float:
    """Seconds of a GiB, from how much arrives in some seconds."""
    serves = engine.inspect("serves")
    target = _HOST if outside else str(serves["NetworkSettings"]["Networks"]["bench-lan"]["IPAddress"])
    client = Path(f"/run/netns/{_outside(engine)}") if outside else _namespace(engine.inspect("asks")["State"]["Pid"])
    command = [*_inside(_namespace(serves["State"]["Pid"])), "-s", "-1", "-p", _PORT, "--forceflush"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        while "listening" not in (line := server.stdout.readline()):
            assert line, "iperf3 cannot listen"
        asking = [*_inside(client), "-c", target, "-p", _PORT, "-t", _SECONDS, "-J", *more]
        found = subprocess.run(asking, check=True, capture_output=True)
        server.stdout.read()
    return _GIB / float(json.loads(found.stdout)["end"]["sum_received"]["bits_per_second"])


def _namespace(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/net")


def _inside(namespace: Path) -> list[str]:
    return ["nsenter", f"--net={namespace}", "iperf3"]


def _outside(engine: Measured) -> str:
    return f"{engine.netns}-o"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
