"""``--use-api-socket``: what the create request gets, and which credentials go into the container."""

import io
import json
import tarfile

from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import CONTAINER, Havre


def test_the_socket_and_the_credentials_for_it(havre: Havre, daemon: FakeDaemon) -> None:
    auths = {"reg:5000": {"auth": "bWU6cHc="}, "other": {"identitytoken": "t"}}
    havre.config(json.dumps({"auths": auths, "detachKeys": "ctrl-a"}))
    daemon.on("POST", "/containers/create", status=201, json={"Id": CONTAINER, "Warnings": []})
    daemon.on("PUT", "/containers/*/archive", status=200)
    assert havre("create", "--use-api-socket", "busybox").code == 0
    create, archive = daemon.requests
    mount = {"Type": "bind", "Source": str(daemon.path), "Target": "/var/run/docker.sock", "BindOptions": {}}
    assert create.json()["HostConfig"]["Mounts"] == [mount]
    assert create.json()["Env"] == ["DOCKER_CONFIG=/run/secrets/docker"]
    assert archive.query == {"path": ["/"], "noOverwriteDirNonDir": ["true"]}
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as tar:
        (member,) = tar.getmembers()
        content = tar.extractfile(member)
        assert content is not None
        assert (member.name, member.mode, member.uid) == ("/run/secrets/docker/config.json", 0o600, 0)
        assert json.load(content) == {"auths": auths}


def test_the_socket_without_credentials(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/create", status=201, json={"Id": CONTAINER, "Warnings": []})
    assert havre("create", "--use-api-socket", "busybox").code == 0
    havre.config(json.dumps({"auths": {"reg:5000": {"auth": "bWU6cHc="}}}))
    assert havre("create", "--use-api-socket", "-e", "DOCKER_CONFIG=/x", "busybox").code == 0
    assert daemon.trail() == ["POST /containers/create"] * 2
    assert daemon.requests[1].json()["Env"] == ["DOCKER_CONFIG=/x"]
    done = havre("-H", "tcp://127.0.0.1:1", "create", "--use-api-socket", "busybox")
    text = "flag --use-api-socket can only be used with unix sockets: docker endpoint tcp://127.0.0.1:1 incompatible\n"
    assert (done.code, done.err) == (1, text)
