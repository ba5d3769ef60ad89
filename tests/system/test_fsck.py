"""``havre system fsck``: damage done to a data root by hand is found, and mended where it can be."""

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon, havre_for
from tests.system.harness import Havred
from tests.system.programs import Output, Program


class Root:
    """A daemon whose data root is damaged."""

    def __init__(self, daemon: Havred, havre: Program) -> None:
        self.daemon = daemon
        self.havre = havre

    def check(self, *flags: str, code: int = 0) -> Output:
        return self.havre("system", "fsck", *flags, code=code)

    def image(self) -> dict[str, object]:
        found: dict[str, object] = self.daemon.api("GET", "/images/busybox/json").json()
        return found

    def blob(self, digest: str) -> Path:
        algorithm, _, name = digest.partition(":")
        return self.daemon.data_root / "blobs" / algorithm / name

    def layer(self) -> Path:
        """The files of busybox's layer."""
        return next(self.daemon.data_root.glob("snapshots/*/fs/bin")).parent

    def layer_blob(self) -> Path:
        return max((self.daemon.data_root / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)


@pytest.fixture
def root(new_havred: NewDaemon, tmp_path: Path) -> Root:
    daemon = new_havred()
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    return Root(daemon, havre_for(daemon, tmp_path))


def test_nothing_is_wrong_with_what_havre_makes(root: Root) -> None:
    root.havre(
        "run", "--name", "one", "-v", "vol:/v", "busybox", "sh", "-c", "echo x > /file; rm /bin/false; mkdir /v/d"
    )
    root.havre("commit", "one", "made")
    root.havre("export", "-o", str(root.daemon.data_root.parent / "c.tar"), "one")
    root.havre("import", str(root.daemon.data_root.parent / "c.tar"), "flat")
    found = root.check()
    assert found.err == "" and "0 problems" in found.out, found
    assert "1 containers, 1 volumes" in found.out
    assert root.check("-q").out == ""
    root.havre("rm", "-v", "one")


def test_a_damaged_layer_is_unpacked_anew(root: Root) -> None:
    layer = root.layer()
    (layer / "bin/added").write_text("planted")
    (layer / "bin/busybox").write_bytes(b"\x7fELF broken")
    (layer / "etc").chmod(0o700)
    found = root.check(code=1)
    for words in ("bin/added: does not belong there", "bin/busybox: has 11 bytes", "etc: mode is 700", "1 problems"):
        assert words in found.out, found.out
    root.daemon.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]}, name="one")
    mended = root.check("--repair")
    assert "unpacked anew" in mended.out and "0 problems left, 1 repaired" in mended.out
    assert root.havre("run", "--rm", "busybox", "echo", "works").out == "works\n"
    assert "0 problems" in root.check().out
    root.havre("rm", "one")


def test_a_layer_whose_files_are_gone_is_unpacked_anew(root: Root) -> None:
    shutil.rmtree(root.layer().parent)
    assert "its files are gone" in root.check(code=1).out
    mended = root.check("--repair")
    assert "unpacked anew" in mended.out and "0 problems left, 1 repaired" in mended.out
    assert root.havre("run", "--rm", "busybox", "echo", "works").out == "works\n"
    assert "0 problems" in root.check().out


def test_an_image_of_which_a_restart_finds_no_layer_is_loaded_again(root: Root) -> None:
    shutil.rmtree(root.layer().parent)
    root.daemon.restart()
    found = root.check(code=1)
    assert "its record cannot be read: layer sha256:" in found.out and "is not unpacked" in found.out
    assert "forgotten" in root.check("--repair").out
    root.daemon.load(images.busybox().archive("busybox:latest"))
    assert root.havre("run", "--rm", "busybox", "echo", "works").out == "works\n"
    assert "0 problems" in root.check().out


def test_a_layer_in_use_is_left_alone(root: Root) -> None:
    root.havre("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    planted = root.layer() / "planted"
    planted.write_text("x")
    found = root.check("--repair", code=1)
    assert "it is in use: stop the containers that stand on it first" in found.out
    root.havre("rm", "-f", "one")
    assert "1 repaired" in root.check("--repair").out
    assert not planted.exists()


def test_a_damaged_blob_is_deleted_and_pulled_or_loaded_again(root: Root) -> None:
    blob = root.layer_blob()
    before = blob.read_bytes()
    with blob.open("r+b") as file:
        file.seek(100)
        file.write(b"damage")
    found = root.check(code=1)
    assert f"blob sha256:{blob.name}: its content is sha256:" in found.out
    assert "it runs, but cannot be pushed or saved" in found.out
    root.check("--repair", code=1)
    assert not blob.exists()
    assert root.havre("run", "--rm", "busybox", "echo", "runs").out == "runs\n"
    root.daemon.load(images.busybox().archive("busybox:latest"))
    assert blob.read_bytes() == before
    assert "0 problems" in root.check().out


def test_an_image_without_its_configuration(root: Root) -> None:
    configuration = root.blob(str(root.image()["Id"]))
    configuration.unlink()
    found = root.check(code=1)
    assert "image busybox:latest: its configuration is damaged or gone" in found.out
    root.daemon.restart()
    found = root.check(code=1)
    assert "its record cannot be read" in found.out
    assert "forgotten" in root.check("--repair").out
    root.daemon.load(images.busybox().archive("busybox:latest"))
    assert "0 problems" in root.check().out


def test_records_without_files(root: Root) -> None:
    root.havre("create", "--name", "one", "-v", "vol:/v", "busybox")
    identity = root.daemon.inspect("one")["Id"]
    shutil.rmtree(root.daemon.data_root / "volumes" / "vol" / "_data")
    shutil.rmtree(root.daemon.data_root / "containers" / identity)
    found = root.check(code=1)
    assert "container one: its directory is gone" in found.out
    assert "volume vol: its directory is gone" in found.out
    assert "2 problems" in found.out
    (root.daemon.data_root / "containers" / identity).mkdir()
    (root.daemon.data_root / "volumes" / "vol" / "_data").mkdir()
    root.havre("rm", "-v", "one")


def test_what_nobody_needs_is_told_of_and_taken_away(root: Root) -> None:
    content = b"of no image"
    blob = root.blob(f"sha256:{hashlib.sha256(content).hexdigest()}")
    blob.write_bytes(content)
    found = root.check()
    assert "unused 1 blobs: 11 bytes that no image has" in found.out
    assert "0 problems, some content that nobody needs" in found.out
    assert "11 bytes freed" in root.check("--repair").out
    assert not blob.exists()
