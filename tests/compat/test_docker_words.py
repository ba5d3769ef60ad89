"""Notations that hypothesis makes up, read by the docker CLI and by havre: both refuse the same ones with the same
words, and ask for the same with the others.
"""

import shutil
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import docker_cli_version
from tests.fakes import verbs, world
from tests.fakes.daemon import FakeDaemon
from tests.fakes.twins import Twins

pytestmark = pytest.mark.skipif(
    shutil.which("docker") is None or not docker_cli_version().startswith("28.2."),
    reason="havre speaks as docker CLI 28.2",
)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    directory = tmp_path_factory.mktemp("words")
    with FakeDaemon(directory / "d.sock") as daemon:
        world.fill(daemon)
        verbs.fill(daemon)
        yield Twins(daemon, directory)


def joined(separator: str, *parts: st.SearchStrategy[str], most: int = 4) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(*parts), min_size=0, max_size=most).map(separator.join)


def words(*some: str) -> st.SearchStrategy[str]:
    return st.sampled_from(some)


NUMBER = words("0", "1", "10", "80", "443", "65535", "65536", "-1", "1.5", "x", "", "007", "1k", "64m", "2g", "1kib")
PATH = words("/a", "/b/c", "a", ".", "./x", "..", "", "/", "/a b", "é", "C:\\x")
DURATION = st.lists(
    st.tuples(words("0", "1", "1.5", "90", "-3", ""), words("s", "m", "h", "ms", "us", "ns", "d", "")).map("".join),
    max_size=3,
).map("".join)
MOUNT = joined(
    ",",
    words("type=bind", "type=volume", "type=tmpfs", "type=image", "type=Bind", "type=", "readonly", "ro=1", "ro=x"),
    st.tuples(words("src=", "source=", "dst=", "target=", "destination="), PATH).map("".join),
    words(
        "bind-propagation=rshared", "bind-propagation=rprivate", "bind-recursive=readonly", "bind-recursive=writable"
    ),
    words("volume-nocopy", "volume-subpath=x", "volume-label=a=b", "volume-opt=o=1", "volume-driver=local"),
    words("tmpfs-mode=700", "tmpfs-mode=9", "image-subpath=x", "foo", "foo=bar", '"src=/a,b"', 'x"y', ""),
    st.tuples(words("tmpfs-size="), NUMBER).map("".join),
    most=6,
)
ADDRESS = words("127.0.0.1", "::1", "[::1]", "1.2.3", "localhost", "0.0.0.0", "")
PORTS = st.one_of(NUMBER, words("80-82", "90-92", "82-80", "80-"))
PUBLISHED = st.one_of(
    st.tuples(joined(":", ADDRESS, PORTS, most=3), words("", "/tcp", "/udp", "/sctp", "/TCP", "/x", "/")).map("".join),
    joined(",", words("target=80", "published=8080", "protocol=udp", "mode=host", "target=x", "foo", "a=b")),
)
ULIMIT = st.tuples(words("nofile", "core", "rtprio", "x", ""), words("=", ""), joined(":", NUMBER, most=3)).map("".join)
DEVICE = joined(":", PATH, words("r", "rw", "rwm", "rr", "x", "mrw"), most=3)
GPUS = joined(
    ",", words("all", "1", "count=2", "device=0", "driver=x", "capabilities=a", '"options=a=b,c=d"', "x", "-1")
)
OPTION = words("a=b", "a", "=b", "", "a=b=c", "max-size=1m", " a=b")
SECURITY = st.tuples(
    words("seccomp", "apparmor", "label", "no-new-privileges", "systempaths", "x", ""),
    words("=", ":", ""),
    words("unconfined", "disable", "true", "builtin", "profile.json", "type:x", ""),
).map("".join)
TMPFS = joined(":", PATH, words("size=1m", "ro", "mode=1777,exec"), most=3)
DISK = st.tuples(words("/dev/sda", "/dev/null", "sda", ""), words(":", ""), NUMBER).map("".join)
LINK = joined(":", words("a", "b", "/c", ""), most=3)
NETWORK = st.one_of(
    words("a", "host", "none", "container:a", ""),
    joined(
        ",",
        words("name=a", "name=b", "name=host", "alias=c", "alias=", "ip=1.2.3.4", "ip6=::1", "mac-address=x", "x=y"),
        words("mac-address=02:42:ac:11:00:02", "driver-opt=a=b", "driver-opt=a", "gw-priority=1", "gw-priority=x", "x"),
    ),
)
ENVIRONMENT = words("A", "A=", "A=b", "=b", "", "A B=c", "HOME", "é=1", " A=1", "A=1=2")
RESTART = st.tuples(words("no", "always", "on-failure", "x", ""), words(":", ""), NUMBER).map("".join)
HOSTS = st.tuples(words("a", "", "a.b"), words(":", "=", ""), st.one_of(ADDRESS, words("host-gateway"))).map("".join)

VALUES = {
    "--mount": MOUNT,
    "--volume": joined(":", PATH, words("ro", "rw,z", "nocopy"), most=4),
    "--publish": PUBLISHED,
    "--expose": st.tuples(PORTS, words("", "/tcp", "/udp", "/x", "/")).map("".join),
    "--ulimit": ULIMIT,
    "--device": DEVICE,
    "--gpus": GPUS,
    "--health-interval": DURATION,
    "--health-timeout": DURATION,
    "--health-retries": NUMBER,
    "--log-opt": OPTION,
    "--storage-opt": OPTION,
    "--annotation": OPTION,
    "--label": OPTION,
    "--env": ENVIRONMENT,
    "--security-opt": SECURITY,
    "--tmpfs": TMPFS,
    "--blkio-weight-device": DISK,
    "--device-read-bps": DISK,
    "--device-write-iops": DISK,
    "--link": LINK,
    "--network": NETWORK,
    "--restart": RESTART,
    "--add-host": HOSTS,
    "--memory": NUMBER,
    "--memory-swap": NUMBER,
    "--shm-size": NUMBER,
    "--cpu-shares": NUMBER,
    "--pids-limit": NUMBER,
    "--env-file": words("vars.env", "crlf.env", "spaces.env", "nothing.env"),
    "--label-file": words("some.labels", "vars.env", "nothing.labels"),
}
# Of two wrong volumes Docker names either.
FLAGS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda flag: st.lists(
        VALUES[flag].map(lambda v: f"{flag}={v}"), min_size=1, max_size=1 if flag == "--volume" else 2
    )
)
# Of the short commands: what may stand in any order.
ARGUMENTS = words(
    *("-s", "-t", "-n", "5", "-a", "-f", "a=b", "web", "-q", "--", "-", "--signal=HUP", "-1", "--tail=x", "-sq", "--x"),
)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(flags=FLAGS)
def test_both_read_the_same(twins: Twins, flags: list[str]) -> None:
    argv = ["create", *flags, "b"]
    assert twins.havre(argv) == twins.docker(argv)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    command=words("stop", "kill", "ps", "logs", "update", "rm", "pause", "wait", "port"),
    argv=st.lists(ARGUMENTS, max_size=5),
)
def test_both_read_any_order(twins: Twins, command: str, argv: list[str]) -> None:
    ours, theirs = twins.havre([command, *argv]), twins.docker([command, *argv])
    assert (ours.code, ours.err) == (theirs.code, theirs.err)
