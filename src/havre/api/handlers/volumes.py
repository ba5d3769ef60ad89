"""Volumes."""

from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call
from havre.errors import Unavailable
from havre.wire.volumes import VolumeCreate


async def create(call: Call) -> StreamResponse:
    body = await call.body(VolumeCreate)
    if body.cluster_volume_spec is not None and not call.before(1, 42):
        raise Unavailable(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
            "to connect this node to swarm and try again."
        )
    created = await call.engine.volumes.create(
        body.name or None, body.driver, body.driver_opts or {}, body.labels or {}
    )
    return respond.json(created, 201)


async def list_(call: Call) -> StreamResponse:
    return respond.json(await call.engine.volumes.list(call.filters()))


async def inspect(call: Call) -> StreamResponse:
    return respond.json(await call.engine.volumes.inspect(call.name()))


async def remove(call: Call) -> StreamResponse:
    await call.engine.volumes.remove(call.name(), call.flag("force"))
    return respond.empty()


async def prune(call: Call) -> StreamResponse:
    filters = call.filters()
    if call.before(1, 42):
        # Since then only anonymous volumes are pruned unless the client says all.
        filters = filters.with_value("all", "true")
    return respond.json(await call.engine.volumes.prune(filters))
