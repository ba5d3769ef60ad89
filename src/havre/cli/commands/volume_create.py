"""``havre volume create``: make a volume."""

from __future__ import annotations

from havre.cli.envfile import check_label
from havre.cli.errors import CommandError
from havre.cli.keyvalues import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create a volume"
USAGE = "havre volume create [OPTIONS] [VOLUME]"

# The flags of cluster volumes, which need a cluster.
_CLUSTER = (
    "availability",
    "group",
    "limit-bytes",
    "required-bytes",
    "scope",
    "secret",
    "sharing",
    "topology-preferred",
    "topology-required",
    "type",
)


def configure(parser: Parser) -> None:
    """Docker's flags; those of cluster volumes are known here only to be refused by name."""
    flag = parser.flag
    flag("availability", "", "string", 'Cluster Volume availability ("active", "pause", "drain")', default="active")
    flag("driver", "d", "string", "Specify volume driver name", default="local")
    flag("group", "", "string", "Cluster Volume group (cluster volumes)")
    flag("label", "", "list", "Set metadata for a volume", convert=check_label)
    flag("limit-bytes", "", "bytes", "Minimum size of the Cluster Volume in bytes")
    flag("opt", "o", "map", "Set driver specific options")
    flag("required-bytes", "", "bytes", "Maximum size of the Cluster Volume in bytes")
    flag("scope", "", "string", 'Cluster Volume access scope ("single", "multi")', default="single")
    flag("secret", "", "map", "Cluster Volume secrets")
    flag(
        "sharing",
        "",
        "string",
        'Cluster Volume access sharing ("none", "readonly", "onewriter", "all")',
        default="none",
    )
    flag("topology-preferred", "", "list", "A topology that the Cluster Volume would be preferred in")
    flag("topology-required", "", "list", "A topology that the Cluster Volume must be accessible from")
    flag("type", "", "string", 'Cluster Volume access type ("mount", "block")', default="block")
    parser.arity(0, 1)


def run(args: Args, ctx: Context) -> int:
    for name in _CLUSTER:
        if args.changed(name):
            raise CommandError(f"--{name}: cluster volumes are not supported")
    given = {
        "Driver": args.driver,
        "DriverOpts": pairs(args.opt),
        "Labels": pairs(args.label),
        "Name": args.args[0] if args.args else "",
    }
    body = {name: value for name, value in given.items() if value}
    ctx.out.write(f"{ctx.client.post('/volumes/create', body=body).json()['Name']}\n")
    return 0
