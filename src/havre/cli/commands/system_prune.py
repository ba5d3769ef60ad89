"""``havre system prune``: remove everything that is not used."""

from __future__ import annotations

from havre.cli import filterflag
from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove unused data"
USAGE = "havre system prune [OPTIONS]"


def configure(parser: Parser) -> None:
    parser.flag("all", "a", "bool", "Remove all unused images not just dangling ones")
    filterflag.declare(parser, help='Provide filter values (e.g. "label=<key>=<value>")')
    parser.flag("force", "f", "bool", "Do not prompt for confirmation")
    parser.flag("volumes", "", "bool", "Prune anonymous volumes")


def run(args: Args, ctx: Context) -> int:
    from havre.cli import pruning
    from havre.cli.prompt import confirm

    if args.volumes and any(name == "until" for name, _ in args.filter):
        raise CommandError('ERROR: The "until" filter is not supported with "--volumes"')
    if not args.force and not confirm(ctx, _warning(args)):
        return 0
    done = [pruning.containers(ctx, args.filter), pruning.networks(ctx, args.filter)]
    if args.volumes:
        done.append(pruning.volumes(ctx, args.filter))
    done.append(pruning.images(ctx, args.filter, every=args.all))
    done.append(pruning.build_cache(ctx, args.filter, every=args.all))
    for _, text in done:
        if text:
            ctx.out.write(f"{text}\n")
    ctx.out.write(f"{pruning.total(sum(size for size, _ in done))}\n")
    return 0


def _warning(args: Args) -> str:
    things = ["all stopped containers", "all networks not used by at least one container"]
    if args.volumes:
        things.append("all anonymous volumes not used by at least one container")
    things.append("all images without at least one container associated to them" if args.all else "all dangling images")
    things.append("all build cache" if args.all else "unused build cache")
    text = "WARNING! This will remove:\n" + "".join(f"  - {thing}\n" for thing in things)
    shown = sorted(f"{name}={value}" for name, value in args.filter if name in ("label", "label!", "until"))
    if shown:
        text += "\n  Items to be pruned will be filtered with:\n" + "".join(f"  - {item}\n" for item in shown)
    return f"{text}\nAre you sure you want to continue?"
