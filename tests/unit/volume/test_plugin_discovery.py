"""Where plugins are found, and what their files may say."""

import socket
from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.volume.plugins import PluginSettings
from havre.volume.plugins.discovery import Address, Tls, find, names


@pytest.fixture
def settings(tmp_path: Path) -> PluginSettings:
    for name in ("run", "etc", "usr"):
        (tmp_path / name).mkdir()
    return PluginSettings(tmp_path / "run", (tmp_path / "etc", tmp_path / "usr"))


def listen(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def test_sockets_come_first(settings: PluginSettings) -> None:
    listen(settings.sockets / "one.sock")
    listen(settings.sockets / "two" / "two.sock")
    (settings.sockets / "no.sock").touch()
    for name in ("one", "three"):
        (settings.specs[1] / f"{name}.spec").write_text("tcp://127.0.0.1:99\n")
    assert names(settings) == ["one", "three", "two"]
    assert find(settings, "one") == Address("one", f"unix://{settings.sockets}/one.sock")
    assert find(settings, "two") == Address("two", f"unix://{settings.sockets}/two/two.sock")
    assert find(settings, "three") == Address("three", "tcp://127.0.0.1:99")
    for missing in ("no", "four", "../one", "", "a/b"):
        assert find(settings, missing) is None


def test_documents(settings: PluginSettings) -> None:
    text = (
        '{"Name":"x","Addr":"https://host:1","TLSConfig":{"InsecureSkipVerify":false,"CAFile":"/ca","CertFile":"/c"}}'
    )
    (settings.specs[0] / "far.json").write_text(text)
    assert find(settings, "far") == Address("far", "https://host:1", Tls(False, "/ca", "/c"))


@pytest.mark.parametrize("text", ["", "nonsense", "gopher://x", "tcp://", "tcp://host:x", "tcp://host"])
def test_files_that_tell_nothing(settings: PluginSettings, text: str) -> None:
    (settings.specs[0] / "bad.spec").write_text(text)
    (settings.specs[0] / "worse.json").write_text(text)
    for name in ("bad", "worse"):
        with pytest.raises(InvalidParameter):
            find(settings, name)
