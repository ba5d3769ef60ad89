"""Flags that set names to values: ``--label a=b``, ``--opt type=nfs``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def label(text: str) -> str:
    """Checks a ``--label`` as it is read (``Parser.flag``'s ``convert``). Raises ValueError for one without a name."""
    if not text.partition("=")[0].strip():
        raise ValueError(f"invalid label '{text}': empty name")
    return text


def pairs(values: Iterable[str]) -> dict[str, str]:
    """The values by name; a name without one is set to "". The last of several counts."""
    split = (text.partition("=") for text in values)
    return {name: value for name, _, value in split}
