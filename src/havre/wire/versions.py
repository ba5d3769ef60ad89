"""API versions: the range havre speaks and the choice of one both ends know. Both ends of the socket come in here."""

MIN = "1.24"
MAX = "1.55"
CLIENT = "1.51"
"""What havre's own client speaks at most: it prints what the docker CLI 28 prints, which knows no newer answers."""


def parse(version: str) -> tuple[int, int]:
    """``"1.43"`` → ``(1, 43)``. A leading ``v`` is not part of a version. Raises ValueError for anything else."""
    major, dot, minor = version.partition(".")
    if not (dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
        raise ValueError(f"invalid API version: {version!r}")
    if len(major) > 4 or len(minor) > 4:
        raise ValueError(f"invalid API version: {version!r}")
    return int(major), int(minor)


def negotiate(ours: str, theirs: str) -> str:
    """The newest version both ends know: the lower of the two newest ones. Raises ValueError as ``parse``."""
    return min(ours, theirs, key=parse)
