"""Passwords: the file htpasswd writes, and that the work done tells nothing of who exists."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from havre.errors import InvalidParameter, Unavailable
from havre.registry.access import htpasswd, passwords
from havre.registry.access.passwords import PasswordCheck, fits_hash, hash_password
from havre.registry.access.watched import WatchedFile

# Written by Apache's `htpasswd -bnB -C 5 alice secret`.
APACHE = "alice:$2y$05$hLVvsWwdZ9MEhoUvIf7JUOKKpSnFY9lM0FOmWf/u7dY3scHrDOFoi"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes bcrypt was run against."""
    seen: list[bytes] = []
    real = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        seen.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
    return seen


@pytest.fixture
async def check() -> Any:
    users = {"alice": hash_password("secret", 4), "bob": hash_password("hidden", 4)}
    check = PasswordCheck(lambda: users)
    check.users = users  # type: ignore[attr-defined]
    yield check
    await check.close()


async def test_right_and_wrong(check: PasswordCheck) -> None:
    assert await check.matches("alice", "secret")
    assert not await check.matches("alice", "hidden")
    assert not await check.matches("alice", "")
    assert not await check.matches("", "")


async def test_who_does_not_exist_costs_the_same_and_never_gets_in(check: PasswordCheck, runs: list[bytes]) -> None:
    assert not await check.matches("alice", "wrong")
    known = len(runs)
    assert not await check.matches("nobody", "wrong")
    assert len(runs) == 2 * known
    # Whoever the decoy belongs to: its password opens nothing, neither the first time nor from memory.
    for password in ("secret", "hidden", "secret", "hidden"):
        assert not await check.matches("nobody", password)


async def test_a_right_pair_is_computed_once_and_a_wrong_one_each_time(check: PasswordCheck, runs: list[bytes]) -> None:
    for _time in range(3):
        assert await check.matches("alice", "secret")
    assert len(runs) == 1
    for _time in range(3):
        assert not await check.matches("alice", "wrong")
    assert len(runs) == 4


async def test_many_at_once_share_one_computation(check: PasswordCheck, runs: list[bytes]) -> None:
    assert all(await asyncio.gather(*(check.matches("alice", "secret") for _ in range(20))))
    assert len(runs) == 1


async def test_one_who_leaves_does_not_take_the_answer_from_the_others(check: PasswordCheck) -> None:
    first = asyncio.ensure_future(check.matches("alice", "secret"))
    second = asyncio.ensure_future(check.matches("alice", "secret"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second


async def test_a_changed_password_counts_at_once(check: Any) -> None:
    assert await check.matches("alice", "secret")
    before = check.fingerprint("alice")
    check.users["alice"] = hash_password("new", 4)
    assert not await check.matches("alice", "secret")
    assert await check.matches("alice", "new")
    assert check.fingerprint("alice") != before
    assert check.fingerprint("nobody") is None


async def test_a_crowd_is_turned_away(check: PasswordCheck) -> None:
    results = await asyncio.gather(*(check.matches("alice", f"wrong{i}") for i in range(200)), return_exceptions=True)
    assert any(isinstance(result, Unavailable) for result in results)
    assert results.count(False) >= 2
    assert await check.matches("alice", "secret")


def test_what_apache_wrote_is_read() -> None:
    hashed = htpasswd.parse(f"# users\n\n{APACHE}\n", "f")["alice"]
    assert fits_hash(b"secret", hashed)
    assert not fits_hash(b"Secret", hashed)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("bob:$apr1$x$y", "MD5, not bcrypt"),
        ("bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"),
        ("bob:$6$x$y", "SHA-512"),
        ("bob:plain", "something else"),
        ("bob:$2y$05$short", "not bcrypt"),
        (APACHE.replace("alice", "bob").replace("$05$", "$31$"), "cost"),
        ("bob", "name:hash"),
        (":x", "name:hash"),
        (APACHE, "twice"),
    ],
)
def test_other_lines_are_refused_by_number(line: str, named: str) -> None:
    with pytest.raises(InvalidParameter, match=f"f, line 2: .*{named}"):
        htpasswd.parse(f"{APACHE}\n{line}\n", "f")


def test_hashes_are_such_as_apache_writes_and_read_back() -> None:
    hashed = hash_password("schlüssel", 4)
    assert hashed.startswith(b"$2y$04$")
    assert htpasswd.parse(htpasswd.render({"alice": hashed}), "f") == {"alice": hashed}
    assert fits_hash("schlüssel".encode(), hashed)


@pytest.mark.parametrize("password", ["", "x" * 73, "a\0b"])
def test_passwords_bcrypt_cannot_take_whole_are_not_set(password: str) -> None:
    with pytest.raises(ValueError, match="72"):
        hash_password(password)


def test_long_passwords_are_read_as_apache_cut_them_and_no_nul_cuts_one() -> None:
    hashed = b"$2y$" + bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).removeprefix(b"$2b$")
    assert fits_hash(b"x" * 80, hashed)
    short = hash_password("secret", 4)
    assert not fits_hash(b"secret\0more", short)
    assert not fits_hash(b"secret\0", short)


def test_apache_reads_what_we_write(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(htpasswd.render({"alice": hash_password("secret", 5)}))
    assert subprocess.run(["htpasswd", "-vb", tmp_path / "f", "alice", "secret"]).returncode == 0


def test_a_watched_file_is_read_again_and_a_broken_one_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    watched = WatchedFile(path, htpasswd.parse)
    assert not watched.current()
    path.write_text(APACHE)
    assert set(watched.current()) == {"alice"}
    path.write_text(f"{APACHE}\nbob:plain\n")
    assert set(watched.current()) == {"alice"}
    path.unlink()
    assert not watched.current()
    with pytest.raises(InvalidParameter, match="no such file"):
        WatchedFile(path, htpasswd.parse, must_exist=True)
