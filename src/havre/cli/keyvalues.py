"""Flags that set names to values: ``--opt type=nfs``, ``--sysctl net.x=1``, ``--label a=b``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def pairs(values: Iterable[str]) -> dict[str, str]:
    """The values by name; a name without one is set to "". The last of several counts."""
    split = (text.partition("=") for text in values)
    return {name: value for name, _, value in split}
