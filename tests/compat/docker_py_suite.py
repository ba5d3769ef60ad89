"""docker-py's own integration tests: where they are, what they need, and how a file of them is run.

``scripts/test`` fetches them (the source distribution of ``docker``, and the libraries of its day) into ``.cache``.
They are run as they are, in a process of their own: the library they test is not the one of our environment.
"""

import ast
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.system import images
from tests.system.images import BuiltImage, Entry
from tests.system.registry import Registry

VERSION = "6.1.3"
API_VERSION = "1.41"
CACHE = REPOSITORY / ".cache" / "docker-py"
SOURCE = CACHE / f"docker-{VERSION}"
TESTS = SOURCE / "tests" / "integration"
LIBRARIES = CACHE / "lib"

FILES = (
    "api_build_test",
    "api_client_test",
    "api_container_test",
    "api_exec_test",
    "api_healthcheck_test",
    "api_image_test",
    "api_network_test",
    "api_volume_test",
    "client_test",
    "errors_test",
    "models_containers_test",
    "models_images_test",
    "models_networks_test",
    "models_volumes_test",
    "regression_test",
)
"""Those about builds, containers, execs, images, networks, volumes, events and the system."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one of their tests went: ``passed``, ``skipped`` or ``failed``, and what it said."""

    state: str
    text: str = ""


def names() -> Iterator[tuple[str, str]]:
    """File and ``Class::test`` of every test, read from the sources without importing them."""
    for file in FILES:
        path = TESTS / f"{file}.py"
        if not path.exists():
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                for member in node.body:
                    if isinstance(member, ast.FunctionDef) and member.name.startswith("test"):
                        yield file, f"{node.name}::{member.name}"


def alpine(tag: str) -> BuiltImage:
    """What stands in for alpine: a busybox too, with the user and the directory of alpine's that the tests name."""
    passwd = images.PASSWD + "postgres:x:70:70::/var/lib/postgresql:/bin/sh\n"
    files = (
        Entry("etc/passwd", passwd.encode()),
        Entry("var/opt/", mode=0o755),
        Entry("etc/alpine-release", tag.encode()),
    )
    return images.busybox().derive(f"alpine-{tag}", {"Cmd": ["/bin/sh"]}, files)


def hello_world() -> BuiltImage:
    """What stands in for hello-world; it has a layer of its own, so that to remove it frees something."""
    return images.busybox().derive("hello-world", {"Cmd": ["cat", "/hello"]}, (Entry("hello", b"Hello!\n" * 1000),))


def fill(registry: Registry) -> None:
    """Push what the tests pull, under the names Docker Hub has it."""
    registry.push(images.busybox(), "library/busybox")
    registry.push(hello_world(), "library/hello-world")
    for tag in ("latest", "3.10"):
        registry.push(alpine(tag), "library/alpine", tag)


def archives() -> list[Path]:
    """What has to be there before a file is run."""
    alpines = [alpine(tag).archive(f"alpine:{tag}") for tag in ("latest", "3.10")]
    return [images.busybox().archive("busybox:latest"), *alpines]


def run(file: str, host: str, directory: Path) -> dict[str, Outcome]:
    """Run one file against the engine at ``host``; the outcomes by ``Class::test``.

    As their own Makefile does: over TCP and in the API version of its engine (a unix socket cannot carry the WebSockets
    of this version of the library).
    """
    report = directory / f"{file}.xml"
    home = directory / "home"
    home.mkdir(exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "PYTEST_"))}
    environment = {
        **kept,
        "DOCKER_HOST": host,
        "DOCKER_TEST_API_VERSION": API_VERSION,
        "HOME": str(home),
        "PYTHONPATH": f"{SOURCE}:{LIBRARIES}",
    }
    flags = ["-q", "--timeout=90", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", *flags, f"tests/integration/{file}.py"]
    done = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=900)
    if not report.exists():
        raise AssertionError(f"docker-py's tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    shutil.rmtree(home, ignore_errors=True)
    return dict(_outcomes(report))


def _outcomes(report: Path) -> Iterator[tuple[str, Outcome]]:
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        bad = [child for child in case if child.tag in ("failure", "error")]
        skipped = case.find("skipped")
        if bad:
            yield name, Outcome("failed", "\n".join(child.text or "" for child in bad))
        elif skipped is not None:
            yield name, Outcome("skipped", skipped.get("message", ""))
        else:
            yield name, Outcome("passed")
