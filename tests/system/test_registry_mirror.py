"""havre-registry as the ``registry-mirrors`` of a daemon, with docker's own client. The upstream is Debian's."""

from pathlib import Path

from tests.registry.upkeep import configured
from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.registry import PASSWORD, USER, serve

NAME = "library/from-the-upstream"


def test_a_daemon_pulls_through_it_and_from_what_it_keeps(tmp_path: Path, new_havred: NewDaemon) -> None:
    image = images.busybox().derive("mirrored", files=[images.Entry("mirrored", b"yes")])
    with serve(tmp_path / "upstream", password=True) as upstream:
        pushed = upstream.push(image, NAME)
        table = {"url": f"http://{upstream.host}", "username": USER, "password": PASSWORD, "default": True}
        mirror = configured(tmp_path, upstreams={"docker.io": {**table, "tag-ttl": "0s"}})
        daemon = new_havred("--registry-mirror", f"http://127.0.0.1:{mirror.port}")
        daemon.start()
        docker = docker_for(daemon, tmp_path)
        assert docker("run", "--rm", "from-the-upstream", "cat", "/mirrored").out == "yes"
        docker("image", "rm", "from-the-upstream")
    # The upstream is gone.
    docker("pull", "from-the-upstream")
    inspected = daemon.api("GET", "/images/from-the-upstream/json").json()
    assert inspected["RepoDigests"] == [f"from-the-upstream@{pushed.digest}"]
    # By its name in the cache, too, which cannot be pushed to.
    named = f"127.0.0.1:{mirror.port}/docker.io/{NAME}"
    docker("pull", named)
    docker("tag", named, f"{named}:mine")
    assert "docker.io/ holds what was pulled from" in docker("push", f"{named}:mine", code=1).err
    docker("tag", named, f"127.0.0.1:{mirror.port}/mine")
    docker("push", f"127.0.0.1:{mirror.port}/mine")
    mirror.close()
