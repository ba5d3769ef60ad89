"""havre's own endpoints for volumes: export, import, clone, snapshots. Below ``/havre``, where Docker has nothing."""

from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call
from havre.engine.volumecopies import FORMATS
from havre.errors import InvalidParameter


async def export(call: Call) -> StreamResponse:
    format = call.text("format", "tar")
    chunks = await call.engine.volume_copies.export(call.name(), format)
    return await respond.chunks(call, FORMATS[format], chunks)


async def import_(call: Call) -> StreamResponse:
    labels = dict(_label(text) for text in call.texts("label"))
    made = await call.engine.volume_copies.import_(
        call.name(), call.chunks(), labels, call.flag("replace"), call.flag("devices")
    )
    return respond.json(made, 201)


async def clone(call: Call) -> StreamResponse:
    if not (to := call.text("to")):
        raise InvalidParameter("to: the clone needs a name")
    return respond.json(await call.engine.volume_copies.clone(call.name(), to, call.flag("pause", True)), 201)


async def snapshot(call: Call) -> StreamResponse:
    made = await call.engine.volume_copies.snapshot(call.name(), call.text("name"), call.flag("pause", True))
    return respond.json(made, 201)


async def snapshots(call: Call) -> StreamResponse:
    return respond.json(await call.engine.volume_copies.snapshots(call.name()))


async def restore(call: Call) -> StreamResponse:
    return respond.json(await call.engine.volume_copies.restore(call.name(), call.names["snapshot"]))


async def drop_snapshot(call: Call) -> StreamResponse:
    await call.engine.volume_copies.drop_snapshot(call.name(), call.names["snapshot"])
    return respond.empty()


def _label(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value
