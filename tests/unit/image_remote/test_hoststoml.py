"""containerd's files of registries' hosts."""

from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.image.remote.config import RegistryConfig
from havre.image.remote.hoststoml import Hosts, read
from havre.image.remote.trust import Trust

WHOLE = """
server = "https://quay.test"
ca = "server.pem"

[host."https://mirror.test/"]
  capabilities = ["pull", "resolve"]
  ca = ["ca.pem"]
  client = [["client.cert", "/abs/client.key"]]

[host."http://plain.test:5000/v2"]
  skip_verify = true
  override_path = true

[host."push.test"]
  capabilities = ["push"]
"""


async def test_all_of_it(tmp_path: Path) -> None:
    directory = tmp_path / "quay.test"
    directory.mkdir()
    (directory / "hosts.toml").write_text(WHOLE)
    first, second, last = (place[0] for place in await RegistryConfig(certificates=(tmp_path,)).places("quay.test"))
    assert (first.url, first.mirror, first.namespace, first.verify) == ("https://mirror.test", True, "quay.test", True)
    client = Trust(None, str(directory / "ca.pem"), str(directory / "client.cert"), "/abs/client.key")
    assert first.trust == client
    assert (second.url, second.verify) == ("http://plain.test:5000", False)
    assert (last.url, last.mirror, last.trust) == ("https://quay.test", False, Trust(ca=str(directory / "server.pem")))


async def test_without_a_server_it_is_the_registry_s_own(tmp_path: Path) -> None:
    (tmp_path / "quay.test").mkdir()
    (tmp_path / "quay.test" / "hosts.toml").write_text('[host."https://mirror.test"]\n')
    places = await RegistryConfig(certificates=(tmp_path,)).places("quay.test")
    assert [place[0].url for place in places] == ["https://mirror.test", "https://quay.test"]


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path) == Hosts()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "invalid .*hosts.toml: "),
        ("host = 7", "invalid .*hosts.toml: "),
        ('[host."https://m"]\nheader = {x = "y"}', "header of https://m: not supported"),
        ('[host."ftp://m"]', "no address of a registry"),
        ('[host."https://m/path"]\noverride_path = true', "override_path"),
        ('[host."https://m"]\nca = ["a", "b", "c"]', "one ca and one client certificate"),
        ('[host."https://m"]\nca = 7', "a path is wanted"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "hosts.toml").write_text(text)
    with pytest.raises(InvalidParameter, match=reason):
        read(tmp_path)
