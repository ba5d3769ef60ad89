"""The options of the Dockerfile frontend: what is read, and that nothing is passed over."""

import pytest

from havre.builder.buildkit.options import options
from havre.errors import Unsupported


def test_stages_that_the_cache_is_not_for() -> None:
    assert options({"no-cache": "One,two"}).ignore_cache_of == {"one", "two"}
    assert options({"no-cache": ""}).ignore_cache
    assert not options({}).ignore_cache


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hostname", "x"),
        ("multi-platform", "1"),
        ("no-cache-filter", "one"),
        ("attest:sbom", ""),
        ("strange", ""),
        ("build-arg:BUILDKIT_CACHE_MOUNT_NS", "x"),
        ("build-arg:BUILDKIT_MULTI_PLATFORM", "1"),
    ],
)
def test_what_would_have_no_effect_is_refused(name: str, value: str) -> None:
    with pytest.raises(Unsupported, match=name.removeprefix("build-arg:")):
        options({name: value})


def test_what_is_off_is_nothing_to_refuse() -> None:
    options({"multi-platform": "false", "attest:provenance": "disabled=true", "build-arg:BUILDKIT_MULTI_PLATFORM": "0"})
