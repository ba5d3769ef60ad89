"""What all tests share: system tests are marked as such, and skipped by name where there is no root."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import hypothesis
import pytest

# How long an example takes is the machine's affair: a test that is too slow ends by pytest's own timeout.
hypothesis.settings.register_profile("havre", deadline=None)
hypothesis.settings.load_profile("havre")

REPOSITORY = Path(__file__).parent.parent
SPEC = REPOSITORY.parent / "shared" / "spec"


def docker_cli_version() -> str:
    """The version of the docker CLI on PATH; "" when there is none."""
    program = shutil.which("docker")
    if program is None:
        return ""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version ([^,]+)", said)
    return found[1] if found else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    no_root = pytest.mark.skip(reason="system tests need root")
    for item in items:
        if "system" in item.path.relative_to(REPOSITORY).parts:
            item.add_marker(pytest.mark.system)
        if os.geteuid() != 0 and item.get_closest_marker("system"):
            item.add_marker(no_root)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def spec() -> Path:
    """The directory of specification data beside the checkout; CI must have it, a lone clone need not."""
    if not SPEC.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{SPEC} is missing")
        pytest.skip(f"{SPEC} is not there: this clone stands alone")
    return SPEC
