"""Foreign system call conventions: what the probe says is what the kernel does."""

import platform
from pathlib import Path

import pytest

from havre.kernel import abis


def test_a_file_of_no_known_format_is_told_from_one_that_runs() -> None:
    assert not abis._runs(b"\x7fELF, but not really")
    assert abis._runs(Path("/bin/true").read_bytes())


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only 64-bit PCs have them")
def test_only_conventions_it_knows_are_named() -> None:
    assert abis.missing() <= {"x86", "x32"}


def test_other_machines_miss_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert abis.missing() == frozenset()
