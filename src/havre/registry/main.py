"""The command ``havre-registry``."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence

from havre.errors import HavreError
from havre.registry import config as configuration


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the registry until it is told to end, or another command; the process's exit status."""
    given = configuration.parser().parse_args(arguments)
    try:
        if given.command != "serve":
            run: Callable[[argparse.Namespace], str] = given.run
            print(run(given), end="")
            return 0
        config = configuration.load(given)
        logging.basicConfig(
            level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        logging.getLogger("havre").setLevel(config.log_level.upper())
        os.umask(0o077)
        # It brings in most of the program: an error in the configuration is told without it.
        from havre.registry.serve import serve

        asyncio.run(serve(config))
        return 0
    except ModuleNotFoundError as error:
        print(f"havre-registry: {error.name} is not installed: pip install 'havre[registry]'", file=sys.stderr)
        return 1
    except HavreError as error:
        print(f"havre-registry: {error.message}", file=sys.stderr)
        return 1
