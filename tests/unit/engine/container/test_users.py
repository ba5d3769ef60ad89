"""``--user`` in numbers, from files that an image made as it liked."""

import os
import time
from pathlib import Path

import pytest

from havre.engine.container import users
from havre.errors import InvalidParameter
from havre.runtime.spec import User

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
app:x:1000:1001:an ordinary user:/home/app:/bin/sh
1000:x:5:5:its name is a number:/:/bin/sh
broken:x:one:1
huge:x:99999999999:1:::
endless:x:{digits}:1:::
arabic:x:\u0663:1:::
""".replace("{digits}", "9" * 6000)
GROUP = """\
root:x:0:
wheel:x:10:root
app:x:1001:
extra:x:2000:app,other
more:x:2001:other,app
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text(PASSWD)
    (tmp_path / "etc" / "group").write_text(GROUP)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "groups", "user"),
    [
        ("", (), User(0, 0, (0, 10))),
        ("root", (), User(0, 0, (0, 10))),
        ("0", (), User(0, 0, (0, 10))),
        ("app", (), User(1000, 1001, (1001, 2000, 2001))),
        ("app:extra", (), User(1000, 2000, (2000,))),
        ("app:", ("77", "root"), User(1000, 1001, (1001, 2000, 2001, 77, 0))),
        ("1000", (), User(5, 5, (5,))),
        ("4242", (), User(4242, 0, (0,))),
        ("4242:extra", (), User(4242, 2000, (2000,))),
        ("4242:17", ("extra",), User(4242, 17, (17, 2000))),
        ("+4242:+17", (), User(4242, 17, (17,))),
    ],
)
def test_words_become_numbers(root: Path, text: str, groups: tuple[str, ...], user: User) -> None:
    assert users.resolve(root, text, groups) == user


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("nobody", ()),
        ("app:nobody", ()),
        ("app", ("nobody",)),
        ("-1", ()),
        ("broken", ()),
        ("huge", ()),
        ("endless", ()),
        ("arabic", ()),
        ("\u0663", ()),
        ("2147483648", ()),
        ("9" * 6000, ()),
        ("1:2147483648", ()),
        ("1", ("2147483648",)),
    ],
)
def test_what_is_no_user_is_the_clients_error(root: Path, text: str, groups: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameter):
        users.resolve(root, text, groups)


@pytest.mark.parametrize(("text", "groups"), [("-1", ()), ("0:-1", ()), ("2147483648", ()), ("1", ("-5",))])
def test_numbers_out_of_range(root: Path, text: str, groups: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameter, match=r"^uids and gids must be in range 0-2147483647$"):
        users.resolve(root, text, groups)


@pytest.mark.parametrize("path", ["passwd", "group"])
def test_only_regular_files_are_opened(root: Path, path: str) -> None:
    (root / "etc" / path).unlink()
    os.mkfifo(root / "etc" / path)
    with pytest.raises(InvalidParameter, match="no regular file"):
        users.resolve(root, "app")


def test_links_end_in_the_container(root: Path) -> None:
    (root / "etc" / "passwd").rename(root / "elsewhere")
    (root / "etc" / "passwd").symlink_to("../../../../../elsewhere")
    assert users.resolve(root, "app").uid == 1000


def test_an_enormous_file_takes_no_time(root: Path) -> None:
    (root / "etc" / "passwd").write_bytes(b"a:b:1:1\n" * 4_000_000)
    began = time.process_time()
    assert users.resolve(root, "5") == User(5, 0, (0,))
    assert time.process_time() - began < 0.5
