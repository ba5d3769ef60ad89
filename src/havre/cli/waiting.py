"""Waiting for a container's end: asked before the start, answered after it."""

from __future__ import annotations

from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.client.http import Client
    from havre.client.response import Response

ENGINE_FAILURE = 125


class Waiter:
    """A wait that the daemon has taken note of. ``condition``: ``next-exit``, ``removed`` or "" (not running)."""

    def __init__(self, client: Client, container: str, condition: str) -> None:
        query = {"condition": condition} if condition else None
        # The answer's head comes when the wait is registered, its body when the container has ended.
        self._response: Response = client.post(f"/containers/{quote(container)}/wait", query)

    def result(self, ctx: Context) -> int:
        """The container's exit code; 125, with the reason on stderr, where the daemon could not wait to the end."""
        from havre.client.errors import ProtocolError

        try:
            answer = self._response.json()
        except (ProtocolError, OSError) as error:
            ctx.err.write(f"error waiting for container: {error}\n")
            return ENGINE_FAILURE
        if failure := answer.get("Error"):
            ctx.err.write(f"Error waiting for container: {failure.get('Message', '')}\n")
            return ENGINE_FAILURE
        return int(answer.get("StatusCode", 0))

    def close(self) -> None:
        self._response.close()


def condition(remove: bool) -> str:
    """What ``run`` and ``start -a`` wait for: with ``--rm``, the container's removal."""
    return "removed" if remove else "next-exit"
