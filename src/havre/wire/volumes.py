"""The volume types of the Engine API that clients send."""

from typing import Any

from havre.wire.containers import Wire


class VolumeCreate(Wire):
    """The body of ``POST /volumes/create``."""

    name: str = ""
    driver: str = ""
    driver_opts: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    cluster_volume_spec: dict[str, Any] | None = None
