"""Waiting for a container's end: asked before the start, answered after it."""

from __future__ import annotations

from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.client.http import Client
    from havre.client.response import Response

ENGINE_FAILURE = 125
REMOVAL_PATIENCE = 10.0


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
        except ProtocolError as error:
            ctx.err.write(f"error waiting for container: {error}\n")
            return ENGINE_FAILURE
        if failure := answer.get("Error"):
            ctx.err.write(f"Error waiting for container: {failure.get('Message', '')}\n")
            return ENGINE_FAILURE
        return int(answer.get("StatusCode", 0))

    def removed(self) -> None:
        """After a start that failed: wait until the daemon has removed the container (``--rm``), within reason."""
        from havre.client.errors import ProtocolError

        self._response.limit(REMOVAL_PATIENCE)
        try:
            self._response.read()
        except ProtocolError:
            # It is not gone in time; what the user has to know is why the start failed.
            pass

    def close(self) -> None:
        self._response.close()


def condition(remove: bool) -> str:
    """What ``run`` and ``start -a`` wait for: with ``--rm``, the container's removal."""
    return "removed" if remove else "next-exit"
