"""The command ``havre-registry``."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from havre.errors import HavreError
from havre.registry import config as configuration


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the registry until it is told to end; the process's exit status."""
    try:
        config = configuration.load(arguments)
        logging.basicConfig(
            level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        logging.getLogger("havre").setLevel(config.log_level.upper())
        os.umask(0o077)
        # It brings in most of the program: an error in the configuration is told without it.
        from havre.registry.serve import serve

        asyncio.run(serve(config))
        return 0
    except HavreError as error:
        print(f"havre-registry: {error.message}", file=sys.stderr)
        return 1
