"""``havre stats``: what containers use, as it changes."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.format import FORMAT_HELP
from havre.cli.format_stats import LISTING, Row
from havre.cli.names import part
from havre.errors import HavreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser
    from havre.client.http import Client

HELP = "Display a live stream of container(s) resource usage statistics"
USAGE = "havre stats [OPTIONS] [CONTAINER...]"

_REDRAW_SECONDS = 0.5
_STALE_SECONDS = 2.0
_FIRST_SECONDS = 5.0
_NOT_IMPLEMENTED = 501


def configure(parser: Parser) -> None:
    parser.flag("all", "a", "bool", "Show all containers (default shows just running)")
    parser.flag("format", "", "string", FORMAT_HELP)
    parser.flag("no-stream", "", "bool", "Disable streaming stats and only pull the first result")
    parser.flag("no-trunc", "", "bool", "Do not truncate output")
    parser.arity(0, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    source = args.format or ctx.config.text("statsFormat") or "table"
    screen = _Screen(ctx, source, trunc=not args.no_trunc)
    watch = _Watch(ctx, stream=not args.no_stream)
    names = args.args or _names(ctx, every=args.all)
    watch.add(names)
    watch.wait_first()
    watch.raise_failures(named=bool(args.args))
    if args.no_stream:
        screen.draw(watch.meters)
        return 0
    screen.clear()
    while True:
        screen.redraw(watch.meters)
        watch.sleep(_REDRAW_SECONDS)
        if not args.args:
            watch.keep(_names(ctx, every=args.all))
        elif watch.ended():
            return 0


def _names(ctx: Context, *, every: bool) -> list[str]:
    containers = ctx.client.get("/containers/json", {"all": every or None}).json()
    return [container["Id"][:12] for container in containers]


class _Screen:
    """Where the table is drawn: once, or again and again from the top."""

    def __init__(self, ctx: Context, source: str, *, trunc: bool) -> None:
        self._ctx = ctx
        self._source = source
        self._trunc = trunc

    def draw(self, meters: list[_Meter]) -> None:
        self._ctx.out.write(self._text(meters))

    def clear(self) -> None:
        self._ctx.out.write("\x1b[2J")

    def redraw(self, meters: list[_Meter]) -> None:
        # Each line clears what was behind it, the end what was below: nothing flickers.
        lines = self._text(meters).split("\n")
        self._ctx.out.write("\x1b[H" + "".join(f"{line} \x1b[K\n" for line in lines) + "\x1b[J")
        self._ctx.out.flush()

    def _text(self, meters: list[_Meter]) -> str:
        return LISTING.render([Row(meter.name, meter.numbers(), self._trunc) for meter in meters], self._source)


class _Watch:
    """The containers watched, each by a thread of its own with a connection of its own."""

    def __init__(self, ctx: Context, *, stream: bool) -> None:
        from threading import Event

        self._ctx = ctx
        self._stream = stream
        self._never = Event()
        self.meters: list[_Meter] = []

    def add(self, names: list[str]) -> None:
        from havre.client.http import Client

        known = {meter.name for meter in self.meters}
        for name in dict.fromkeys(names):
            if name not in known:
                client = Client(self._ctx.client.endpoint, self._ctx.client.version)
                self.meters.append(_Meter(client, name, stream=self._stream))

    def keep(self, names: list[str]) -> None:
        """Watch exactly these."""
        self.meters = [meter for meter in self.meters if meter.name in names]
        self.add(names)

    def wait_first(self) -> None:
        for meter in self.meters:
            meter.first.wait(_FIRST_SECONDS)

    def raise_failures(self, *, named: bool) -> None:
        """Those nobody ``named`` come and go and may fail; but a daemon without stats must not look like dashes."""
        failures = [meter.failure for meter in self.meters if meter.failure is not None]
        if not named:
            failures = [failure for failure in failures if getattr(failure, "status", None) == _NOT_IMPLEMENTED]
        if failures:
            raise CommandError("\n".join(dict.fromkeys(map(str, failures))))

    def ended(self) -> bool:
        return all(meter.done for meter in self.meters)

    def sleep(self, seconds: float) -> None:
        self._never.wait(seconds)


class _Meter:
    """One container's numbers, read in the background."""

    def __init__(self, client: Client, name: str, *, stream: bool) -> None:
        from threading import Event, Thread

        self.name = name
        self.first = Event()
        self.failure: HavreError | None = None
        self.done = False
        self._client = client
        self._stream = stream
        self._numbers: dict[str, Any] | None = None
        self._when = 0.0
        Thread(target=self._read, daemon=True, name=f"stats {name}").start()

    def numbers(self) -> dict[str, Any] | None:
        """The latest; None when they are too old to be true."""
        from time import monotonic

        return self._numbers if not self._stream or monotonic() - self._when < _STALE_SECONDS else None

    def _read(self) -> None:
        from time import monotonic

        from havre.wire.jsonlines import Decoder

        decoder = Decoder()
        try:
            response = self._client.get(f"/containers/{part('container', self.name)}/stats", {"stream": self._stream})
            for piece in response.iter_chunks():
                for numbers in decoder.feed(piece):
                    if isinstance(numbers, dict):
                        self._numbers, self._when = numbers, monotonic()
                        self.first.set()
        except HavreError as error:
            self.failure = error
        except (OSError, ValueError) as error:
            self.failure = CommandError(str(error))
        finally:
            self.done = True
            self.first.set()
            self._client.close()
