"""``scripts/bench``: measure havre beside dockerd, print the table, and keep it in ``bench/README.md`` if asked.

It installs nothing. It says what it found: which dockerd (``--dockerd``, else the one on PATH), which client, which
machine. Without a dockerd it measures havre alone.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.system import images
from tests.system.registry import Registry, serve

from bench import building, networking, registries, remote, throughput, watching
from bench.engines import Measured, dockerd, havred, running
from bench.report import figure, table, update
from bench.rows import Row, S, rows

README = Path(__file__).with_name("README.md")
ENGINES, SERVERS = ("havre", "dockerd"), ("havre-registry", "docker-registry")
RESULTS = Path(__file__).with_name("results.json")


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    if os.geteuid() != 0:
        sys.exit("bench: needs root: sudo scripts/bench")
    if shutil.which("docker") is None:
        sys.exit("bench: needs the docker CLI on PATH: it is the client that both engines are measured with")
    found = shutil.which(options.dockerd)
    say(f"dockerd: {found or 'none found (see --dockerd); measuring havre alone'}")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hb-", dir=options.directory)))
        engines = [havred(directory / "h")] if options.only != "dockerd" else []
        if found and options.only != "havre":
            engines.append(dockerd(found, directory / "d"))
        say("making the images (once; they are kept in a cache)")
        busybox, big = images.busybox(), images.bench()
        registry = stack.enter_context(serve(directory / "registry"))
        reference = registry.push(big, "bench").reference
        for engine in engines:
            stack.enter_context(running(engine))
            stack.enter_context(registry_inside(engine, registry))
            engine.load(busybox.archive("busybox:latest"))
            say(f"{engine.name} {engine.version()} runs")
        archive, size = str(big.archive("bench:latest")), sum(layer.blob().size for layer in big.layers)
        engine_rows = (
            *rows(archive, options.repeat),
            *remote.rows(archive, reference, size, options.repeat),
            *watching.rows(options.repeat),
            *networking.rows(options.repeat),
            *throughput.rows(options.repeat),
            *building.rows(options.repeat),
        )
        results = [measure(row, engines, ENGINES) for row in engine_rows if wanted(row.key, options)]
        server_rows = [row for row in registries.rows(big, options.repeat) if wanted(row.key, options)]
        if server_rows and not options.only:
            servers = stack.enter_context(registries.serving(directory / "servers", big))
            results += [measure(row, servers, SERVERS) for row in server_rows]
        report: dict[str, Any] = {
            "machine": machine(),
            "client": output("docker", "--version"),
            "engines": {engine.name: engine.version() for engine in engines},
            "rows": results,
        }
    print(table(report))
    if options.write:
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")
        update(README, report)
        say(f"wrote {RESULTS} and {README}")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help="keys of the rows to measure, e.g. run exec (default: all)")
    parser.add_argument("--dockerd", default=os.environ.get("DOCKERD", "dockerd"), help="the dockerd to measure")
    parser.add_argument("--only", choices=["havre", "dockerd"], help="measure one engine alone")
    parser.add_argument("--repeat", type=int, default=10, help="samples a row (default 10)")
    parser.add_argument("--directory", default="/var/tmp", help="where the daemons keep their data: a real disk")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/README.md and results.json")
    return parser.parse_args(argv)


def wanted(key: str, options: argparse.Namespace) -> bool:
    return not options.rows or key in options.rows


def measure(row: Row[S], engines: list[S], pair: tuple[str, str]) -> dict[str, Any]:
    """Take a row's samples, the engines (or servers) in turn; ``pair`` are the two that are compared, ours first."""
    samples: dict[str, list[float]] = {engine.name: [] for engine in engines}
    prepared = []
    try:
        for engine in engines:
            prepared.append(engine)
            row.prepare(engine)
        for number in range(row.samples + 1):
            for engine in engines:
                value = row.sample(engine)
                row.between(engine)
                if number > 0:  # the first one warms up
                    samples[engine.name].append(value)
    finally:
        for engine in prepared:
            row.tidy(engine)
    medians = {name: statistics.median(values) for name, values in samples.items()}
    say(f"{row.key:14} " + "  ".join(f"{name} {figure(value, row.unit)}" for name, value in medians.items()))
    described = {"key": row.key, "title": row.title, "limit": row.limit, "unit": row.unit, "absolute": row.absolute}
    return {**described, "pair": pair, "medians": medians, "samples": samples}


@contextmanager
def registry_inside(engine: Measured, registry: Registry) -> Iterator[None]:
    """The same registry at the same loopback address of the engine's network namespace."""
    config = registry.data.parent / "config.json"
    command = engine.inside(["docker-registry", "serve", str(config)])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024**2
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {
        "cpu": f"{os.cpu_count()} × {cpu}",
        "memory": f"{memory} GiB",
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "runc": output("runc", "--version").splitlines()[0],
        "date": time.strftime("%Y-%m-%d"),
    }


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
