"""The command ``havred``: configuration, sockets, the engine, and the signals that end or reload it."""

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from havre import __version__
from havre.daemon import config as configuration
from havre.daemon import containerdefaults, listeners, log, notify, registrysettings
from havre.daemon import flags as command_line
from havre.daemon.config import Config
from havre.daemon.flags import Flags
from havre.daemon.pidfile import PidFile
from havre.errors import HavreError
from havre.kernel import heap

if TYPE_CHECKING:
    from havre.daemon.assemble import Daemon

logger = logging.getLogger(__name__)

_FORCE_AFTER = 3
# A container takes about ten. Not the most there is: programs in containers inherit it, and some close them all.
_DESCRIPTORS = 65_536


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon until it is told to end; returns the process's exit status."""
    try:
        flags = command_line.parse(arguments)
        config = configuration.load(flags)
        containerdefaults.check(config)
        registrysettings.check(config)
        if flags.validate:
            print("configuration OK", file=sys.stderr)
            return 0
        if os.geteuid() != 0:
            print("havred needs to be started with root privileges", file=sys.stderr)
            return 1
        log.configure(config.level)
        _settle_limits()
        return asyncio.run(_run(flags, config))
    except asyncio.CancelledError:
        logger.info("ended by a signal while starting up")
        return 0
    except HavreError as error:
        print(f"havred: {error.message}", file=sys.stderr)
        return 1
    except Exception:
        logger.critical("the daemon has failed", exc_info=True)
        return 1


def _settle_limits() -> None:
    """Make what we inherited fit a daemon: files that others may read, descriptors for many containers."""
    os.umask(0o022)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(flags: Flags, config: Config) -> int:
    pidfile = PidFile(config.pid_path)
    pidfile.acquire()
    try:
        # Before the state is touched: a daemon that cannot listen must not disturb what another one left.
        opened = listeners.open_all(config)
        try:
            await _serve(flags, config, opened)
        finally:
            for listener in opened:
                listener.close()
    finally:
        pidfile.release()
    return 0


async def _serve(flags: Flags, config: Config, opened: list[listeners.Listener]) -> None:
    # These bring in most of the program: an error in the configuration is told without them.
    from havre.daemon.assemble import assemble
    from havre.daemon.serve import ApiServer

    logger.info("starting up: havred %s, data root %s", __version__, config.data_root)
    end = _End()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, _log_tasks)
    daemon = await assemble(config)
    server = ApiServer(daemon.engine, daemon.builds, opened)
    loop.add_signal_handler(signal.SIGHUP, _reload, flags, daemon)
    await daemon.start()
    end.started()
    await server.start()
    # All that start-up made stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    # Reading modules and records has left 5 MB of holes.
    heap.give_back()
    logger.info("daemon has completed initialization")
    notify.notify("READY=1")
    try:
        await end.wait()
    finally:
        logger.info("processing signal: shutting down")
        notify.notify("STOPPING=1")
        await server.stop_accepting()
        await daemon.stop()
        await server.close()
        logger.info("daemon shutdown complete")


class _End:
    """SIGTERM and SIGINT: they cancel a start that is under way and end a daemon that runs; three of them force it."""

    def __init__(self) -> None:
        self._starting = asyncio.current_task()
        self._asked = asyncio.Event()
        self._count = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled, number)

    def started(self) -> None:
        """From now on the end is an orderly one."""
        self._starting = None

    async def wait(self) -> None:
        """Return when the daemon is to end."""
        await self._asked.wait()

    def _signalled(self, number: int) -> None:
        self._count += 1
        if self._count >= _FORCE_AFTER:
            logger.error("forcing daemon shutdown without cleanup after %d signals", _FORCE_AFTER)
            os._exit(128 + number)
        self._asked.set()
        if self._starting is not None:
            self._starting.cancel()


def _log_tasks() -> None:
    """SIGUSR1: write where every task stands, for whoever wonders what the daemon waits for."""
    for task in asyncio.all_tasks():
        places = []
        waiting: Any = task.get_coro()
        # From the task inwards, each coroutine awaits the next one.
        while (frame := getattr(waiting, "cr_frame", None)) is not None:
            places.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            waiting = waiting.cr_await
        logger.info("task %s waits at %s for %r", task.get_name(), " > ".join(places), waiting)


def _reload(flags: Flags, daemon: "Daemon") -> None:
    """SIGHUP: take what may change while running (see ``Daemon.reload``) from the configuration as it is now."""
    try:
        config = configuration.load(flags)
        registrysettings.check(config)
    except HavreError as error:
        logger.error("the configuration stays as it was: %s", error.message)
        return
    log.set_level(config.level)
    daemon.reload(config)
    logger.info("reloaded configuration: labels [%s], log level %s", " ".join(config.labels), config.level)
