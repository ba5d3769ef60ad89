"""The options of local volumes, read: what they mean for mount(2), and what is refused."""

import re
from pathlib import Path

import pytest

from havre.errors import HavreError, InvalidParameter, SystemFault
from havre.kernel import mounts
from havre.volume import mountoptions


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"nonsense": "1"}, 'invalid option: "nonsense"'),
        ({"type": "ext4"}, 'missing required option: "device"'),
        ({"device": "/dev/x"}, 'missing required option: "type"'),
        ({"o": "ro"}, 'missing required option: "device"'),
        ({"size": "1g"}, "quota size requested but no quota support"),
        ({"size": "much"}, "invalid size: 'much'"),
        ({"size": "9" * 400}, "quota size requested but no quota support"),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m\0,uid=3"}, "invalid value of option o"),
    ],
)
def test_refusals(options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        mountoptions.check(options)


@pytest.mark.parametrize("device", ["//[server/share", "//server:99999/share"])
def test_a_server_that_is_none(device: str) -> None:
    with pytest.raises(SystemFault, match=re.escape(f"error parsing mount device url: {device}: ")):
        mountoptions.mount({"type": "cifs", "device": device}, Path("/nowhere"))


def test_what_is_mounted() -> None:
    for options in ({}, {"size": "0"}):
        mountoptions.check(options)
        assert not mountoptions.mounted(options)
    mountoptions.check({"type": "", "device": ""})
    assert mountoptions.mounted({"type": "", "device": ""})


def test_words() -> None:
    assert mountoptions.words_of("") == (0, "")
    assert mountoptions.words_of("ro,size=1m,nosuid,rw,,uid=7") == (mounts.MS_NOSUID, "size=1m,uid=7")
    assert mountoptions.words_of("rbind,rslave,ro")[0] == (
        mounts.MS_BIND | mounts.MS_REC | mounts.MS_SLAVE | mounts.MS_RDONLY
    )


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gets addresses, of whatever the host resolves; passwords are in no error."""
    calls: list[tuple[str, str]] = []

    def call(what: str, source: str, target: object, kind: str, flags: int, data: str) -> None:
        calls.append((source, data))

    monkeypatch.setattr(mountoptions, "_call", call)
    nfs = {"type": "nfs", "device": ":/path"}
    mountoptions.mount({**nfs, "o": "addr=localhost,vers=4"}, mountoptions.Path("/x"))
    mountoptions.mount({**nfs, "o": "addr=10.0.0.1"}, mountoptions.Path("/x"))
    mountoptions.mount({"type": "cifs", "device": "//localhost/share", "o": ""}, mountoptions.Path("/x"))
    assert calls == [(":/path", "addr=127.0.0.1,vers=4"), (":/path", "addr=10.0.0.1"), ("//127.0.0.1/share", "")]
    with pytest.raises(SystemFault, match=r"network volume address: lookup no\.invalid"):
        mountoptions.mount({**nfs, "o": "addr=no.invalid"}, mountoptions.Path("/x"))


def test_secrets_are_not_told(tmp_path: mountoptions.Path) -> None:
    options = {"type": "nosuch", "device": "x", "o": "username=me,password=geheim,ro"}
    with pytest.raises(HavreError) as told:
        mountoptions.mount(options, tmp_path)
    assert "geheim" not in told.value.message and "password=********" in told.value.message
