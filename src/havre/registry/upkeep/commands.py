"""The command ``havre-registry gc``: asks the registry that runs on the root, or does it itself when none does."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from havre.errors import NotFound
from havre.lib.sizes import bytes_size
from havre.registry.control import ask
from havre.registry.layout import ROOT, Layout

_ABOUT = (
    "Remove what is of no use: tags and manifests that the retention rules let go, blobs that no manifest names, "
    "uploads nobody goes on with. A registry that runs on the root does it while it serves, by its own configuration; "
    "otherwise --config says by which rules."
)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``gc``."""
    gc = commands.add_parser("gc", help="remove what is of no use", description=_ABOUT)
    gc.add_argument("--config", metavar="FILE", help="the configuration, when no registry runs on the root")
    gc.add_argument("--root", type=Path, metavar="DIR", help=f"the registry's root (default {ROOT})")
    gc.add_argument("--dry-run", action="store_true", help="only tell what would go, and why")
    gc.add_argument("--json", action="store_true", help="print the report as JSON")
    gc.set_defaults(run=_gc)


def _gc(given: argparse.Namespace) -> str:
    # Configuration knows of this command, too.
    from havre.registry import config as configuration

    where = argparse.Namespace(command="gc", config=given.config, root=given.root)
    config = configuration.load(where)
    layout = Layout(config.root)
    if not layout.database.exists():
        raise NotFound(f"no registry is kept in {config.root}")
    report = ask(layout.control, "gc", dry=given.dry_run)
    if report is None:
        report = asyncio.run(_alone(config, given.dry_run))
    return (json.dumps(report) if given.json else _told(report, given.dry_run)) + "\n"


async def _alone(config: Any, dry: bool) -> Any:
    from havre.registry.assemble import Assembly
    from havre.registry.upkeep.assemble import summary

    assembly = Assembly(config)
    try:
        await assembly.open()
        # No client counts on anything.
        assembly.registry.leases.end()
        return summary(await assembly.collector.collect(dry=dry))
    finally:
        await assembly.stop()


def _told(report: dict[str, Any], dry: bool) -> str:
    verb = "would go" if dry else "removed"
    lines = [f"tag {repository}:{tag} ({digest}): {reason}" for repository, tag, digest, reason in report["tags"]]
    lines += [f"manifest {repository}@{digest}: {reason}" for repository, digest, reason in report["manifests"]]
    lines += [f"blob {repository}@{digest}: no manifest names it" for repository, digest, _ in report["blobs"]]
    lines.append(
        f"{verb}: {len(report['tags'])} tags, {len(report['manifests'])} manifests, {len(report['blobs'])} blobs of "
        f"repositories, {report['uploads']} uploads; {bytes_size(report['bytes'])} in {report['contents']} contents"
    )
    return "\n".join(lines)
