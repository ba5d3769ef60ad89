"""The frame of every page: its head, its style, and the headers that keep browsers from doing more than showing it."""

import time
from urllib.parse import quote

from aiohttp.web_response import Response

from havre.registry.web.markup import Markup, Node, element, joined

# Nothing but our own style sheet is loaded, nothing runs, forms come back here, and nobody frames the page.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STYLE = """
body { margin: 0 auto; max-width: 70rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: #1b2733;
  background: #fbfcfd }
a { color: #075985 } a:visited { color: #4c3d8f }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; border-bottom: 1px solid #cfd8e0 }
header form { margin-left: auto }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #e4e9ee;
  overflow-wrap: anywhere }
th { font-weight: 600 }
code { font: 14px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
.pull { display: block; padding: .6rem .8rem; background: #eef3f7; border: 1px solid #cfd8e0; border-radius: 4px;
  user-select: all; -webkit-user-select: all }
.small { color: #4b5b68; font-size: .9rem }
@media (prefers-color-scheme: dark) {
  body { color: #dde5ec; background: #12181e } a { color: #7cc4f0 } a:visited { color: #b9adf2 }
  header, .pull { border-color: #33424f } .pull { background: #1b242d } th, td { border-color: #26323c }
  .small { color: #9fb0bd }
}
"""


def page(title: str, *content: Node | None, reader: Node = "", query: str = "", status: int = 200) -> Response:
    """A whole page; ``reader`` says who looks at it, or how to say so."""
    search = element(
        "form",
        element(
            "input", type="search", name="q", value=query, maxlength="255", **{"aria-label": "Search repositories"}
        ),
        " ",
        element("button", "Search"),
        action="/",
        method="get",
        role="search",
    )
    body = element(
        "body",
        element("header", element("h1", link("/", "havre-registry")), search, element("span", reader, class_="small")),
        element("main", element("h2", title), *content),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width"),
        element("title", f"{title} · havre-registry"),
        element("link", rel="stylesheet", href="/ui/style.css"),
    )
    document = joined([Markup("<!doctype html>\n"), element("html", head, body, lang="en"), "\n"])
    return Response(
        body=document.text.encode(), status=status, content_type="text/html", charset="utf-8", headers=HEADERS
    )


def link(path: str, text: Node, **query: str) -> Markup:
    """A link within the registry: ``path`` is quoted, so it can lead nowhere else."""
    words = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    # Two slashes at the beginning would be another host.
    return element("a", text, href="/" + quote(path.lstrip("/"), safe="/:@") + (f"?{words}" if words else ""))


def code(text: str) -> Markup:
    """Text as the machine has it."""
    return element("code", text)


def size(count: int) -> str:
    """``12.3 MB``."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def moment(seconds: float) -> str:
    """``2026-01-31 12:00 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
