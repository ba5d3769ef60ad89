"""What havre does not have: what is not written yet says so by name, the rest is the true answer of a host without."""

import shutil

from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call
from havre.api.router import Handler
from havre.errors import NotFound, Unavailable, Unsupported


def not_yet(what: str) -> Handler:
    """A handler that refuses with 501 and the name of what is missing."""

    async def refuse(call: Call) -> StreamResponse:
        raise Unsupported(f"havre does not implement {what} yet")

    return refuse


async def no_checkpoints(call: Call) -> StreamResponse:
    """Docker's answer outside of its experimental mode, and why it is so here."""
    criu = "criu is not installed on this host" if shutil.which("criu") is None else "havre does not use criu yet"
    raise Unsupported(
        "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to "
        f"enable it. (Checkpoints need criu: {criu}.)"
    )


async def no_swarm(call: Call) -> StreamResponse:
    """The answer of a Docker engine outside of a swarm."""
    raise Unavailable(
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
        "to connect this node to swarm and try again."
    )


async def not_in_swarm(call: Call) -> StreamResponse:
    raise Unavailable("This node is not part of a swarm")


async def update_volume(call: Call) -> StreamResponse:
    raise Unavailable("volume update only valid for cluster volumes, but swarm is unavailable")


async def list_plugins(call: Call) -> StreamResponse:
    """None is installed, for none can be."""
    return respond.json([])


async def no_plugin(call: Call) -> StreamResponse:
    raise NotFound(f'plugin "{call.name()}" not found')
