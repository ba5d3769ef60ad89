"""The image types of the Engine API that clients send."""

import msgspec


class PlatformQuery(msgspec.Struct):
    """The ``platform`` of a query since API 1.48: the OCI platform object as JSON."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
