"""The pages: repositories, the tags of one, and a manifest with what it is made of.

Each asks the gate itself, as the protocol's endpoints are asked for: a page shows what its reader might pull.
"""

from collections.abc import Awaitable, Mapping, Sequence

from aiohttp.web_response import Response

from havre.registry import listing, names
from havre.registry.access.challenges import BASIC
from havre.registry.access.gate import AccessGate
from havre.registry.call import Call
from havre.registry.errors import (
    ManifestUnknown,
    NameUnknown,
    PageUnknown,
    Refusal,
    TooManyRequests,
    Unauthorized,
)
from havre.registry.manifestcache import Manifest
from havre.registry.records import Referrer
from havre.registry.web import contents, queries
from havre.registry.web.contents import Contents, Described, Image
from havre.registry.web.layout import HEADERS, STYLE, code, link, moment, page, size
from havre.registry.web.markup import Markup, Node, element, joined, table

_REPOSITORIES = 50
_TAGS = 50
# Bytes of referrers' descriptors on one page.
_REFERRERS = 64 * 1024


class Pages:
    """Everything at ``/`` and below ``/ui/``."""

    def __init__(self, gate: AccessGate) -> None:
        self._gate = gate

    async def repositories(self, call: Call) -> Response:
        """GET /: the repositories the reader may pull from; with ``q``, those it stands in."""
        return await self._told(call, self._repositories(call))

    async def below(self, call: Call) -> Response:
        """GET /ui/…: one of the pages below."""
        return await self._told(call, self._below(call))

    async def sign_in(self, call: Call) -> Response:
        """GET /sign-in: makes a browser ask for name and password, and then send them with every page."""
        call.identity = await self._gate.identify(call)
        if call.identity.is_anonymous and self._gate.takes_passwords:
            raise Unauthorized("authentication required", BASIC)
        return Response(status=303, headers={**HEADERS, "Location": "/"})

    async def _told(self, call: Call, answer: Awaitable[Response]) -> Response:
        """The answer, or what is wrong as a page. Browsers have a way of their own to ask who one is."""
        try:
            return await answer
        except (Unauthorized, TooManyRequests):
            raise
        except Refusal as error:
            return self._page(call, error.message, status=error.status)

    async def _repositories(self, call: Call) -> Response:
        call.identity = await self._gate.admit(call, "catalog", None)
        query = (call.query("q") or "").strip()[:255]
        found = await listing.readable(call, call.query("last") or "", _REPOSITORIES + 1, query)
        shown = found[:_REPOSITORIES]
        rows = await call.registry.catalog.database.read(lambda connection: queries.repositories(connection, shown))
        cells = (
            (link(f"ui/r/{row.name}", row.name), str(row.tags), size(row.size), moment(row.updated)) for row in rows
        )
        more = link("", "More", q=query, last=shown[-1]) if len(found) > len(shown) else None
        title = f"Repositories with “{query}”" if query else "Repositories"
        if not rows:
            return self._page(call, title, element("p", "There is nothing here that you may see."), query=query)
        return self._page(call, title, table(("Repository", "Tags", "Size", "Pushed"), cells), more, query=query)

    async def _below(self, call: Call) -> Response:
        kind, _, rest = call.reference.partition("/")
        if call.reference == "style.css":
            headers = {**HEADERS, "Cache-Control": "max-age=3600"}
            return Response(text=STYLE, content_type="text/css", charset="utf-8", headers=headers)
        if kind == "r":
            return await self._tags(call, names.repository(rest))
        if kind == "m":
            repository, at, reference = rest.partition("@")
            if at:
                return await self._manifest(call, names.repository(repository), names.reference(reference))
        raise PageUnknown("no such page")

    async def _tags(self, call: Call, repository: str) -> Response:
        call.identity = await self._gate.admit(call, "pull", repository)
        after = call.query("last") or ""
        catalog = call.registry.catalog
        if await catalog.tags(repository, "", 1) is None:
            raise NameUnknown("repository name not known to registry", detail={"name": repository})
        rows = await catalog.database.read(lambda connection: queries.tags(connection, repository, after, _TAGS + 1))
        cells = (
            (
                link(f"ui/m/{repository}@{row.name}", row.name),
                size(row.size),
                code(_short(row.digest)),
                "several platforms" if _is_index(row.media_type) else "",
                moment(row.updated),
            )
            for row in rows[:_TAGS]
        )
        more = link(f"ui/r/{repository}", "More", last=rows[_TAGS - 1].name) if len(rows) > _TAGS else None
        newest = f":{rows[0].name}" if rows else ""
        return self._page(
            call,
            repository,
            self._command(call, f"{repository}{newest}"),
            table(("Tag", "Size", "Digest", "", "Tagged"), cells),
            more,
        )

    async def _manifest(self, call: Call, repository: str, reference: str) -> Response:
        call.identity = await self._gate.admit(call, "pull", repository)
        catalog = call.registry.catalog
        found = await catalog.manifest(repository, reference)
        if found is None:
            raise ManifestUnknown("manifest unknown", detail={"reference": reference})
        separator = "@" if names.is_digest(reference) else ":"
        told = contents.read_manifest(found.body or b"")
        image = contents.read_image(await self._configuration(call, repository, told.config))
        referrers, _more = await catalog.referrers(repository, found.digest, None, "", _REFERRERS)
        return self._page(
            call,
            f"{repository}{separator}{reference}",
            element("p", link(f"ui/r/{repository}", repository)),
            self._command(call, f"{repository}{separator}{reference}"),
            _facts(found, told, image),
            _platforms(repository, told.manifests) if told.manifests else None,
            _layers(told.layers, image.commands) if told.layers else None,
            _texts("Labels", image.labels),
            _texts("Annotations", told.annotations),
            _referrers(repository, referrers) if referrers else None,
        )

    async def _configuration(self, call: Call, repository: str, config: Described | None) -> bytes:
        """The configuration's bytes, if it is here and of a size that can be looked into."""
        if config is None or config.size > contents.LARGEST:
            return b""
        known = await call.registry.catalog.blob_size(repository, config.digest)
        content = await call.registry.storage.open(config.digest) if known is not None else None
        if content is None:
            return b""
        try:
            return b"".join([chunk async for chunk in content.chunks(0, min(content.size, contents.LARGEST))])
        finally:
            await content.close()

    def _page(self, call: Call, title: str, *content: Node | None, query: str = "", status: int = 200) -> Response:
        reader: Node = call.identity.name
        if call.identity.is_anonymous and self._gate.takes_passwords:
            reader = link("sign-in", "Sign in")
        return page(title, *content, reader=reader, query=query, status=status)

    def _command(self, call: Call, image: str) -> Markup:
        host = self._gate.peers.base_url(call.request).partition("://")[2]
        return element("code", f"docker pull {host}/{image}", class_="pull")


