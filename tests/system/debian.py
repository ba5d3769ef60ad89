"""A small Debian to build on, as its own installer makes it: dpkg, apt and bash. Needs ``debootstrap`` and a mirror."""

import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.system.images import PATH, BuiltImage, layer_of

_MIRROR = "http://deb.debian.org/debian"
_SUITE = "bookworm"


def debian() -> BuiltImage:
    """About 200 MB; made once and kept."""
    return BuiltImage("debian", (layer_of("debian", _bootstrapped),), {"Cmd": ["bash"], "Env": [PATH]})


def _bootstrapped(tar: tarfile.TarFile) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        root = Path(directory) / "root"
        command = ["debootstrap", "--variant=minbase", _SUITE, str(root), _MIRROR]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for pattern in ("var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*_*"):
            for path in root.glob(pattern):
                path.unlink()
        (root / "etc/resolv.conf").unlink(missing_ok=True)
        tar.add(root, ".")
