"""The root file system as an image left it, made fit for a runtime before that gets to see it.

runc 1.1 mounts its file systems inside the root whatever links stand there, but makes the nodes and links of ``/dev``
by path, on the host's side: an image whose ``/dev`` is a link would have it write wherever that leads.
"""

import os
from pathlib import Path

_MOUNTED_BY_THE_RUNTIME = ("dev", "proc", "sys")
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def replace_links(rootfs: Path) -> None:
    """Put directories in the place of links where the runtime is to mount, in the container's own layer."""
    root = os.open(rootfs, _DIRECTORY)
    try:
        for name in _MOUNTED_BY_THE_RUNTIME:
            try:
                os.readlink(name, dir_fd=root)
            except OSError:
                continue
            os.unlink(name, dir_fd=root)
            os.mkdir(name, 0o755, dir_fd=root)
    finally:
        os.close(root)


def make_init_layer(directory: Path) -> None:
    """Make the layer that every container has between its image's and its own: ``/.dockerenv``, by which programs
    tell that they are in a container. As with Docker it is in exports, and neither in ``diff`` nor in ``commit``.
    """
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    mark = directory / ".dockerenv"
    mark.touch()
    mark.chmod(0o755)
