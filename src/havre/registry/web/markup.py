"""HTML from values: whatever is not markup made here is text, and is escaped.

What repositories hold is written by anybody who may push: names of files, labels, commands. It is shown as text, never
as markup, address or style.
"""

import html
import re
from collections.abc import Iterable
from typing import Final

# Characters that are not seen, or that make other text look like something else.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_VOID = frozenset({"input", "link", "meta"})


class Markup:
    """Text that is HTML already."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


Node = Markup | str


def element(tag: str, *children: Node | None, **attributes: str) -> Markup:
    """``<tag attributes>children</tag>``. ``class_`` means ``class``; None among the children is nothing."""
    words = "".join(f' {name.rstrip("_")}="{_escaped(value)}"' for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{words}>")
    return Markup(f"<{tag}{words}>{joined(children).text}</{tag}>")


def joined(nodes: Iterable[Node | None]) -> Markup:
    """The nodes one after the other."""
    return Markup(
        "".join(node.text if isinstance(node, Markup) else _escaped(node) for node in nodes if node is not None)
    )


def table(heads: Iterable[str], rows: Iterable[Iterable[Node]]) -> Markup:
    """A table with a head."""
    head = element("thead", element("tr", *(element("th", text) for text in heads)))
    body = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("table", head, element("tbody", *body))


def _escaped(text: str) -> str:
    return html.escape(_UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text))
