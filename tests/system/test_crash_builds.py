"""kill -9 at every effect of a build, then a restart: nothing is left of it, and the next makes the same image."""

import io
import tarfile
from collections.abc import Iterator

import pytest

from tests.system.conftest import NewDaemon
from tests.system.faults import each_point
from tests.system.test_crash import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DOCKERFILE = b"""FROM busybox AS one
COPY file /one
FROM busybox
WORKDIR /made
COPY --from=one /one ./
RUN --mount=type=cache,target=/c,id=crash --mount=type=tmpfs,target=/t cat one > two && touch -d @1 two . && touch /c/x
LABEL a=b
"""


def context() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("Dockerfile", DOCKERFILE), ("file", b"content")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def scene(new_havred: NewDaemon) -> Iterator[Scene]:
    yield Scene(new_havred())


def test_build(scene: Scene) -> None:
    archive = context()
    epoch = {"SOURCE_DATE_EPOCH": "1"}
    identities = set()

    def act() -> None:
        scene.act("POST", "/build", archive, t="crash", buildargs=epoch)

    def tidy() -> None:
        assert scene.daemon.api("DELETE", "/images/crash?force=1").status in (200, 404)
        scene.ok(scene.daemon.api("POST", "/build/prune?all=1"))

    for point in each_point(scene.fragile, lambda: None, act, tidy):
        assert not list(scene.daemon.data_root.glob("builds/*")), point
        there = scene.daemon.api("GET", "/images/crash/json")
        assert there.status == 200 or not scene.acknowledged, point
        answer = scene.daemon.api("POST", "/build", archive, t="crash", buildargs=epoch)
        assert answer.status == 200 and b"errorDetail" not in answer.body, (point, answer)
        made = scene.daemon.api("GET", "/images/crash/json").json()["Id"]
        assert there.status != 200 or there.json()["Id"] == made
        identities.add(made)
        scene.check()
        tidy()
        scene.check_disk()
    assert len(identities) == 1
