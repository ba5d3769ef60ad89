"""The daemon's own log, on stderr: one line a record, in dockerd's form so that tools that read that read this."""

import logging
import sys
import time

# dockerd knows one level more than Python, and names another differently.
_LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}
_NAMES = {number: name for name, number in _LEVELS.items()}


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        level = _NAMES.get(record.levelno, "info")
        fraction = int(record.created % 1 * 1_000_000_000)
        return f'time="{moment}.{fraction:09d}Z" level={level} msg={_quote(text)} module={_module(record.name)}'


def configure(level: str) -> None:
    """Send all records of ``level`` and above to stderr, and nothing of libraries below warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # What nobody formats need not be collected.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    set_level(level)


def set_level(level: str) -> None:
    """Change the level of havre's own records."""
    logging.getLogger("havre").setLevel(_LEVELS[level])


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _module(name: str) -> str:
    return name.removeprefix("havre.")
