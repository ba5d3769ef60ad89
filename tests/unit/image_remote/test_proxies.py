"""Proxy variables as Go reads them (golang.org/x/net/http/httpproxy)."""

import pytest

from havre.image.remote.proxies import Proxies, Proxy


def chosen(url: tuple[str, str, int], **environ: str) -> str | None:
    proxy = Proxies.from_environ(environ).choose(*url)
    return proxy.url if proxy else None


def test_the_scheme_decides() -> None:
    environ = {"HTTP_PROXY": "http://a:1", "https_proxy": "b:2"}
    assert chosen(("http", "x.example", 80), **environ) == "http://a:1"
    assert chosen(("https", "x.example", 443), **environ) == "http://b:2"
    assert chosen(("https", "x.example", 443), HTTP_PROXY="http://a:1") is None


def test_upper_case_wins() -> None:
    assert chosen(("http", "x", 80), HTTP_PROXY="http://upper:1", http_proxy="http://lower:1") == "http://upper:1"


def test_credentials_are_taken_out_of_the_url() -> None:
    proxies = Proxies.from_environ({"HTTP_PROXY": "http://me:p%40ss@proxy:3128/"})
    assert proxies.http == Proxy("http://proxy:3128", "Basic bWU6cEBzcw==")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "LOCALHOST"])
def test_the_loopback_is_never_proxied(host: str) -> None:
    assert chosen(("http", host, 5000), HTTP_PROXY="http://a:1") is None


@pytest.mark.parametrize(
    ("entry", "host", "port", "direct"),
    [
        ("*", "x.example", 80, True),
        ("example.com", "example.com", 80, True),
        ("example.com", "a.example.com", 80, True),
        ("example.com", "badexample.com", 80, False),
        (".example.com", "a.example.com", 80, True),
        (".example.com", "example.com", 80, False),
        ("*.example.com", "a.example.com", 80, True),
        ("EXAMPLE.com", "a.Example.COM.", 80, True),
        ("example.com:5000", "example.com", 5000, True),
        ("example.com:5000", "example.com", 80, False),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.0/8", "x.example", 80, False),
        ("10.1.2.3", "10.1.2.3", 80, True),
        ("10.1.2.3:5000", "10.1.2.3", 80, False),
        ("fd00::/8", "fd00::1", 80, True),
        ("[fd00::1]:5000", "fd00::1", 5000, True),
        ("fd00::1", "fd00::1", 5000, True),
        ("a, ,b.example ", "b.example", 80, True),
        ("not/a/range", "10.1.2.3", 80, False),
    ],
)
def test_no_proxy(entry: str, host: str, port: int, direct: bool) -> None:
    found = chosen(("http", host, port), HTTP_PROXY="http://a:1", NO_PROXY=entry)
    assert (found is None) == direct


@pytest.mark.parametrize(("text", "usable"), [("socks5://proxy:1080", False), ("https://proxy", True), ("p:1", True)])
def test_only_http_proxies_are_usable(text: str, usable: bool) -> None:
    proxy = Proxies.from_environ({"HTTP_PROXY": text}).http
    assert proxy is not None and proxy.usable == usable
