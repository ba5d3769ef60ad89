"""Where images of a registry are asked for, and which settings are refused."""

import asyncio
from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.image.remote.config import HostSettings, RegistryConfig
from havre.image.remote.trust import Trust


async def urls(config: RegistryConfig, domain: str) -> list[list[tuple[str, bool]]]:
    return [[(endpoint.url, endpoint.verify) for endpoint in place] for place in await config.places(domain)]


async def test_docker_hub_and_its_mirrors() -> None:
    config = RegistryConfig(mirrors=("https://mirror.test/", "http://127.0.0.1:5001", "https://mirror.test/"))
    places = await config.places("docker.io")
    assert [place[0].url for place in places] == [
        "https://mirror.test",
        "http://127.0.0.1:5001",
        "https://registry-1.docker.io",
    ]
    assert [place[0].mirror for place in places] == [True, True, False]
    assert [place[0].verify for place in places] == [True, False, True]


async def test_mirrors_serve_docker_hub_only() -> None:
    config = RegistryConfig(mirrors=("https://mirror.test",))
    assert await urls(config, "quay.test") == [[("https://quay.test", True)]]
    assert len(await config.places("docker.io", mirrors=False)) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "127.3.2.1", "localhost:5000", "[::1]:5000", "[::1]"])
async def test_the_loopback_may_speak_plain_http(host: str) -> None:
    assert await urls(RegistryConfig(), host) == [[(f"https://{host}", False), (f"http://{host}", False)]]


@pytest.mark.parametrize("entry", ["10.1.2.3:5000", "10.0.0.0/8", "http://10.1.2.3:5000", "10.1.2.3:5000/"])
async def test_insecure_registries_by_name_and_by_range(entry: str) -> None:
    config = RegistryConfig(insecure=(entry.removesuffix("/"),))
    assert await config.is_insecure("10.1.2.3:5000")
    assert not await config.is_insecure("11.1.2.3:5000")


async def test_a_name_means_that_port_only() -> None:
    config = RegistryConfig(insecure=("registry.test:5000",))
    assert await config.is_insecure("Registry.test:5000")
    assert not await config.is_insecure("registry.test")


async def test_a_name_nobody_knows_is_secure() -> None:
    assert not await RegistryConfig().is_insecure("no-such-host.invalid")


@pytest.mark.parametrize(
    ("mirror", "text"),
    [
        ("mirror.test", "no scheme specified"),
        ("ftp://mirror.test", 'unsupported scheme "ftp"'),
        ("https://", "not a valid URI"),
        ("https://mirror.test/?a=b", "query or fragment"),
        ("https://me:secret@mirror.test", "username/password not allowed"),
    ],
)
def test_mirrors_are_checked(mirror: str, text: str) -> None:
    with pytest.raises(InvalidParameter, match=text) as caught:
        RegistryConfig(mirrors=(mirror,))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("entry", ["ftp://x", "-x", "x-", "x/y", "x:99999", "", "bad_host!"])
def test_insecure_registries_are_checked(entry: str) -> None:
    with pytest.raises(InvalidParameter):
        RegistryConfig(insecure=(entry,))


def test_no_downloads_is_no_setting() -> None:
    with pytest.raises(InvalidParameter):
        RegistryConfig(downloads=0)


async def test_mirrors_of_any_registry_with_its_name_for_them() -> None:
    hosts = {
        "quay.test": HostSettings(("https://a/", "http://127.0.0.1:1/proxy")),
        "docker.io": HostSettings(("https://b",)),
    }
    config = RegistryConfig(mirrors=("https://hub",), hosts=hosts)
    places = await config.places("quay.test")
    assert [place[0].url for place in places] == ["https://a", "http://127.0.0.1:1/proxy", "https://quay.test"]
    assert [place[0].namespace for place in places] == ["quay.test", "quay.test", ""]
    hub = await config.places("index.docker.io")
    assert [(place[0].url, place[0].namespace) for place in hub[:-1]] == [
        ("https://hub", ""),
        ("https://b", "docker.io"),
    ]
    assert len(await config.places("quay.test", mirrors=False)) == 1


async def test_files_belong_to_the_host_that_is_spoken_to(tmp_path: Path) -> None:
    (tmp_path / "quay.test").mkdir()
    hosts = {"quay.test": HostSettings(("https://mirror.test",), ca="/quay"), "mirror.test": HostSettings(ca="/mirror")}
    config = RegistryConfig(certificates=(tmp_path,), hosts=hosts)
    mirror, registry = await config.places("quay.test")
    assert mirror[0].trust == Trust(ca="/mirror")
    assert registry[0].trust == Trust(tmp_path / "quay.test", ca="/quay")
    assert config.beside("https://token.test/x", registry[0]).trust == registry[0].trust
    assert config.beside("https://mirror.test/x", registry[0]).trust == mirror[0].trust


async def test_a_registry_that_is_said_to_be_insecure() -> None:
    config = RegistryConfig(hosts={"r.test:5000": HostSettings(insecure=True)})
    assert await urls(config, "R.test:5000") == [[("https://R.test:5000", False), ("http://R.test:5000", False)]]


@pytest.mark.parametrize(("answers", "insecure"), [(["127.0.0.1"], True), (["127.0.0.1", "192.0.2.1"], False)])
async def test_a_name_is_of_the_loopback_by_all_its_addresses(
    monkeypatch: pytest.MonkeyPatch, answers: list[str], insecure: bool
) -> None:
    async def resolved(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (answer, 0)) for answer in answers]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    assert await RegistryConfig().is_insecure("registry.example:443") is insecure
