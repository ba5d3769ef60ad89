"""Reading what registries want of their clients."""

from hypothesis import given
from hypothesis import strategies as st

from havre.lib.challenges import parse_challenges


def test_challenges_of_real_registries() -> None:
    hub = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'
    (challenge,) = parse_challenges([hub])
    assert challenge.scheme == "bearer"
    assert challenge.parameters == {
        "realm": "https://auth.docker.io/token",
        "service": "registry.docker.io",
        "scope": "repository:a/b:pull,push",
    }


def test_several_challenges_in_one_header_and_in_several() -> None:
    found = parse_challenges(['Negotiate, Basic realm="a, \\"b\\"", Bearer realm=https://x/token', "BASIC Realm=c"])
    assert [(challenge.scheme, challenge.parameters) for challenge in found] == [
        ("negotiate", {}),
        ("basic", {"realm": 'a, "b"'}),
        ("bearer", {"realm": "https://x/token"}),
        ("basic", {"realm": "c"}),
    ]


@given(st.lists(st.text(max_size=80), max_size=3))
def test_no_header_breaks_the_parser(headers: list[str]) -> None:
    parse_challenges(headers)
