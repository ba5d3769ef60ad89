"""What became of a container's files: changes, export, commit."""

from aiohttp.web_response import StreamResponse

from havre.api import decode, respond
from havre.api.call import Call
from havre.engine.images import new_name
from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig


async def changes(call: Call) -> StreamResponse:
    return respond.json(await call.engine.changes.list(call.name()))


async def export(call: Call) -> StreamResponse:
    chunks = await call.engine.export.export(call.name())
    return await respond.chunks(call, "application/octet-stream", chunks)


async def commit(call: Call) -> StreamResponse:
    name = new_name(call.text("repo"), call.text("tag"))
    document = await call.document()
    config = decode.fit(document, ContainerConfig) if document is not None else None
    if not (container := call.text("container")):
        raise InvalidParameter('invalid name or ID supplied: ""')
    image_id = await call.engine.commits.commit(
        container,
        name,
        config,
        call.texts("changes"),
        call.text("author"),
        call.text("comment"),
        # Clients that say nothing expect it since 1.13.
        not call.text("pause") or call.flag("pause"),
    )
    return respond.json({"Id": image_id}, 201)
