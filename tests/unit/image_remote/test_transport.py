"""HTTP as registries need it: certificates, proxies, silence."""

import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from havre.image.remote.config import Endpoint
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.proxies import Proxies, Proxy
from havre.image.remote.transport import Transport, open_session
from havre.image.remote.trust import Contexts, Trust
from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeRegistry, serving


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``own.cert`` and ``own.key``, of an authority nobody knows: itself."""
    directory = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=registry"
    files = ["-keyout", directory / "own.key", "-out", directory / "own.cert"]
    words = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", *files]
    subprocess.run(words, check=True, capture_output=True)
    return directory


@pytest.fixture
async def secure(certificate: Path) -> AsyncIterator[FakeRegistry]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "own.cert", certificate / "own.key")
    async with serving(context) as server:
        yield server


async def status(transport: Transport, endpoint: Endpoint, url: str = "") -> int:
    async with transport.request("GET", url or f"{endpoint.url}/v2/", endpoint) as response:
        return response.status


async def test_an_unknown_authority_is_refused(session: aiohttp.ClientSession, secure: FakeRegistry) -> None:
    with pytest.raises(RemoteFailure) as caught:
        await status(Transport(session), Endpoint(f"https://{secure.host}"))
    assert caught.value.text == (
        f'Get "https://{secure.host}/v2/": '
        "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    )
    assert not caught.value.transient


async def test_an_insecure_registry_is_not_verified(session: aiohttp.ClientSession, secure: FakeRegistry) -> None:
    assert await status(Transport(session), Endpoint(f"https://{secure.host}", verify=False)) == 200


async def test_an_authority_for_one_host(
    session: aiohttp.ClientSession, secure: FakeRegistry, certificate: Path, tmp_path: Path
) -> None:
    directory = tmp_path / secure.host
    directory.mkdir()
    transport = Transport(session)
    endpoint = Endpoint(f"https://{secure.host}", trust=Trust(directory))
    (directory / "ca.crt").write_bytes((certificate / "own.cert").read_bytes())
    assert await status(transport, endpoint) == 200
    (directory / "ca.crt").write_bytes(b"nonsense")
    with pytest.raises(RemoteFailure, match="cannot use the certificates in"):
        await status(transport, endpoint)


async def test_a_certificate_of_our_own(session: aiohttp.ClientSession, certificate: Path, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate / "own.cert"))
    context.load_cert_chain(certificate / "own.cert", certificate / "own.key")
    context.verify_mode = ssl.CERT_REQUIRED
    async with serving(context) as server:
        endpoint = Endpoint(f"https://{server.host}", verify=False)
        with pytest.raises(RemoteFailure):
            await status(Transport(session), endpoint)
        directory = tmp_path / server.host
        directory.mkdir()
        for name in ("own.cert", "own.key"):
            (directory / name).write_bytes((certificate / name).read_bytes())
        assert await status(Transport(session), replace(endpoint, trust=Trust(directory))) == 200
        named = Trust(cert=str(certificate / "own.cert"), key=str(certificate / "own.key"))
        assert await status(Transport(session), replace(endpoint, trust=named)) == 200
        (directory / "own.key").unlink()
        with pytest.raises(RemoteFailure, match=r"missing key own\.key for client certificate own\.cert"):
            await status(Transport(session), replace(endpoint, trust=Trust(directory)))


async def test_connections_are_kept_for_as_long_as_certificates_stay_the_same(certificate: Path) -> None:
    contexts, trust = Contexts(), Trust(ca=str(certificate / "own.cert"))
    first = contexts.of(trust, True)
    assert contexts.of(trust, True) is first and contexts.of(trust, False) is not first
    os.utime(certificate / "own.cert", (1, 1))
    assert contexts.of(trust, True) is not first
    assert contexts.of(Trust(), True) is True


async def test_a_proxy_is_used_with_its_password(session: aiohttp.ClientSession, registry: FakeRegistry) -> None:
    proxies = Proxies(http=Proxy(f"http://{registry.host}", "Basic bWU6cGFzcw=="))
    assert await status(Transport(session, proxies), Endpoint("http://registry.test")) == 200
    (seen,) = registry.requests
    assert seen.headers["Host"] == "registry.test"
    assert seen.headers["Proxy-Authorization"] == "Basic bWU6cGFzcw=="


async def test_a_proxy_that_is_not_there(session: aiohttp.ClientSession) -> None:
    proxies = Proxies(https=Proxy("http://127.0.0.1:1"))
    with pytest.raises(RemoteFailure, match=r"proxyconnect tcp: dial tcp 127\.0\.0\.1:1: connect: connection refused"):
        await status(Transport(session, proxies), Endpoint("https://registry.test"))


async def test_a_proxy_of_another_kind(session: aiohttp.ClientSession) -> None:
    proxies = Proxies(https=Proxy("socks5://proxy.test:1080"))
    with pytest.raises(RemoteFailure, match=r"cannot use the proxy socks5://proxy\.test:1080: only HTTP proxies"):
        await status(Transport(session, proxies), Endpoint("https://registry.test"))


async def test_a_proxy_that_refuses(session: aiohttp.ClientSession, registry: FakeRegistry) -> None:
    proxies = Proxies(https=Proxy(f"http://{registry.host}"))
    with pytest.raises(RemoteFailure, match="the proxy answered 404 Not Found") as caught:
        await status(Transport(session, proxies), Endpoint("https://registry.test"))
    assert not caught.value.transient


async def test_a_host_nobody_knows(session: aiohttp.ClientSession) -> None:
    with pytest.raises(RemoteFailure, match=r"dial tcp: lookup no-such-host.invalid: no such host"):
        await status(Transport(session), Endpoint("https://no-such-host.invalid"))


async def test_silence_is_a_failure_that_may_pass(registry: FakeRegistry) -> None:
    registry.fail("/v2/", faults.slow(1, 2.0))
    timeout = aiohttp.ClientTimeout(total=None, sock_read=0.1)
    async with aiohttp.ClientSession(timeout=timeout) as impatient:
        transport = Transport(impatient)
        with pytest.raises(RemoteFailure, match="i/o timeout") as caught:
            async with transport.request(
                "GET", f"http://{registry.host}/v2/", Endpoint(f"http://{registry.host}")
            ) as response:
                await response.read()
        assert caught.value.transient


async def test_signatures_in_addresses_stay_out_of_messages(
    session: aiohttp.ClientSession, registry: FakeRegistry
) -> None:
    registry.fail("/v2/", faults.redirect("http://127.0.0.1:1/blob?X-Signature=secret"))
    with pytest.raises(RemoteFailure) as caught:
        await status(Transport(session), Endpoint(f"http://{registry.host}"))
    assert caught.value.text.startswith('Get "http://127.0.0.1:1/blob": dial tcp')


async def test_no_cookies_are_kept(session: aiohttp.ClientSession, registry: FakeRegistry) -> None:
    registry.fail("/v2/", faults.status(200, Set_Cookie="a=b; Path=/"))
    for _ in range(2):
        assert await status(Transport(session), Endpoint(f"http://{registry.host}")) == 200
    assert not any("Cookie" in seen.headers for seen in registry.requests)


async def test_netrc_is_not_read(
    session: aiohttp.ClientSession, registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    await status(Transport(session), Endpoint(f"http://{registry.host}"))
    assert "Authorization" not in registry.requests[0].headers
