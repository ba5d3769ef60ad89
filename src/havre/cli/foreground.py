"""A container in the foreground: attached before it starts, its signals and terminal relayed, its exit code returned.

``run`` and ``start -a`` come in here with a container that is not running yet.
"""

from __future__ import annotations

from havre.cli import terminal
from havre.cli.signals import SignalRelay
from havre.cli.stream import Attachment, Detached
from havre.cli.waiting import Waiter, condition
from havre.client.errors import ApiError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from havre.cli.context import Context
    from havre.cli.trace import Trace


class Foreground:
    """One container to be run in the foreground. ``keys``: the detach keys, "" for the configured ones; ``forward``:
    pass signals on; ``remove``: the daemon removes the container at its end, and we wait for that too.
    """

    def __init__(
        self,
        ctx: Context,
        container: str,
        *,
        tty: bool,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        keys: str,
        forward: bool,
        remove: bool,
        trace: Trace,
    ) -> None:
        self._ctx = ctx
        self._container = container
        self._path = f"/containers/{quote(container)}"
        self._tty = tty
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self._keys = keys or ctx.config.text("detachKeys")
        self._forward = forward
        self._remove = remove
        self._trace = trace

    def run(self, start: Callable[[], None]) -> int:
        """Attach, ``start()``, join, wait → the exit code; 0 where the user detached."""
        ctx, trace = self._ctx, self._trace
        with trace.step("attach"):
            socket = ctx.client.hijack(f"{self._path}/attach", self._query())
        with socket, relay(ctx, self._path, self._forward, self._tty) as signals:
            waiter = Waiter(ctx.client, self._container, condition(self._remove))
            try:
                start()
            except ApiError:
                if self._remove:
                    # The daemon removes what it could not start; the name shall be free again when we return.
                    waiter.removed()
                raise
            signals.resize_now()
            join = Attachment(
                ctx,
                socket,
                tty=self._tty,
                stdin=self._stdin,
                output=self._stdout or self._stderr,
                keys=self._keys,
            )
            try:
                with trace.step("run"):
                    join.join()
            except Detached:
                waiter.close()
                return 0
            with trace.step("exit"):
                return waiter.result(ctx)

    def _query(self) -> dict[str, object]:
        wanted = {"stdin": self._stdin, "stdout": self._stdout, "stderr": self._stderr}
        return {"stream": True, **{name: True for name, on in wanted.items() if on}, "detachKeys": self._keys or None}


def relay(ctx: Context, path: str, forward: bool, tty: bool) -> SignalRelay:
    """The relay of signals and terminal size for the container or exec at ``path``, over a connection of its own."""
    out = terminal.descriptor_of(ctx.out)
    client = ctx.new_client()

    def kill(name: str) -> None:
        client.post(f"{path}/kill", {"signal": name}).read()

    def resize() -> None:
        rows, columns = terminal.size(out)
        if rows and columns:
            client.post(f"{path}/resize", {"h": rows, "w": columns}).read()

    return SignalRelay(kill if forward else None, resize if tty and terminal.is_terminal(out) else None)
