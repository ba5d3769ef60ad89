"""Containers: create, list, inspect and their way through life."""

import msgspec
from aiohttp.web_response import StreamResponse

from havre.api import answers, compat, decode, respond
from havre.api.call import Call
from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig, HostConfig, NetworkingConfig

# How long the steps of a start took, for ``havre run --trace``: a JSON list of [name, start, duration] in milliseconds.
_TRACE = "X-Havre-Trace"
_CONFIGURATION = {field.encode_name.lower() for field in msgspec.structs.fields(ContainerConfig)}


async def create(call: Call) -> StreamResponse:
    document = decode.parse(await call.read_json())
    config = decode.fit({} if document is None else document, ContainerConfig)
    parts = {key.lower(): value for key, value in (document or {}).items() if value is not None}
    host = decode.fit(parts.get("hostconfig", {}), HostConfig, "HostConfig")
    networking = decode.fit(parts.get("networkingconfig", {}), NetworkingConfig, "NetworkingConfig")
    if not _CONFIGURATION & {key.lower() for key in document or ()}:
        raise InvalidParameter("config cannot be empty in order to create a container")
    warnings = compat.adapt_create(call.version, config, host, networking)
    platform = None if call.before(1, 41) else call.text("platform") or None
    created = await call.engine.create.create(call.text("name") or None, config, host, networking, platform)
    return respond.json({"Id": created.id, "Warnings": [*created.warnings, *warnings]}, 201)


async def list_(call: Call) -> StreamResponse:
    filters = call.filters()
    # Parameters of the very first API; dockerd still serves them.
    for key in ("since", "before"):
        if value := call.text(key):
            filters = filters.with_value(key, value)
    limit = call.integer("limit")
    found = await call.engine.listing.list(call.flag("all"), limit, call.flag("size"), filters)
    return respond.json(answers.container_list(call.version, found))


async def inspect(call: Call) -> StreamResponse:
    found = await call.engine.listing.inspect(call.name(), call.flag("size"))
    return respond.json(answers.container(call.version, found))


async def top(call: Call) -> StreamResponse:
    return respond.json(await call.engine.processes.top(call.name(), call.text("ps_args")))


async def start(call: Call) -> StreamResponse:
    # A HostConfig in the body was the way before API 1.24; what cannot be a JSON object is let pass, as by dockerd.
    if (call.request.content_length or 0) > 7 or call.request.headers.get("Transfer-Encoding"):
        raise InvalidParameter(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"
        )
    if call.text("checkpoint"):
        await call.engine.listing.inspect(call.name(), False)
        raise InvalidParameter("checkpoint is only supported in experimental mode")
    trace = await call.engine.lifecycle.start(call.name())
    response = respond.empty()
    response.headers[_TRACE] = msgspec.json.encode(trace.steps).decode()
    return response


async def stop(call: Call) -> StreamResponse:
    await call.engine.lifecycle.stop(call.name(), _stop_signal(call), call.integer("t"))
    return respond.empty()


async def restart(call: Call) -> StreamResponse:
    await call.engine.lifecycle.restart(call.name(), _stop_signal(call), call.integer("t"))
    return respond.empty()


async def kill(call: Call) -> StreamResponse:
    await call.engine.lifecycle.kill(call.name(), call.text("signal") or None)
    return respond.empty()


async def pause(call: Call) -> StreamResponse:
    await call.engine.lifecycle.pause(call.name())
    return respond.empty()


async def unpause(call: Call) -> StreamResponse:
    await call.engine.lifecycle.unpause(call.name())
    return respond.empty()


async def remove(call: Call) -> StreamResponse:
    await call.engine.removal.remove(call.name(), call.flag("force"), call.flag("v"), call.flag("link"))
    return respond.empty()


async def rename(call: Call) -> StreamResponse:
    await call.engine.lifecycle.rename(call.name(), call.text("name"))
    return respond.empty()


async def update(call: Call) -> StreamResponse:
    document = await call.document()
    if not isinstance(document, dict | None):
        raise InvalidParameter("invalid JSON: cannot unmarshal the request body into an update of a container")
    asked = decode.fit(compat.adapt_update(call.version, document or {}), HostConfig, "UpdateConfig")
    return respond.json(await call.engine.update.update(call.name(), asked))


async def resize(call: Call) -> StreamResponse:
    rows, columns = call.size()
    await call.engine.lifecycle.resize(call.name(), rows, columns)
    return respond.empty(200)


async def prune(call: Call) -> StreamResponse:
    return respond.json(await call.engine.removal.prune(call.filters()))


def _stop_signal(call: Call) -> str | None:
    return None if call.before(1, 42) else call.text("signal") or None
