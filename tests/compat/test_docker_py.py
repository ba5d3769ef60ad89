"""docker-py, the Python client library, unmodified: the calls its users make most."""

import io
import tarfile
import threading
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

from tests.system import images
from tests.system.harness import Engine
from tests.system.registry import Registry

pytestmark = pytest.mark.system


@pytest.fixture
def client(engine: Engine) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=engine.host, version="auto")
    yield client
    client.close()


def test_ping_and_version(client: docker.DockerClient) -> None:
    assert client.ping() is True
    assert client.version()["Os"] == "linux"
    assert client.info()["OSType"] == "linux"


def test_run(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"
    assert client.containers.run("busybox", "sh -c 'echo err >&2'", remove=True, stderr=True) == b"err\n"
    with pytest.raises(ContainerError) as caught:
        client.containers.run("busybox", "sh -c 'echo bad >&2; exit 3'", remove=True)
    assert caught.value.exit_status == 3 and caught.value.stderr == b"bad\n"


def test_life(client: docker.DockerClient) -> None:
    container = client.containers.run(
        "busybox", "sh -c 'echo up; exec sleep 1000'", name="life", detach=True, labels={"a": "b"}, mem_limit="64m"
    )
    assert container.status == "created"
    container.reload()
    assert container.status == "running" and container.labels == {"a": "b"}
    assert [one.name for one in client.containers.list(filters={"label": "a=b"})] == ["life"]
    container.pause()
    container.unpause()
    container.rename("second-life")
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.restart(timeout=0)
    assert container.top()["Titles"]
    container.kill()
    container.wait()
    container.remove()
    with pytest.raises(NotFound):
        client.containers.get("second-life")


def test_logs(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", "sh -c 'for i in 1 2 3; do echo $i; sleep 0.1; done'", detach=True)
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n"
    assert container.logs(tail=1) == b"3\n"
    assert container.logs(timestamps=True, tail=1).endswith(b" 3\n")


def test_exec(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", "sleep 1000", detach=True)
    assert container.exec_run("echo x") == (0, b"x\n")
    code, output = container.exec_run("sh -c 'echo out; echo err >&2; exit 4'", demux=True)
    assert (code, output) == (4, (b"out\n", b"err\n"))
    assert b"".join(container.exec_run("seq 3", stream=True).output) == b"1\n2\n3\n"
    _, sock = container.exec_run("cat", stdin=True, socket=True)
    sock._sock.sendall(b"typed\n")
    assert b"typed\n" in sock._sock.recv(100)
    sock.close()


def test_attach_socket(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "cat", stdin_open=True)
    sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    sock._sock.sendall(b"through\n")
    assert b"through\n" in sock._sock.recv(100)
    sock.close()


def test_archives(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "true")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"data"))
    assert container.put_archive("/tmp", stream.getvalue())
    chunks, stat = container.get_archive("/tmp/file")
    assert (stat["name"], stat["size"]) == ("file", 4)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.extractfile("file")
        assert member is not None and member.read() == b"data"
    with pytest.raises(NotFound):
        container.get_archive("/nowhere")


def test_images(client: docker.DockerClient) -> None:
    image = images.busybox().derive("docker-py", {"Labels": {"made": "here"}})
    (loaded,) = client.images.load(image.archive("docker-py:1").read_bytes())
    assert loaded.id == image.id and loaded.tags == ["docker-py:1"]
    assert loaded.tag("docker-py", "2")
    loaded.reload()
    assert set(loaded.tags) == {"docker-py:1", "docker-py:2"}
    assert loaded.history()[0]["Id"] == image.id
    assert len(b"".join(loaded.save())) > 1_000_000
    assert [one.id for one in client.images.list(filters={"label": "made=here"})] == [image.id]
    client.images.remove("docker-py:1")
    client.images.remove("docker-py:2")
    with pytest.raises(ImageNotFound):
        client.images.get("docker-py:1")


def test_pull(client: docker.DockerClient, registry: Registry) -> None:
    pushed = registry.push(images.busybox().derive("dp", {"Labels": {"pulled": "dp"}}), "docker-py/pulled")
    image = client.images.pull(pushed.reference)
    assert image.labels == {"pulled": "dp"}
    assert any(
        line.get("status", "").startswith("Status: ")
        for line in client.api.pull(pushed.reference, stream=True, decode=True)
    )
    client.images.remove(pushed.reference)
    with pytest.raises(NotFound):
        client.images.pull(f"{registry.host}/docker-py/none")


def test_volumes(client: docker.DockerClient) -> None:
    volume = client.volumes.create("docker-py", labels={"a": "b"})
    assert [one.name for one in client.volumes.list(filters={"label": "a=b"})] == ["docker-py"]
    mounts = {"docker-py": {"bind": "/data", "mode": "rw"}}
    client.containers.run("busybox", "sh -c 'echo kept > /data/x'", volumes=mounts, remove=True)
    assert client.containers.run("busybox", "cat /data/x", volumes=mounts, remove=True) == b"kept\n"
    volume.remove()


def test_ports(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", "sleep 1000", detach=True, ports={"80/tcp": ("127.0.0.1", None)})
    container.reload()
    (binding,) = container.ports["80/tcp"]
    assert binding["HostIp"] == "127.0.0.1" and int(binding["HostPort"]) > 0


def test_events(client: docker.DockerClient) -> None:
    stream = client.events(decode=True, filters={"event": "die"})
    seen: list[dict[str, object]] = []

    def listen() -> None:
        for event in stream:
            seen.append(event)
            if event["Actor"]["Attributes"]["name"] == "last":
                break

    thread = threading.Thread(target=listen)
    thread.start()
    while thread.is_alive():
        # Again and again: there is no telling when the stream stands.
        client.containers.run("busybox", "true", name="last", remove=True)
        thread.join(0.1)
    stream.close()
    assert seen[-1]["Action"] == "die"


def test_errors(client: docker.DockerClient) -> None:
    with pytest.raises(NotFound, match="No such container: nobody"):
        client.containers.get("nobody")
    with pytest.raises(ImageNotFound, match="No such image: nothing:latest"):
        client.containers.create("nothing", "true")
    client.containers.create("busybox", "true", name="once")
    with pytest.raises(APIError, match="is already in use by container"):
        client.containers.create("busybox", "true", name="once")


def test_networks(client: docker.DockerClient) -> None:
    assert {network.name for network in client.networks.list()} >= {"bridge", "host", "none"}
    bridge = client.networks.get("bridge")
    assert bridge.attrs["Driver"] == "bridge"


def test_system(client: docker.DockerClient) -> None:
    client.containers.create("busybox", "true")
    assert client.df()["Containers"]
    assert len(client.containers.prune()["ContainersDeleted"]) == 1


def test_a_terminal_sized_while_its_exec_is_being_started(client: docker.DockerClient) -> None:
    """Clients before API 1.42 size the terminal right behind the start, when the process may not be there yet."""
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True)
    created = client.api.exec_create(container.id, ["sh", "-c", "sleep 0.5; stty size"], tty=True)["Id"]
    socket = client.api.exec_start(created, tty=True, socket=True)
    client.api.exec_resize(created, height=43, width=101)
    answer = b""
    while data := socket._sock.recv(4096):
        answer += data
    socket.close()
    assert answer == b"43 101\r\n"
    container.remove(force=True)
