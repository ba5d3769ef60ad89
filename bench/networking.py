"""Rows about networks of the user's own."""

import time

from bench import names
from bench.engines import Measured
from bench.rows import Api, Row, cli

_NETWORK = "bench-lan"


def made(engine: Measured) -> None:
    engine.api("POST", "/networks/create", {"Name": _NETWORK})


def make_and_remove(engine: Measured) -> float:
    api = Api(engine)
    api("GET", "/version")
    start = time.perf_counter()
    api("POST", "/networks/create", {"Name": "bench-once"})
    api("DELETE", "/networks/bench-once")
    return time.perf_counter() - start


def connected_start(engine: Measured) -> float:
    api = Api(engine)
    api("GET", "/version")
    start = time.perf_counter()
    id = api.create("sleep", "1000")
    api("POST", f"/networks/{_NETWORK}/connect", {"Container": id})
    api("POST", f"/containers/{id}/start")
    return time.perf_counter() - start


def plugged(engine: Measured) -> float:
    """Connect and disconnect of a container that runs."""
    api = Api(engine)
    start = time.perf_counter()
    for verb in ("connect", "disconnect"):
        api("POST", f"/networks/{_NETWORK}/{verb}", {"Container": "sleeper"})
    return time.perf_counter() - start


def sleeper(engine: Measured) -> None:
    made(engine)
    cli(engine, "run", "-d", "--name", "sleeper", "busybox", "sleep", "100000")


def two_named(engine: Measured) -> None:
    made(engine)
    for name in ("asks", "sleeper"):
        cli(engine, "run", "-d", "--name", name, "--network", _NETWORK, "busybox", "sleep", "100000")


def remove_containers(engine: Measured) -> None:
    for container in engine.containers():
        engine.api("DELETE", f"/containers/{container['Id']}?force=1")


def rows(repeat: int) -> list[Row[Measured]]:
    """The rows, in the order they are measured."""
    run = ("run", "--rm", "--network", _NETWORK, "busybox", "true")
    return [
        Row("net-run", "`docker run --rm --network lan busybox true`", 0.5, lambda e: cli(e, *run), samples=repeat,
            prepare=made),
        Row("net-create", "API network create and remove", 0.5, make_and_remove, samples=repeat),
        Row("net-start", "API create + connect + start on a network", 0.5, connected_start, samples=repeat,
            prepare=made, between=remove_containers),
        Row("net-plug", "API connect + disconnect of a running container", 0.5, plugged, samples=repeat,
            prepare=sleeper),
        Row("net-names", f"{names.QUESTIONS:,} answers to a container about another's name", 1.0,
            lambda e: names.looked_up(e, "asks", "sleeper", _NETWORK), samples=repeat, prepare=two_named),
    ]  # fmt: skip
