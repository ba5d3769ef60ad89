"""Unpacking what a container sends: faithful for honest archives, and a corpus of hostile ones that must not
get out.
"""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from havre.cli.errors import CommandError
from havre.cli.pack import Packer, content_size
from havre.cli.unpack import Unpacker

Build = Callable[[tarfile.TarFile], None]


def archive(build: Build, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        build(tar)
    return out.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes | None = None, **fields: object) -> None:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    if content is not None:
        info.size = len(content)
    tar.addfile(info, io.BytesIO(content or b""))


def directory(tar: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    add(tar, name, type=tarfile.DIRTYPE, mode=mode)


def link(tar: tarfile.TarFile, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
    add(tar, name, type=kind, linkname=target)


def cut(data: bytes, size: int = 1000) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def unpack(into: Path, data: bytes, wanted: str = ".") -> int:
    return Unpacker(str(into), wanted, lambda name: name).unpack(cut(data))


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """The destination, with something beside it that must stay as it is."""
    made = tmp_path / "box"
    made.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("precious")
    return made


def untouched(box: Path) -> bool:
    outside = box.parent / "outside"
    names = sorted(p.name for p in box.parent.iterdir())
    return (
        names == ["box", "outside"]
        and [p.name for p in outside.iterdir()] == ["precious"]
        and (outside / "precious").read_text() == "precious"
    )


def test_an_honest_archive(box: Path) -> None:
    def build(tar: tarfile.TarFile) -> None:
        directory(tar, "d", 0o750)
        add(tar, "d/file", b"x" * 100_000, mode=0o640, mtime=1_000_000_000)
        link(tar, "d/link", "/etc/passwd")
        link(tar, "d/hard", "d/file", tarfile.LNKTYPE)
        add(tar, "d/pipe", type=tarfile.FIFOTYPE, mode=0o600)
        add(tar, "d/" + "long" * 60, b"long")
        add(tar, "made/on/the/way", b"y")

    data = archive(build)
    assert unpack(box, data) == len(data)
    found = (box / "d" / "file").stat()
    assert (found.st_mode & 0o7777, found.st_mtime, found.st_nlink) == (0o640, 1_000_000_000, 2)
    assert (box / "d" / "file").read_bytes() == b"x" * 100_000
    assert os.readlink(box / "d" / "link") == "/etc/passwd"
    assert (box / "d").stat().st_mode & 0o777 == 0o750
    assert (box / "d" / "pipe").is_fifo()
    assert (box / "d" / ("long" * 60)).read_text() == "long"
    assert (box / "made/on/the/way").read_text() == "y"


def test_what_is_there_is_replaced_or_merged(box: Path) -> None:
    (box / "file").write_text("old and longer")
    (box / "link").symlink_to("../outside/precious")
    (box / "d").mkdir()
    (box / "d" / "kept").write_text("kept")

    def build(tar: tarfile.TarFile) -> None:
        add(tar, "file", b"new")
        add(tar, "link", b"no longer a link")
        directory(tar, "d")
        add(tar, "d/added", b"added")

    unpack(box, archive(build))
    assert (box / "file").read_text() == "new"
    assert not (box / "link").is_symlink()
    assert sorted(p.name for p in (box / "d").iterdir()) == ["added", "kept"]
    assert untouched(box)


def test_directories_without_permission_to_write_are_filled_first(box: Path) -> None:
    def build(tar: tarfile.TarFile) -> None:
        directory(tar, "d", 0o555)
        add(tar, "d/file", b"x")

    unpack(box, archive(build))
    assert (box / "d").stat().st_mode & 0o777 == 0o555


def test_set_user_id_bits_do_not_come_along(box: Path) -> None:
    unpack(box, archive(lambda tar: add(tar, "su", b"#!", mode=0o6755)))
    assert (box / "su").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    ("there", "build", "text"),
    [
        ("d/", lambda tar: add(tar, "d", b"x"), "cannot overwrite directory"),
        ("f", lambda tar: directory(tar, "f"), "cannot overwrite non-directory"),
        ("f", lambda tar: add(tar, "f/x", b"x"), "link or no directory"),
    ],
)
def test_directories_and_files_do_not_replace_each_other(box: Path, there: str, build: Build, text: str) -> None:
    (box / there).mkdir() if there.endswith("/") else (box / there).write_text("")
    with pytest.raises(CommandError, match=text):
        unpack(box, archive(build))


def through_link(target: str) -> Build:
    def build(tar: tarfile.TarFile) -> None:
        link(tar, "way", target)
        add(tar, "way/evil", b"evil")

    return build


def twice(tar: tarfile.TarFile) -> None:
    link(tar, "f", "../outside/precious")
    add(tar, "f", b"evil")


def hard_through_link(tar: tarfile.TarFile) -> None:
    link(tar, "way", "../outside")
    link(tar, "got", "way/precious", tarfile.LNKTYPE)


def hard_to_link(tar: tarfile.TarFile) -> None:
    link(tar, "soft", "../outside/precious")
    link(tar, "got", "soft", tarfile.LNKTYPE)
    add(tar, "got", b"evil")


def directory_over_link(tar: tarfile.TarFile) -> None:
    link(tar, "way", "../outside")
    directory(tar, "way", 0o777)
    add(tar, "way/evil", b"evil")


def chain(tar: tarfile.TarFile) -> None:
    directory(tar, "a")
    link(tar, "a/b", "..")
    link(tar, "a/b/c", "../outside")
    add(tar, "a/b/c/evil", b"evil")


HOSTILE: dict[str, Build] = {
    "parent": lambda tar: add(tar, "../outside/evil", b"evil"),
    "parent in the middle": lambda tar: add(tar, "a/../../outside/evil", b"evil"),
    "only parent": lambda tar: directory(tar, ".."),
    "through a relative link": through_link("../outside"),
    "through an absolute link": through_link("/tmp"),
    "through a link to itself": through_link("."),
    "a directory over a link": directory_over_link,
    "a chain of links": chain,
    "a hard link outside": lambda tar: link(tar, "h", "../outside/precious", tarfile.LNKTYPE),
    "a hard link to nothing": lambda tar: link(tar, "h", "", tarfile.LNKTYPE),
    "a hard link through a link": hard_through_link,
    "a device": lambda tar: add(tar, "disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
    "no name": lambda tar: add(tar, "", b"x"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(box: Path, name: str) -> None:
    with pytest.raises(CommandError):
        unpack(box, archive(HOSTILE[name]))
    assert untouched(box)
    assert not list(box.rglob("evil"))


@pytest.mark.parametrize("build", [twice, hard_to_link])
def test_files_replace_links_and_never_what_they_point_to(box: Path, build: Build) -> None:
    unpack(box, archive(build))
    assert untouched(box)


def test_absolute_names_stay_inside(box: Path) -> None:
    unpack(box, archive(lambda tar: add(tar, "/etc/evil", b"x")))
    assert (box / "etc" / "evil").read_text() == "x"


def test_only_what_was_asked_for(box: Path) -> None:
    def build(tar: tarfile.TarFile) -> None:
        add(tar, "wanted", b"x")
        add(tar, ".bashrc", b"evil")

    with pytest.raises(CommandError, match=r"'\.bashrc'.*not asked for"):
        unpack(box, archive(build), wanted="wanted")
    assert not (box / ".bashrc").exists()


def test_an_endless_extension_header_is_refused(box: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    info.size = 1 << 32
    with pytest.raises(CommandError, match="extension header is too long"):
        unpack(box, info.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))


@pytest.mark.parametrize("size", [1, 511, 600, 1100])
def test_an_archive_that_is_cut_off(box: Path, size: int) -> None:
    data = archive(lambda tar: add(tar, "f", b"x" * 2000))
    with pytest.raises(CommandError, match="invalid tar stream"):
        unpack(box, data[:size])


NAMES = ["a", "a/b", "b", "..", "a/..", "/x", ".", "a/b/c", "../y"]
TARGETS = ["..", "/", "a", "b", "../outside", "a/b"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("fdlh"), st.sampled_from(NAMES), st.sampled_from(TARGETS)), max_size=8),
)
def test_no_mixture_gets_out(tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str, str]]) -> None:
    top = tmp_path_factory.mktemp("mix")
    box = top / "box"
    box.mkdir()
    (top / "outside").mkdir()
    (top / "outside" / "precious").write_text("precious")

    def build(tar: tarfile.TarFile) -> None:
        for kind, name, target in entries:
            if kind == "f":
                add(tar, name, b"evil")
            elif kind == "d":
                directory(tar, name)
            else:
                link(tar, name, target, tarfile.SYMTYPE if kind == "l" else tarfile.LNKTYPE)

    try:
        unpack(box, archive(build))
    except CommandError:
        pass
    assert untouched(box)
    assert (top / "outside" / "precious").stat().st_nlink == 1


def test_packing_and_unpacking_gives_the_same_tree(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub" / "empty").mkdir(parents=True)
    (source / "file").write_bytes(os.urandom(300_000))
    (source / "sub" / "ümlaut \n").write_text("x")
    os.link(source / "file", source / "sub" / "hard")
    (source / "sub" / "soft").symlink_to("../file")
    (source / "bytes\udcff").write_text("not text")
    os.utime(source / "file", ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    box = tmp_path / "box"
    box.mkdir()
    packer = Packer(str(tmp_path), "source", lambda name: name)
    Unpacker(str(box), "source", lambda name: name).unpack(packer.stream())
    assert sorted(os.listdir(box / "source")) == sorted(os.listdir(source))
    assert (box / "source" / "file").read_bytes() == (source / "file").read_bytes()
    assert (box / "source" / "file").stat().st_nlink == 2
    assert int((box / "source" / "file").stat().st_mtime) == 1_600_000_000
    assert os.readlink(box / "source" / "sub" / "soft") == "../file"
    assert packer.size == content_size(str(source)) - 300_000


def test_packing_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"open {tmp_path}/nope: no such file or directory"):
        list(Packer(str(tmp_path), "nope", lambda name: name).stream())
