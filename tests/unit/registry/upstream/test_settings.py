"""Which repository comes from where, and what the configuration may say of it."""

from typing import Any

import pytest

from havre.errors import InvalidParameter
from havre.registry.upstream.settings import Origin, read

HUB = {"url": "https://registry-1.docker.io"}


@pytest.mark.parametrize(
    ("repository", "origin"),
    [
        ("docker.io/library/busybox", Origin("docker.io", "library/busybox")),
        ("docker.io/busybox", Origin("docker.io", "library/busybox")),
        ("quay/app", Origin("quay", "app")),
        ("quay/team/app", Origin("quay/team", "app")),
        ("quay", None),
        ("quays/app", None),
        ("team/quay/app", None),
    ],
)
def test_the_longest_prefix_tells_the_origin(repository: str, origin: Origin | None) -> None:
    table = {"docker.io": HUB, "quay": {"url": "https://quay.io"}, "quay/team": {"url": "http://10.0.0.1:5000/"}}
    assert read({"upstreams": table}).origin(repository) == origin


def test_an_upstream_is_known_by_its_prefix_its_host_or_the_names_it_is_given() -> None:
    found = read(
        {"upstreams": {"hub": {**HUB, "namespaces": ["docker.io"]}, "quay.io": {"url": "https://cdn.quay.io"}}}
    )
    assert [found.of_namespace(name) for name in ("docker.io", "hub", "quay.io", "cdn.quay.io", "gcr.io")] == [
        *("hub", None, "quay.io", "quay.io", None)
    ]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"hub": {}}, "missing required field `url`"),
        ({"hub": {"url": "registry:5000"}}, "is no URL of a registry"),
        ({"hub": {"url": "https://me:secret@registry"}}, "credentials are not part"),
        ({"hub": {**HUB, "tag-ttl": "5 minutes"}}, "unknown unit"),
        ({"hub": {**HUB, "tag-ttl": 5}}, "is no span of time"),
        ({"hub": {**HUB, "pasword": "x"}}, "unknown field `pasword`"),
        ({"hub": {**HUB, "password": "x"}}, "username needs password"),
        ({"hub": {**HUB, "username": "x"}}, "username needs password"),
        ({"hub": {**HUB, "key": "x"}}, "key needs cert"),
        ({"hub": {"url": "http://registry", "ca": "x"}}, "are for https"),
        ({"hub": {**HUB, "insecure": True, "ca": "x"}}, "ca means nothing"),
        ({"Hub": HUB}, "cannot be the beginning of a repository's name"),
        ({"a": {**HUB, "default": True}, "b": {**HUB, "default": True}}, "more than one is the default"),
    ],
)
def test_what_makes_no_sense_is_refused(table: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidParameter, match=reason):
        read({"upstreams": table})


def test_a_cache_of_no_upstream_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="there are none"):
        read({"cache": {"size": "2g"}})


def test_sizes_and_spans_are_read() -> None:
    found = read({"upstreams": {"hub": {**HUB, "tag-ttl": "90s"}}, "cache": {"size": "2g", "negative-ttl": "0s"}})
    assert (found.table["hub"].tag_ttl, found.cache.size, found.cache.negative_ttl) == (90, 2 << 30, 0)
