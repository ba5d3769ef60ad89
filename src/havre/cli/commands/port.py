"""``havre port``: where a container's ports are published."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "List port mappings or a specific mapping for the container"
USAGE = "havre port CONTAINER [PRIVATE_PORT[/PROTO]]"


def configure(parser: Parser) -> None:
    parser.arity(1, 2)


def run(args: Args, ctx: Context) -> int:
    name = args.args[0]
    wanted = args.args[1] if len(args.args) > 1 else ""
    port, _, protocol = wanted.partition("/")
    answer = ctx.client.get(f"/containers/{quote(name)}/json").json()
    published = answer.get("NetworkSettings", {}).get("Ports") or {}
    if not wanted:
        lines = _mappings(published)
    else:
        _check(port)
        bindings = published.get(f"{port}/{protocol or 'tcp'}")
        if not bindings:
            raise CommandError(f"Error: No public port '{wanted}' published for {name}")
        lines = [_address(binding) for binding in bindings]
    _print(ctx, lines)
    return 0


def print_ports(ctx: Context, published: dict[str, list[dict[str, str]] | None]) -> None:
    """Every port and where it is published, a line each."""
    _print(ctx, _mappings(published))


def _mappings(published: dict[str, list[dict[str, str]] | None]) -> list[str]:
    return [
        f"{private} -> {_address(binding)}" for private, bindings in published.items() for binding in bindings or ()
    ]


def _print(ctx: Context, lines: list[str]) -> None:
    for line in sorted(lines, key=natural):
        ctx.out.write(f"{line}\n")


def _check(port: str) -> None:
    problem = ""
    if not (port.isascii() and port.isdigit()):
        problem = "invalid syntax"
    elif int(port) > 65535:
        problem = "value out of range"
    if problem:
        raise CommandError(f'Error: invalid port ({port}): strconv.ParseUint: parsing "{port}": {problem}')


def _address(binding: dict[str, str]) -> str:
    host = binding["HostIp"]
    return f"[{host}]:{binding['HostPort']}" if ":" in host else f"{host}:{binding['HostPort']}"


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key by which ``9/tcp`` comes before ``80/tcp``: runs of digits count as numbers."""
    key: list[tuple[int, int, str]] = []
    digits = ""
    for char in text + "\0":
        if char.isascii() and char.isdigit():
            digits += char
            continue
        if digits:
            key.append((0, int(digits), ""))
            digits = ""
        key.append((1, 0, char))
    return key
