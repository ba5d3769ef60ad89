"""The table of permissions: what each word means, what is refused, and that rules only ever add."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.errors import InvalidParameter
from havre.registry.access import globs
from havre.registry.access.rules import EVERYTHING, Rules, everybody_signed_in, parse_rules, reads_of_all
from havre.registry.identity import ANONYMOUS, Identity

ALICE, BOB, CI, CARD = (
    Identity("user", "alice"),
    Identity("user", "bob"),
    Identity("robot", "ci"),
    Identity("certificate", "alice"),
)
PEOPLE = [ANONYMOUS, ALICE, BOB, CI, CARD]
NAMES = ["app", "team/app", "team/sub/app", "other/app"]


def rule(who: list[str], repositories: list[str], actions: list[str]) -> dict[str, Any]:
    return {"who": who, "repositories": repositories, "actions": actions}


def table(*rules: dict[str, Any], groups: dict[str, list[str]] | None = None) -> Rules:
    return parse_rules({"rules": list(rules), "groups": groups or {}}, "rules.toml")


@pytest.mark.parametrize(
    ("who", "fits"),
    [
        ("user:alice", [ALICE]),
        ("robot:ci", [CI]),
        ("certificate:alice", [CARD]),
        ("user:*", [ALICE, BOB]),
        ("anonymous", [ANONYMOUS]),
        ("authenticated", [ALICE, BOB, CI, CARD]),
        ("group:dev", [BOB, CI]),
    ],
)
def test_who(who: str, fits: list[Identity]) -> None:
    rules = table(rule([who], ["**"], ["read"]), groups={"dev": ["bob", "robot:ci"]})
    assert [person for person in PEOPLE if rules.granted(person, "app")] == fits


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["read"], {"pull"}),
        (["write"], {"pull", "push"}),
        (["delete"], {"delete"}),
        (["read", "delete"], {"pull", "delete"}),
        (["admin"], {"admin"}),
    ],
)
def test_actions(words: list[str], meant: set[str]) -> None:
    assert table(rule(["user:alice"], ["*"], words)).granted(ALICE, "app") == meant


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("app", ["app"]),
        ("*", ["app"]),
        ("*/app", ["team/app", "other/app"]),
        ("team/*", ["team/app"]),
        ("team/**", ["team/app", "team/sub/app"]),
        ("**", NAMES),
        ("**/app", NAMES),
        ("team/**/app", ["team/app", "team/sub/app"]),
        ("te?m/[a-b]pp", ["team/app"]),
        ("nothing/**", []),
    ],
)
def test_patterns(pattern: str, fits: list[str]) -> None:
    assert [name for name in NAMES if globs.match(pattern, name)] == fits


def test_no_rules_allow_nothing() -> None:
    assert not any(table().granted(person, name) for person in PEOPLE for name in NAMES)


def test_the_table_of_a_registry_without_rules() -> None:
    rules = everybody_signed_in(anonymous_reads=False)
    assert rules.granted(ALICE, "team/app") == EVERYTHING
    assert not rules.granted(ANONYMOUS, "team/app")
    assert not rules.granted(CI, "team/app"), "a robot may do what it was made for, and that is not in here"
    assert everybody_signed_in(anonymous_reads=True).granted(ANONYMOUS, "app") == {"pull"}


def test_who_administers() -> None:
    rules = table(rule(["user:alice"], ["nothing"], ["admin"]), rule(["user:bob"], ["**"], ["delete"]))
    assert rules.administers(ALICE)
    assert not rules.administers(BOB)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"rulez": []}, "rulez"),
        ({"rules": {}}, "list of tables"),
        ({"rules": [rule(["user:a"], ["*"], ["fly"])]}, "'fly'"),
        ({"rules": [rule(["user:a"], ["["], ["read"])]}, "'\\['"),
        ({"rules": [rule(["user:a"], ["a//b"], ["read"])]}, "a//b"),
        ({"rules": [rule(["alice"], ["*"], ["read"])]}, "'alice'"),
        ({"rules": [rule(["user:"], ["*"], ["read"])]}, "'user:'"),
        ({"rules": [rule(["group:gone"], ["*"], ["read"])]}, "'gone'"),
        ({"rules": [rule([], ["*"], ["read"])]}, "who"),
        ({"rules": [{"who": ["anonymous"], "repositories": ["*"]}]}, "actions"),
        ({"rules": [{**rule(["anonymous"], ["*"], ["read"]), "deny": True}]}, "deny"),
        ({"rules": [], "groups": {"dev": "alice"}}, "'dev'"),
        ({"rules": [], "groups": {"dev": ["group:dev"]}}, "group:dev"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(data: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        parse_rules(data, "rules.toml")


RULE = st.builds(
    rule,
    st.lists(
        st.sampled_from(["user:alice", "user:*", "robot:ci", "anonymous", "authenticated", "group:dev"]),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.sampled_from(["**", "*", "team/*", "team/**", "app", "*/app", "t*/**/a?p"]), min_size=1, max_size=3),
    st.lists(st.sampled_from(["read", "write", "delete", "admin"]), min_size=1, max_size=3),
)
TABLE = st.lists(RULE, max_size=5)
GROUPS = {"dev": ["bob", "robot:ci"]}


@given(TABLE, TABLE, st.sampled_from(PEOPLE), st.sampled_from(NAMES))
def test_a_table_says_what_its_parts_say_together_in_any_order(
    some: list[dict[str, Any]], more: list[dict[str, Any]], person: Identity, name: str
) -> None:
    whole = table(*some, *more, groups=GROUPS).granted(person, name)
    assert whole == table(*some, groups=GROUPS).granted(person, name) | table(*more, groups=GROUPS).granted(
        person, name
    )
    assert whole == table(*reversed([*some, *more]), groups=GROUPS).granted(person, name)


@given(TABLE, st.sampled_from(PEOPLE), st.sampled_from(NAMES))
def test_each_permission_comes_from_a_rule(entries: list[dict[str, Any]], person: Identity, name: str) -> None:
    groups = {"group:dev": {"user:bob", "robot:ci"}}
    expected = set()
    for entry in entries:
        words = set().union(*(groups.get(word, {word}) for word in entry["who"]))
        if person.is_anonymous:
            spoken_of = "anonymous" in words
        else:
            spoken_of = bool(words & {f"{person.kind}:{person.name}", "authenticated", f"{person.kind}:*"})
        if spoken_of and any(globs.match(pattern, name) for pattern in entry["repositories"]):
            for word in entry["actions"]:
                expected |= {"read": {"pull"}, "write": {"pull", "push"}}.get(word, {word})
    rules = table(*entries, groups=GROUPS)
    assert rules.granted(person, name) == expected
    assert rules.granted(person, name) == expected, "also what is remembered"


PART = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=4)


@given(st.lists(PART, min_size=1, max_size=5), st.data())
def test_a_pattern_made_of_a_name_fits_it(parts: list[str], data: st.DataObject) -> None:
    pattern: list[str] = []
    for part in parts:
        if data.draw(st.booleans()):
            pattern.append("**")
        pattern.append(data.draw(st.sampled_from([part, "*", part[0] + "*", "?" * len(part)])))
    globs.check("/".join(pattern))
    assert globs.match("/".join(pattern), "/".join(parts))
    if "**" not in pattern:
        assert not globs.match("/".join(pattern), "/".join([*parts, "more"]))


def test_reads_of_all_reach_those_who_signed_in_as_well() -> None:
    assert Rules(reads_of_all(True)).granted(CI, "team/app") == {"pull"}
    assert not reads_of_all(False)
