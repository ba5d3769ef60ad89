"""What is in the wheel: the package and nothing else, with its programs."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path


def test_wheel(repository: Path, tmp_path: Path) -> None:
    # From a copy: setuptools leaves build/ behind, and two of them in one tree disturb each other.
    copy = tmp_path / "source"
    shutil.copytree(repository / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, copy)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"havre"}
    source = {path.relative_to(repository / "src").as_posix() for path in (repository / "src" / "havre").rglob("*.py")}
    assert source <= set(names)
    assert "havre/py.typed" in names
    assert any(name.endswith("LICENSE") for name in names)
    assert "havre = havre.cli.main:program" in entry_points and "havred = havre.daemon.main:main" in entry_points
