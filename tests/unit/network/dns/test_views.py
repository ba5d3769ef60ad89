"""The rules of names: what dockerd 28.5.2 answers to the same questions, where nothing else is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.network.dns import codec
from havre.network.dns.codec import Query
from havre.network.dns.responder import Responder
from havre.network.dns.views import Network, View
from tests.unit.network.dns.questions import AAAA, ANY, EDNS_4096, MX, PTR, TXT, A, Response, ask, read

FRONT: dict[str, Any] = {
    "name": "Front",
    "internal": False,
    "members": [
        [["web", "www", "3f4e8d"], "172.30.1.2", "fd00::2"],
        [["Web2", "www"], "172.30.1.3", ""],
        [["six"], "", "fd00::4"],
    ],
}
BACK: dict[str, Any] = {"name": "back", "internal": True, "members": [[["web", "db.primary"], "172.30.2.9", ""]]}


def responder(*places: tuple[dict[str, Any], dict[str, str]], dotless: bool = False) -> Responder:
    return Responder(View([(Network(document), links) for document, links in places]), dotless)


def answer(one: Responder, *question: Any, stream: bool = False, **words: Any) -> Response:
    response = one.respond(ask(*question, **words), stream)
    assert isinstance(response, bytes)
    return read(response)


def forwarded(one: Responder, *question: Any, **words: Any) -> bool:
    return isinstance(one.respond(ask(*question, **words), False), Query)


@pytest.mark.parametrize("name", ["web", "WEB", "3f4e8d", "web.front", "web.Front", "web."])
def test_a_container_by_any_of_its_names(name: str) -> None:
    assert answer(responder((FRONT, {})), name).addresses == ["172.30.1.2"]


def test_a_container_whose_name_has_capitals() -> None:
    assert answer(responder((FRONT, {})), "web2").addresses == ["172.30.1.3"]


@pytest.mark.parametrize(("name", "kind"), [("web2", AAAA), ("six", A), ("web", MX), ("web", TXT)])
def test_what_a_container_has_not_is_empty_and_no_error(name: str, kind: int) -> None:
    response = answer(responder((FRONT, {})), name, kind)
    assert (response.code, response.records) == (0, [])


def test_both_families() -> None:
    one = responder((FRONT, {}))
    assert answer(one, "web", AAAA).addresses == ["fd00::2"]
    assert answer(one, "web", ANY).addresses == ["172.30.1.2", "fd00::2"]


def test_an_alias_of_several_goes_round() -> None:
    one = responder((FRONT, {}))
    found = [answer(one, "www").addresses for _ in range(6)]
    assert all(sorted(each) == ["172.30.1.2", "172.30.1.3"] for each in found)
    assert [each[0] for each in found].count("172.30.1.2") == 3


def test_the_first_network_that_knows_a_name_has_it() -> None:
    assert answer(responder((FRONT, {}), (BACK, {})), "web").addresses == ["172.30.1.2"]
    assert answer(responder((BACK, {}), (FRONT, {})), "web").addresses == ["172.30.2.9"]
    assert answer(responder((BACK, {}), (FRONT, {})), "web.front").addresses == ["172.30.1.2"]


@pytest.mark.parametrize("name", ["db.primary", "db.primary.back"])
def test_names_may_hold_dots(name: str) -> None:
    assert answer(responder((BACK, {})), name).addresses == ["172.30.2.9"]


def test_links_are_the_container_s_own() -> None:
    one = responder((FRONT, {"other": "web2", "web": "web2", "lost": "gone"}))
    assert answer(one, "other").addresses == ["172.30.1.3"]
    assert answer(one, "OTHER.front").addresses == ["172.30.1.3"]
    assert answer(one, "web").addresses == ["172.30.1.3"]
    assert forwarded(one, "lost")
    assert forwarded(responder((FRONT, {})), "other")


def test_names_of_other_networks_are_not_known() -> None:
    assert forwarded(responder((FRONT, {})), "db.primary")
    assert forwarded(responder((FRONT, {})), "web.back")


def test_who_has_an_address() -> None:
    one = responder((FRONT, {}))
    expected = [(PTR, codec.encode_name("web.Front"))]
    assert answer(one, "2.1.30.172.in-addr.arpa", PTR).records == expected
    six = ".".join(reversed("fd000000000000000000000000000002")) + ".ip6.arpa"
    assert answer(one, six, PTR).records == expected
    assert forwarded(one, "9.1.30.172.in-addr.arpa", PTR)


def test_a_network_s_name_may_be_no_name() -> None:
    document = {"name": "a" * 64, "internal": False, "members": [[["web"], "172.30.1.2", ""]]}
    one = responder((document, {}))
    assert answer(one, "2.1.30.172.in-addr.arpa", PTR).records == [(PTR, codec.encode_name("web"))]


@pytest.mark.parametrize(("name", "kind"), [("example.com", A), ("unknown", A), ("unknown", AAAA), ("", 2)])
def test_other_names_are_for_others(name: str, kind: int) -> None:
    assert forwarded(responder((FRONT, {})), name, kind)


def test_other_classes_are_for_others() -> None:
    assert forwarded(responder((FRONT, {})), "web", A, klass=3)


def test_on_internal_networks_nobody_outside_is_asked() -> None:
    response = answer(responder((BACK, {})), "example.com")
    assert response.code == codec.SERVER_FAILURE and not response.recursion_available
    assert forwarded(responder((BACK, {}), (FRONT, {})), "example.com")


def test_with_ndots_names_without_a_dot_stay_here() -> None:
    one = responder((FRONT, {}), dotless=True)
    assert answer(one, "unknown") == Response(7, 0, False, True, b"\7unknown", [])
    assert forwarded(one, "unknown", TXT)
    assert forwarded(one, "unknown.example")


def test_more_than_a_datagram_holds() -> None:
    members = [[["pool"], f"172.30.3.{number}", ""] for number in range(1, 101)]
    one = responder(({"name": "n", "internal": False, "members": members}, {}))
    cut = answer(one, "pool")
    assert cut.truncated and 0 < len(cut.records) < 100
    assert len(answer(one, "pool", edns=EDNS_4096).records) == 100
    assert len(answer(one, "pool", stream=True).records) == 100


def test_what_is_kept_keeps_its_asker_s_number_and_spelling() -> None:
    one = responder((FRONT, {}))
    for number, name in ((1, "web"), (2, "web"), (3, "wEb"), (4, "web")):
        response = answer(one, name, number=number)
        assert (response.number, response.name) == (number, b"\3" + name.encode())


def test_what_is_kept_is_bounded() -> None:
    one = responder((FRONT, {}))
    for extra in range(5000):
        one.respond(ask("web") + extra.to_bytes(2, "big"), False)
    one.respond(ask("web") + bytes(5000), False)
    assert len(one.view.answers) <= 256
    assert max(map(len, one.view.answers)) < 1000


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_break_it(data: bytes, stream: bool) -> None:
    response = responder((FRONT, {"x": "web"})).respond(data, stream)
    if isinstance(response, bytes):
        assert response[:2] == data[:2]
