"""Changing ``config.json``, which docker and other tools share: read anew, changed in one place, replaced at once."""

from __future__ import annotations

import json
import os
from fcntl import LOCK_EX, flock

from havre.errors import SystemFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from havre.client.config import ConfigFile

    Values = dict[str, Any]


def change(config: ConfigFile, edit: Callable[[Values], Values | None]) -> None:
    """Let ``edit`` make new values of those the file has now (None: nothing changes), and write them durably.

    Keys nobody here knows stay as they are, a link stays a link; the file is its owner's to read only. Raises
    InvalidParameter when what is there cannot be understood, SystemFault when it cannot be written.
    """
    path = os.path.realpath(config.path)
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(directory)
            # Somebody else may have logged in while we waited for a password.
            values = edit(config.reread())
            if values is not None:
                _replace(path, json.dumps(values, indent="\t", ensure_ascii=False))
                os.fsync(directory)
                config.reread()
        finally:
            os.close(directory)
    except OSError as error:
        raise SystemFault(str(error)) from error


def _lock(directory: int) -> None:
    try:
        flock(directory, LOCK_EX)
    except OSError:
        # Some network file systems know no locks. The file is still replaced at once, as other tools do it.
        pass


def _replace(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.unlink(temporary)  # of a process that was killed and had our number
    except FileNotFoundError:
        pass
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            _give_to_owner(path, descriptor)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _give_to_owner(path: str, descriptor: int) -> None:
    """With sudo, the file stays that of the user."""
    try:
        there = os.stat(path)
        os.fchown(descriptor, there.st_uid, there.st_gid)
    except OSError:
        pass
