"""Images whose users' files are links, endless or huge: nothing of the host is read, and no start waits for ever."""

import pytest

from tests.system import images
from tests.system.harness import Engine
from tests.system.programs import Program

LINKS = ["/proc/self/mem", "/dev/zero", "/dev/stdin", "../../../../../../../../etc/shadow", "passwd", "/no/where"]


@pytest.mark.parametrize("target", LINKS)
def test_users_behind_a_link(docker: Program, engine: Engine, target: str) -> None:
    reference = f"hostile-users-{LINKS.index(target)}:1"
    image = images.busybox().derive("hostile-users", files=[images.Entry("etc/passwd", link=target)])
    engine.load(image.archive(reference))
    # A name can only be found in a file that is there; numbers need none, but the runtime looks all the same.
    named = docker("run", "--rm", "--user", "app", reference, "id", code=None)
    assert named.code in (125, 126) and named.out == "", named
    numbered = docker("run", "--rm", "--user", "1000:1000", reference, "id", "-u", code=None)
    assert (numbered.code, numbered.out) in ((0, "1000\n"), (125, ""), (126, "")), numbered
    docker("rmi", reference)


def test_a_passwd_of_one_endless_line(docker: Program, engine: Engine) -> None:
    data = b"x" * (8 << 20)
    image = images.busybox().derive("hostile-line", files=[images.Entry("etc/passwd", data)])
    engine.load(image.archive("hostile-line:1"))
    assert docker("run", "--rm", "--user", "app", "hostile-line:1", "id", code=None).code in (125, 126)
    docker("rmi", "hostile-line:1")


def test_many_users_and_groups(docker: Program, engine: Engine) -> None:
    users = "".join(f"user{number}:x:{number}:{number}::/:/bin/sh\n" for number in range(1, 50_000))
    groups = "".join(f"group{number}:x:{number}:last\n" for number in range(1, 1_000))
    last = "last:x:60000:60000::/:/bin/sh\n"
    entries = [images.Entry("etc/passwd", (users + last).encode()), images.Entry("etc/group", groups.encode())]
    engine.load(images.busybox().derive("hostile-many", files=entries).archive("hostile-many:1"))
    assert docker("run", "--rm", "--user", "user49999", "hostile-many:1", "id", "-u").out == "49999\n"
    # Not more groups than this: the runtime looks for each in the whole file.
    done = docker("run", "--rm", "--user", "last", "hostile-many:1", "sh", "-c", "id -G | wc -w")
    assert done.out == "1000\n"
    docker("rmi", "hostile-many:1")
