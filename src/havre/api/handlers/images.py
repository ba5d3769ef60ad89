"""Images: pull, import, load, save, and what is there."""

from aiohttp.web_response import StreamResponse

from havre.api import answers, decode, respond
from havre.api.call import Call
from havre.errors import InvalidParameter, Unsupported
from havre.image.remote.auth import decode_auth
from havre.wire.images import PlatformQuery


async def create(call: Call) -> StreamResponse:
    """``docker pull`` with ``fromImage``, ``docker import`` without."""
    platform = None if call.before(1, 32) else call.text("platform") or None
    if image := call.text("fromImage"):
        # "pull -a" of old clients ends the name in a colon.
        image, tag = image.removesuffix(":"), call.text("tag")
        all_tags = not tag and not _has_tag(image)
        auth = decode_auth(call.request.headers.get("X-Registry-Auth"))
        return await respond.messages(call, call.engine.images.pull(image, tag, platform, auth, all_tags))
    source = call.text("fromSrc")
    if not source:
        raise InvalidParameter("either fromImage or fromSrc must be given")
    messages = call.engine.images.import_(
        source,
        call.text("repo"),
        call.text("tag"),
        call.text("message") or f"Imported from {source}",
        call.texts("changes"),
        platform,
        call.chunks(),
    )
    return await respond.messages(call, messages)


async def search(call: Call) -> StreamResponse:
    auth = decode_auth(call.request.headers.get("X-Registry-Auth"))
    found = await call.engine.searching.search(call.text("term"), call.integer("limit") or 0, call.filters(), auth)
    return respond.json(found)


async def load(call: Call) -> StreamResponse:
    messages = call.engine.images.load(call.chunks(), call.flag("quiet", default=True), _platforms(call))
    return await respond.messages(call, messages, in_band=True)


async def save(call: Call) -> StreamResponse:
    names = [call.names["name"]] if "name" in call.names else call.texts("names")
    return await respond.chunks(call, "application/x-tar", call.engine.images.save(names, _platforms(call)))


async def list_(call: Call) -> StreamResponse:
    filters = call.filters()
    if call.before(1, 25) and "reference" not in filters and (pattern := call.text("filter")):
        filters = filters.with_value("reference", pattern)
    shared_size = not call.before(1, 42) and call.flag("shared-size")
    manifests = not call.before(1, 47) and call.flag("manifests")
    if not call.before(1, 54) and call.flag("identity") and not manifests:
        raise InvalidParameter("conflicting options: identity requires manifests=1")
    found = await call.engine.images.list(call.flag("all"), filters, shared_size, call.flag("digests"), manifests)
    return respond.json(answers.image_list(call.version, found))


async def inspect(call: Call) -> StreamResponse:
    manifests = not call.before(1, 48) and call.flag("manifests")
    platform = None if call.before(1, 49) else _platform_of(call.texts("platform"))
    if manifests and platform:
        raise InvalidParameter("conflicting options: manifests and platform options cannot both be set")
    found = await call.engine.images.inspect(call.name(), call.before(1, 45), platform, manifests)
    return respond.json(answers.image(call.version, found))


async def history(call: Call) -> StreamResponse:
    platform = None if call.before(1, 48) else _platform_of(call.texts("platform"))
    return respond.json(await call.engine.images.history(call.name(), platform))


async def push(call: Call) -> StreamResponse:
    auth = decode_auth(call.request.headers.get("X-Registry-Auth"))
    platform = None if call.before(1, 46) else _platform_of(call.texts("platform"))
    return await respond.messages(call, call.engine.images.push(call.name(), call.text("tag"), platform, auth))


async def distribution(call: Call) -> StreamResponse:
    auth = decode_auth(call.request.headers.get("X-Registry-Auth"))
    return respond.json(await call.engine.images.distribution(call.name(), auth))


async def layers(call: Call) -> StreamResponse:
    """havre's own."""
    return respond.json(await call.engine.image_files.layers(call.name()))


async def diff(call: Call) -> StreamResponse:
    """havre's own: how the image ``to`` differs from ``from``."""
    return respond.json(await call.engine.image_files.diff(call.text("from"), call.text("to")))


async def tag(call: Call) -> StreamResponse:
    await call.engine.images.tag(call.name(), call.text("repo"), call.text("tag"))
    return respond.empty(201)


async def remove(call: Call) -> StreamResponse:
    if not call.name().strip():
        raise InvalidParameter("image name cannot be blank")
    platforms = [] if call.before(1, 50) else [_platform_of([text]) for text in call.texts("platforms")]
    wanted = [platform for platform in platforms if platform]
    removed = await call.engine.images.remove(call.name(), call.flag("force"), call.flag("noprune"), wanted)
    return respond.json(removed)


async def prune(call: Call) -> StreamResponse:
    return respond.json(await call.engine.images.prune(call.filters()))


async def attestations(call: Call) -> StreamResponse:
    """What was attested of an image is kept and pushed on, but not shown."""
    if len(platforms := call.texts("platform")) > 1:
        raise InvalidParameter("only one platform value is currently supported")
    _platform_of(platforms)
    await call.engine.images.inspect(call.name())
    raise Unsupported("havre does not implement the reading of attestations yet")


def _platforms(call: Call) -> list[str]:
    """The platforms to save or load; several may be asked for since 1.52."""
    if call.before(1, 48):
        return []
    given = call.texts("platform")
    each = [given] if call.before(1, 52) else [[one] for one in given]
    return [platform for platform in map(_platform_of, each) if platform]


def _platform_of(given: list[str]) -> str | None:
    """The one platform a query names, as ``os/architecture[/variant]``; it comes as JSON of the OCI platform object."""
    if len(given) > 1:
        raise InvalidParameter(
            "multiple platform parameters are not supported in this API version; use API version 1.52 or later"
        )
    if not given or not given[0]:
        return None
    platform = decode.fit(decode.parse(given[0].encode()), PlatformQuery)
    if not (platform.os and platform.architecture):
        raise InvalidParameter("both OS and Architecture must be provided")
    return "/".join(part for part in (platform.os, platform.architecture, platform.variant) if part)


def _has_tag(reference: str) -> bool:
    return "@" in reference or ":" in reference.rpartition("/")[2]
