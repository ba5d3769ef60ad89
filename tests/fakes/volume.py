"""A volume driver in a directory that can be told to fail."""

from collections.abc import Mapping
from pathlib import Path

from havre.errors import InvalidParameter


class FakeVolumeDriver:
    """Keeps volumes as ``<root>/<name>``, hidden ones as ``<root>/-<name>``; ``failing`` names calls that raise."""

    name = "fake"

    def __init__(self, root: Path) -> None:
        self._root = root
        self.failing: set[str] = set()

    def check(self, options: Mapping[str, str]) -> None:
        for option in options:
            raise InvalidParameter(f'invalid option: "{option}"')

    def mounts(self, options: Mapping[str, str]) -> bool:
        return False

    def mount(self, name: str, options: Mapping[str, str]) -> None:
        raise AssertionError("nothing is to be mounted")

    def unmount(self, name: str) -> None:
        return

    def create(self, name: str) -> None:
        self._step("create")
        self.path(name).mkdir(exist_ok=True)

    def path(self, name: str) -> Path:
        return self._root / name

    def take_away(self, name: str) -> None:
        self._step("take_away")
        if self.path(name).exists():
            _delete(self._root / f"-{name}")
            self.path(name).rename(self._root / f"-{name}")

    def discard(self, name: str) -> None:
        self._step("discard")
        _delete(self._root / f"-{name}")

    def recover(self, names: frozenset[str]) -> None:
        for hidden in self._root.glob("-*"):
            name = hidden.name[1:]
            if name in names and not self.path(name).exists():
                hidden.rename(self.path(name))
            else:
                _delete(hidden)
        for path in list(self._root.iterdir()):
            if path.name not in names and not any(path.iterdir()):
                path.rmdir()
        for name in names:
            self.create(name)

    def usage(self, name: str) -> int:
        files = {entry.stat().st_ino: entry.stat().st_size for entry in self.path(name).rglob("*") if entry.is_file()}
        return sum(files.values())

    def _step(self, name: str) -> None:
        if name in self.failing:
            raise OSError(5, "told to fail")


def _delete(path: Path) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            _delete(entry)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


class NothingToMount:
    """Volumes that are all there by themselves, in the place of ``VolumeMounts``."""

    async def mount(self, container: str, index: int, name: str, shown: str = "") -> Path | None:
        return None

    def path(self, container: str, index: int) -> Path | None:
        return None

    def marker(self, container: str, index: int) -> Path | None:
        return None

    async def release(self, container: str) -> None:
        return
