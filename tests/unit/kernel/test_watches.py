"""inotify on several paths at once."""

from pathlib import Path

import pytest

from havre.kernel.watches import CREATE, MODIFY, MOVED_TO, Watches


def test_tells_which_path_and_which_name(tmp_path: Path) -> None:
    watches = Watches()
    try:
        directory = watches.add(tmp_path, CREATE | MOVED_TO)
        (tmp_path / "new").touch()
        file = watches.add(tmp_path / "new", MODIFY)
        (tmp_path / "new").write_text("x")
        (tmp_path / "new").rename(tmp_path / "moved")
        found = [(event.watch, event.mask, event.name) for event in watches.read()]
        assert found[0] == (directory, CREATE, b"new")
        assert (file, MODIFY, b"") in found
        assert found[-1] == (directory, MOVED_TO, b"moved")
        assert watches.read() == []
        watches.remove(file)
        watches.remove(file)
        with pytest.raises(FileNotFoundError, match="nothing"):
            watches.add(tmp_path / "nothing", MODIFY)
    finally:
        watches.close()
