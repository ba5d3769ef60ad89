"""What buildx is told of who builds."""

from havre import __version__
from havre.builder.buildkit.messages.shared import PlatformMessage, Version, WorkerRecord
from havre.image.manifest import host_platform


def version() -> Version:
    """Shown by ``buildx ls`` and ``inspect``."""
    return Version("havre", f"v{__version__}", "")


def worker() -> WorkerRecord:
    """The one worker: this machine.

    The snapshotter's label tells buildx that images of every form can be exported and pushed.
    """
    host = host_platform()
    labels = {
        "org.mobyproject.buildkit.worker.executor": "oci",
        "org.mobyproject.buildkit.worker.snapshotter": "overlayfs",
    }
    return WorkerRecord("havre", labels, [PlatformMessage(host.architecture, host.os, host.variant)], version())
