"""Layers looked into: what each adds and hides, and how two stacks differ."""

import os
import stat
from pathlib import Path

import pytest

from havre.image.explore import Change, differences, stacked
from havre.kernel import overlayfs


class Layers:
    """Layers in overlayfs' format, made by hand."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self, name: str, *gone: str, opaque: tuple[str, ...] = (), **files: str) -> Path:
        upper = self.directory / name
        upper.mkdir()
        for path, text in files.items():
            file = upper / path.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            os.utime(file, (1, 1))
        for path in gone:
            (upper / path).parent.mkdir(parents=True, exist_ok=True)
            os.mknod(upper / path, stat.S_IFCHR, overlayfs.WHITEOUT)
        for path in opaque:
            (upper / path).mkdir(exist_ok=True)
            os.setxattr(upper / path, overlayfs.OPAQUE, b"y")
        return upper


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path)


def test_what_each_layer_does(layers: Layers) -> None:
    one = layers.make("1", a="aaaa", d__x="xx", d__y="yyy", o__p="pp")
    two = layers.make("2", "d/x", a="b", e="eeeee", opaque=("o",))
    three = layers.make("3", "d")
    tree, found = stacked([one, two, three])
    assert [(each.added, each.changed, each.deleted, each.size, each.wasted) for each in found] == [
        (6, 0, 0, 11, 0),
        (1, 1, 2, 6, 4 + 2 + 2),
        (0, 0, 1, 0, 3),
    ]
    assert found[1].largest == [("/e", 5), ("/a", 1)]
    assert [path for path, _ in tree.walk()] == ["/a", "/e", "/o"]
    assert tree.size == 6


def test_a_file_and_a_directory_take_each_others_place(layers: Layers) -> None:
    _, found = stacked([layers.make("1", a__b="bb", c="c"), layers.make("2", a="file", c__d="dd")])
    assert (found[1].changed, found[1].added, found[1].wasted) == (2, 1, 3)


def test_differences(layers: Layers) -> None:
    base = layers.make("1", same="s", changed="one", moded="m", gone="g", d__x="x", link="x", timed="t")
    left = layers.make("2", new__only="1")
    (left / "l").symlink_to("a")
    right = layers.make("3", "gone", "d", changed="two2", moded="m", timed="t", added__x="12", added__y="3")
    (right / "moded").chmod(0o600)
    os.chown(right / "moded", 5, 6)
    os.utime(right / "timed", (9, 9))
    os.utime(right / "moded", (1, 1))
    (right / "l").symlink_to("b")
    first, _ = stacked([base, left])
    second, _ = stacked([base, right])
    assert differences(first, second) == [
        Change("A", "/added/", 0, 3),
        Change("C", "/changed", 3, 4, "content"),
        Change("D", "/d/", 1, 0),
        Change("D", "/gone", 1, 0),
        Change("C", "/l", 0, 0, "link a → b"),
        Change("C", "/moded", 1, 1, "mode 644 → 600, owner 0:0 → 5:6"),
        Change("D", "/new/", 1, 0),
        Change("C", "/timed", 1, 1, "time"),
    ]
    assert differences(first, stacked([base, left])[0]) == []


def test_kinds_that_differ(layers: Layers) -> None:
    first, _ = stacked([layers.make("1", a="x", b__c="y")])
    second, _ = stacked([layers.make("2", a__b="x", b="y")])
    assert [(change.kind, change.path, change.what) for change in differences(first, second)] == [
        ("C", "/a", "kind"),
        ("C", "/b", "kind"),
    ]
