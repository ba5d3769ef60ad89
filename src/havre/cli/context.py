"""What a command works with: the client, the configuration and the three streams. ``main`` makes one a run."""

from __future__ import annotations

import os
import sys
from time import perf_counter

from havre.cli.errors import CommandError
from havre.client.config import ConfigFile
from havre.errors import HavreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TextIO

    from havre.cli.parser import Args
    from havre.client.http import Client

MOST_AT_ONCE = 50


class Context:
    """``out``, ``err`` and ``stdin`` are text streams over ``.buffer`` (bytes); ``command`` is the command as typed
    ("run", "container run"); ``debug`` is ``-D``; ``began`` is when the program began (``time.perf_counter``);
    ``needs`` are flags that were given and the API versions they need. The client connects at its first request, not
    here.
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
        began: float | None = None,
        needs: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.options = options
        self.command = command
        self.environ = environ
        self.stdin = stdin or sys.stdin
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self.config = ConfigFile(options.config, environ, lambda text: self.err.write(f"WARNING: {text}\n"))
        self.began = perf_counter() if began is None else began
        self._needs = needs
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
            self._client = self.new_client()
        return self._client

    def new_client(self) -> Client:
        """A client of its own for another thread: one client serves one caller at a time."""
        from havre.client.http import Client
        from havre.client.resolve import resolve

        endpoint = resolve(self.options, self.config, self.environ)
        version = self.environ.get("DOCKER_API_VERSION", "").removeprefix("v") or None
        if version is None and self._client is not None and self._client.settled:
            version = self._client.version
        headers = {name: str(value) for name, value in self.config.table("HttpHeaders").items()}
        if given := self.environ.get("DOCKER_CUSTOM_HEADERS"):
            from havre.cli.customheaders import read

            headers |= read(given)
        headers.pop("User-Agent", None)
        client = Client(endpoint, version, headers)
        client.require(self._needs)
        return client

    def each(self, names: Iterable[str], action: Callable[[str], object]) -> int:
        """Run ``action`` for each name; one that fails does not stop the others. Docker's exit code: 1 if any failed.

        A success prints the name; an ``action`` that prints something itself returns False.
        """
        return self._report((name, _outcome(action, name)) for name in names)

    def each_at_once(self, names: list[str], action: Callable[[Client, str], object]) -> int:
        """As ``each``, with all of them under way at the same time: ``action`` gets a client of its own with
        the name.
        """
        if len(names) == 1:
            return self.each(names, lambda name: action(self.client, name))
        from concurrent.futures import ThreadPoolExecutor

        def one(name: str) -> object:
            client = self.new_client()
            try:
                return _outcome(lambda name: action(client, name), name)
            finally:
                client.close()

        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
            return self._report(zip(names, pool.map(one, names), strict=True))

    def each_container(self, names: list[str], verb: str, query: Mapping[str, object] | None = None) -> int:
        """``POST /containers/NAME/verb`` for each, all at the same time."""
        from havre.client.query import quote

        return self.each_at_once(
            names, lambda client, name: client.post(f"/containers/{quote(name)}/{verb}", query).read()
        )

    def _report(self, outcomes: Iterable[tuple[str, object]]) -> int:
        failures: list[str] = []
        for name, outcome in outcomes:
            if isinstance(outcome, HavreError):
                failures.append(str(outcome))
            elif outcome is not False:
                self.out.write(f"{name}\n")
        if failures:
            raise CommandError("\n".join(failures))
        return 0

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def _outcome(action: Callable[[str], object], name: str) -> object:
    """What ``action`` returned, or the failure of this one object; a daemon out of reach fails them all."""
    from havre.client.errors import DaemonUnreachable

    try:
        return action(name)
    except DaemonUnreachable:
        raise
    except HavreError as error:
        return error
