"""``havre volume snapshot``: keep what a volume has now under a name, list and remove snapshots, go back to one."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Take a snapshot of a volume, list its snapshots (--list), restore (--restore) or remove (--rm) one"
USAGE = "havre volume snapshot [OPTIONS] VOLUME [SNAPSHOT]"


def configure(parser: Parser) -> None:
    parser.flag("list", "l", "bool", "List the volume's snapshots, oldest first")
    parser.flag("pause", "p", "bool", "Pause containers that use the volume while it is copied", default=True)
    parser.flag("restore", "", "bool", "Replace the volume's files with the snapshot's; its containers must be stopped")
    parser.flag("rm", "", "bool", "Remove the snapshot")
    parser.arity(1, 2)


def run(args: Args, ctx: Context) -> int:
    """Prints the snapshot's name, which the daemon chooses if none is given: the time."""
    volume, name = args.args[0], args.args[1] if len(args.args) > 1 else ""
    verbs = [verb for verb in ("list", "restore", "rm") if getattr(args, verb)]
    if len(verbs) > 1:
        raise CommandError(f"conflicting options: --{verbs[0]} and --{verbs[1]}")
    if verbs and args.changed("pause"):
        raise CommandError(f"conflicting options: --pause and --{verbs[0]}")
    path = f"/havre/volumes/{part('volume', volume)}/snapshots"
    if verbs == ["list"]:
        if name:
            raise CommandError("--list shows all snapshots of a volume: no name is needed")
        return _list(ctx, path)
    if verbs and not name:
        raise CommandError(f"--{verbs[0]} needs the name of a snapshot")
    if verbs:
        one = f"{path}/{part('snapshot', name)}"
        if verbs == ["rm"]:
            ctx.client.delete(one).read()
        else:
            ctx.client.post(f"{one}/restore").read()
        ctx.out.write(f"{name}\n")
        return 0
    query = {"name": name or None, "pause": "1" if args.pause else "0"}
    ctx.out.write(f"{ctx.client.post(path, query).json()['Name']}\n")
    return 0


def _list(ctx: Context, path: str) -> int:
    rows = [("SNAPSHOT", "CREATED")]
    rows += [(one["Name"], one["CreatedAt"][:19] + "Z") for one in ctx.client.get(path).json()]
    width = max(len(name) for name, _ in rows)
    for name, created in rows:
        ctx.out.write(f"{name:<{width}}   {created}\n")
    return 0