def _facts(found: Manifest, told: Contents, image: Image) -> Markup:
    rows: list[tuple[Node, Node]] = [
        ("Digest", code(found.digest)),
        ("Type", code(found.media_type)),
        ("Platform", image.platform),
        ("Created", image.created),
        ("Size", size(told.size) if told.size else ""),
        *((name, code(value)) for name, value in image.settings.items()),
    ]
    return element(
        "table", *(element("tr", element("th", name), element("td", value)) for name, value in rows if value)
    )


def _platforms(repository: str, manifests: Sequence[Described]) -> Markup:
    rows = (
        (each.platform or "unknown", _manifest_link(repository, each.digest), size(each.size), code(each.media_type))
        for each in manifests
    )
    return joined([element("h2", "Platforms"), table(("Platform", "Manifest", "Its size", "Type"), rows)])


def _layers(layers: Sequence[Described], commands: Sequence[str]) -> Markup:
    # A history that does not fit the layers would name wrong commands.
    known = commands if len(commands) == len(layers) else [""] * len(layers)
    rows = (
        (str(number), size(layer.size), code(_short(layer.digest)), code(command))
        for number, (layer, command) in enumerate(zip(layers, known, strict=True), start=1)
    )
    return joined([element("h2", "Layers"), table(("", "Size", "Digest", "Command"), rows)])


def _referrers(repository: str, referrers: Sequence[Referrer]) -> Markup:
    rows = (
        (_manifest_link(repository, each.digest), code(each.artifact_type or each.media_type), size(each.size))
        for each in referrers
    )
    return joined([element("h2", "Referrers"), table(("Manifest", "Type", "Its size"), rows)])


def _texts(title: str, texts: Mapping[str, str]) -> Markup | None:
    if not texts:
        return None
    return joined(
        [element("h2", title), table(("Name", "Value"), ((code(k), code(v)) for k, v in sorted(texts.items())))]
    )


def _manifest_link(repository: str, digest: str) -> Markup:
    return link(f"ui/m/{repository}@{digest}", code(_short(digest)))


def _short(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    return f"{algorithm}:{value[:12]}"


def _is_index(media_type: str) -> bool:
    return "index" in media_type or "list" in media_type
