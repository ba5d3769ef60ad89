"""The command ``havre-registry replication status``."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from havre.errors import Conflict
from havre.registry.control import ask
from havre.registry.layout import ROOT, Layout


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``replication``."""
    whole = commands.add_parser("replication", help="how far replication is")
    verbs = whole.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    status = verbs.add_parser("status", help="what is done, waiting, and failing at each target")
    status.add_argument("--config", metavar="FILE", help="the configuration, which may name the root")
    status.add_argument("--root", type=Path, metavar="DIR", help=f"its root (default {ROOT})")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    status.set_defaults(run=_status)


def _status(given: argparse.Namespace) -> str:
    # Configuration knows of this command, too.
    from havre.registry import config as configuration

    root = configuration.load(argparse.Namespace(command="status", config=given.config, root=given.root)).root
    found = ask(Layout(root).control, "replication")
    if found is None:
        raise Conflict(f"no registry runs on {root}")
    told = "\n".join(map(_told, found)) or "nothing is replicated: the configuration names no target"
    return (json.dumps(found) if given.json else told) + "\n"


def _told(target: dict[str, Any]) -> str:
    lines = [f"{target['target']}: {target['done']} replicated, {target['waiting']} waiting"]
    for failed in target["failed"]:
        pause = max(0, int(failed["due"] - time.time()))
        lines.append(
            f"  {failed['repository']}:{failed['reference']}: failed {failed['attempts']} times, again in {pause} s: "
            f"{failed['error']}"
        )
    return "\n".join(lines)
