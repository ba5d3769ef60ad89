"""The linters of ``scripts/lint``, each as a test."""

import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize("linter", ["ruff", "format", "types", "imports"])
def test_lint(repository: Path, linter: str) -> None:
    done = subprocess.run([repository / "scripts" / "lint", linter], capture_output=True, text=True)
    assert done.returncode == 0, f"\n{(done.stdout + done.stderr)[-8000:]}"
