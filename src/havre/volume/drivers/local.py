"""Local volumes: ``<volumes>/<name>/_data`` on the daemon's own disk, where Docker has them too.

With the options ``type``, ``device`` and ``o`` that is but a mount point, with something on it while it is in use.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from havre.errors import SystemFault
from havre.kernel import mounts
from havre.store.files import sync_directory
from havre.volume import mountoptions
from havre.volume.drivers.localcopies import LocalCopies

log = logging.getLogger(__name__)

# No volume's name can begin with a dot.
_HIDDEN = ".removed-"


class LocalDriver:
    """The driver called ``local``."""

    name = "local"

    def __init__(self, volumes: Path) -> None:
        self._volumes = volumes
        self.copies = LocalCopies(volumes)

    def check(self, options: Mapping[str, str]) -> None:
        """Those that mount something (type, device, o); size only as far as it asks for nothing."""
        mountoptions.check(options)

    def mounts(self, options: Mapping[str, str]) -> bool:
        return mountoptions.mounted(options)

    def mount(self, name: str, options: Mapping[str, str]) -> None:
        mountoptions.mount(options, self.path(name))

    def unmount(self, name: str) -> None:
        mounts.unmount_all(self.path(name))

    def create(self, name: str) -> None:
        home = self._volumes / name
        if (home / "_data").is_dir():
            return
        home.mkdir(mode=0o701, exist_ok=True)
        (home / "_data").mkdir(mode=0o755, exist_ok=True)
        # The mask of the process may have taken something away: containers of any user enter here.
        (home / "_data").chmod(0o755)
        home.chmod(0o701)
        sync_directory(home)
        sync_directory(self._volumes)

    def path(self, name: str) -> Path:
        return self._volumes / name / "_data"

    def take_away(self, name: str) -> None:
        hidden = self._hidden(name)
        if hidden.exists():
            self.discard(name)
        # What is mounted there is somebody else's: it must be gone before anything is deleted.
        self.unmount(name)
        try:
            (self._volumes / name).rename(hidden)
        except FileNotFoundError:
            return
        sync_directory(self._volumes)

    def discard(self, name: str) -> None:
        _erase(self._hidden(name))

    def recover(self, names: frozenset[str]) -> None:
        self.copies.recover(names)
        for hidden in self._volumes.glob(f"{_HIDDEN}*"):
            name = hidden.name.removeprefix(_HIDDEN)
            if name in names and not (self._volumes / name).exists():
                hidden.rename(self._volumes / name)
                log.info("volume %s: its removal was interrupted, it is back", name)
            else:
                _erase(hidden)
        for home in list(self._volumes.iterdir()):
            if home.name not in names:
                # Made for a record that was never written, unless somebody put files there: those are not ours to lose.
                with suppress(OSError):
                    (home / "_data").rmdir()
                with suppress(OSError):
                    home.rmdir()
        for name in names:
            self.create(name)

    def usage(self, name: str) -> int:
        seen: set[tuple[int, int]] = set()
        total = 0
        for status in _files(self.path(name)):
            if (key := (status.st_dev, status.st_ino)) not in seen:
                seen.add(key)
                total += status.st_size
        return total

    def _hidden(self, name: str) -> Path:
        return self._volumes / f"{_HIDDEN}{name}"


def _erase(hidden: Path) -> None:
    """Delete a volume, but nothing that is mounted in it."""
    place = os.path.realpath(hidden)
    for entry in reversed(mounts.mountinfo()):
        if entry.target.startswith(f"{place}/"):
            mounts.unmount(entry.target, detach=True)
    if any(entry.target.startswith(f"{place}/") for entry in mounts.mountinfo()):
        raise SystemFault(f"{place} has something mounted in it: it is not deleted")
    shutil.rmtree(hidden, ignore_errors=True)


def _files(directory: Path) -> Iterator[os.stat_result]:
    """The status of everything below ``directory`` but directories; what vanishes meanwhile is passed over."""
    waiting = [os.fspath(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            continue
