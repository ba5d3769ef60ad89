"""Deleting a file tree that a container made: it may be deeper than any path or call stack, and full of links.

Snapshots come in here. Nothing in the tree is followed, and nobody else may be writing to it any more.
"""

import os
import stat


def remove_tree(root: str | os.PathLike[str]) -> None:
    """Delete the directory ``root`` and all in it. What cannot be deleted is left, without an error.

    Each directory is moved up to lie directly in ``root`` before it is emptied, so no path gets long and nothing
    recurses. Killed in the middle, calling it again finishes the work.
    """
    top = os.fspath(root)
    pending = [top]
    moved = 0
    while pending:
        directory = pending.pop()
        for name in _names(directory):
            path = os.path.join(directory, name)
            try:
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    os.unlink(path)
                    continue
                if directory != top:
                    while os.path.lexists(place := os.path.join(top, f".removing-{moved}")):
                        moved += 1
                    os.rename(path, place)
                    path = place
                pending.append(path)
            except OSError:
                continue
        if directory != top:
            _rmdir(directory)
    _rmdir(top)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _rmdir(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass
