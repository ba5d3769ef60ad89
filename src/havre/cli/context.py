"""What a command works with: the client, the configuration and the three streams. ``main`` makes one a run."""

from __future__ import annotations

import os
import sys

from havre.cli.errors import CommandError
from havre.client.config import ConfigFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TextIO

    from havre.cli.parser import Args
    from havre.client.http import Client


class Context:
    """``out``, ``err`` and ``stdin`` are text streams over ``.buffer`` (bytes); ``command`` is the command as typed
    ("run", "container run"); ``debug`` is ``-D``. The client connects at its first request, not here.
    """

    def __init__(
        self,
        options: Args,
        command: str,
        *,
        environ: Mapping[str, str] = os.environ,
        stdin: TextIO | None = None,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.options = options
        self.command = command
        self.environ = environ
        self.stdin = stdin or sys.stdin
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self.config = ConfigFile(options.config, environ)
        self._client: Client | None = None

    @property
    def debug(self) -> bool:
        return bool(self.options.debug)

    @property
    def client(self) -> Client:
        """The client of the daemon that -H, --context and the environment name. Raises InvalidParameter for a bad
        address.
        """
        if self._client is None:
            from havre.client.http import Client
            from havre.client.resolve import resolve

            endpoint = resolve(self.options, self.config, self.environ)
            version = self.environ.get("DOCKER_API_VERSION", "").removeprefix("v") or None
            headers = {}
            if os.path.exists(self.config.path):
                headers = {name: str(value) for name, value in self.config.table("HttpHeaders").items()}
                headers.pop("User-Agent", None)
            self._client = Client(endpoint, version, headers)
        return self._client

    def each(self, names: Iterable[str], action: Callable[[str], object]) -> int:
        """Run ``action`` for each name; one that fails does not stop the others. Docker's exit code: 1 if any failed.

        A success prints the name; an ``action`` that prints something itself returns False.
        """
        from havre.client.errors import DaemonUnreachable
        from havre.errors import HavreError

        failures: list[str] = []
        for name in names:
            try:
                if action(name) is not False:
                    self.out.write(f"{name}\n")
            except DaemonUnreachable:
                raise
            except HavreError as error:
                failures.append(str(error))
        if failures:
            self.out.flush()
            raise CommandError("\n".join(failures))
        return 0

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
