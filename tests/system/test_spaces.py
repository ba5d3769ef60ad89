"""Namespaces that containers share with the host or with each other, and what options they rule out."""

import os
import signal
from typing import Any

import pytest

from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

SLEEPER = ("busybox", "sleep", "100000")


def create(engine: Engine, version: str = "", **body: Any) -> tuple[int, str]:
    """The status and the message (or the id) that a create request gets."""
    answer = engine.api("POST", f"{version}/containers/create", {"Image": "busybox", "Cmd": ["true"], **body})
    return answer.status, answer.json().get("message") or answer.json()["Id"]


def host(**words: Any) -> dict[str, Any]:
    return {"HostConfig": words}


def started(engine: Engine, container: str) -> tuple[int, str]:
    answer = engine.api("POST", f"/containers/{container}/start")
    return answer.status, answer.json()["message"] if answer.body else ""


def run(docker: Program, name: str, *flags: str) -> None:
    docker("run", "-d", "--name", name, "--stop-signal", "KILL", *flags, *SLEEPER)


def test_ipc(docker: Program, engine: Engine) -> None:
    run(docker, "shares", "--ipc", "shareable", "--shm-size", "8m")
    run(docker, "keeps")
    run(docker, "none", "--ipc", "none")
    docker("create", "--name", "off", "--ipc", "shareable", *SLEEPER)
    run(docker, "joins", "--ipc", "container:shares")
    docker("exec", "shares", "sh", "-c", "echo there > /dev/shm/file")
    assert docker("exec", "joins", "cat", "/dev/shm/file").out == "there\n"
    for link in ("shares", "joins"):
        assert "size=8192k" in docker("exec", link, "grep", "/dev/shm", "/proc/mounts").out
    spaces = [docker("exec", name, "readlink", "/proc/1/ns/ipc").out for name in ("shares", "joins", "keeps")]
    assert spaces[0] == spaces[1] != spaces[2]
    assert docker("exec", "none", "ls", "-d", "/dev/shm", code=1).out == ""
    shares, keeps = engine.inspect("shares")["Id"], engine.inspect("keeps")["Id"]
    assert engine.inspect("joins")["HostConfig"]["IpcMode"] == f"container:{shares}"
    # The joined one may go: what was shared stays with the other.
    docker("rm", "-f", "shares")
    assert docker("exec", "joins", "cat", "/dev/shm/file").out == "there\n"
    for mode, status, words in (
        ("container:keeps", 400, f"container {keeps}: non-shareable IPC (hint: use IpcMode:shareable for the donor"),
        ("container:none", 400, "non-shareable IPC"),
        ("container:off", 409, "is not running"),
        ("container:", 400, 'failed to join IPC namespace: invalid name or ID supplied: ""'),
    ):
        made, container = create(engine, **host(IpcMode=mode))
        assert made == 201
        code, message = started(engine, container)
        assert (code, words in message) == (status, True), (mode, message)
    assert create(engine, **host(IpcMode="container:nobody")) == (400, "No such container: nobody")
    assert create(engine, **host(IpcMode="bogus")) == (400, "invalid IPC mode: bogus")
    for version, mode in (("/v1.39", "shareable"), ("/v1.40", "private")):
        _, container = create(engine, version)
        assert engine.inspect(container)["HostConfig"]["IpcMode"] == mode


def test_pid(docker: Program, engine: Engine) -> None:
    run(docker, "first")
    run(docker, "second", "--pid", "container:first")
    seen = docker("exec", "second", "ps", "-o", "pid,args").out
    assert seen.count("sleep 100000") == 2
    docker("kill", "first")
    # The first process of a PID namespace takes all others with it.
    wait_until(lambda: not engine.inspect("second")["State"]["Running"], "the one that joined to end")
    code, message = started(engine, "second")
    assert code in (409, 500) and message.startswith("failed to join PID namespace: container ")
    assert message.endswith(" is not running")
    docker("start", "first", "second")
    docker("rm", "-f", "second")
    for mode, words in (
        ("container:nobody", "No such container: nobody"),
        ("container:", "invalid PID mode: container:"),
        ("private", "invalid PID mode: private"),
    ):
        assert create(engine, **host(PidMode=mode)) == (400, words)


def test_uts_userns_cgroupns(docker: Program, engine: Engine) -> None:
    script = ("busybox", "sh", "-c", "readlink /proc/self/ns/uts; readlink /proc/self/ns/cgroup")
    own = docker("run", "--rm", *script).lines
    shared = ("--uts", "host", "--userns", "host", "--cgroupns", "private")
    there = docker("run", "--rm", *shared, *script).lines
    assert own[0] != there[0] and own[1] != there[1]
    assert docker("run", "--rm", "--privileged", *script).lines[1] == own[1]
    for mode, words in (
        ({"UTSMode": "bogus"}, "invalid UTS mode: bogus"),
        ({"CgroupnsMode": "bogus"}, "invalid cgroup namespace mode: bogus"),
        ({"Isolation": "hyperv"}, "invalid isolation (hyperv): linux only supports 'default'"),
    ):
        assert create(engine, **host(**mode)) == (400, words)
    assert create(engine, Hostname="x", **host(UTSMode="host")) == (
        400,
        "conflicting options: hostname and the UTS mode",
    )


CONFLICTS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"Hostname": "h"}, {}, "hostname and the network mode"),
    ({"ExposedPorts": {"80/tcp": {}}}, {}, "port exposing and the container type network mode"),
    ({}, {"PublishAllPorts": True}, "port publishing and the container type network mode"),
    ({}, {"PortBindings": {"80/tcp": [{}]}}, "port publishing and the container type network mode"),
    ({}, {"Dns": ["192.0.2.1"]}, "dns and the network mode"),
    ({}, {"ExtraHosts": ["a:192.0.2.1"]}, "custom host-to-IP mapping and the network mode"),
    (
        {},
        {"Links": ["target:x"]},
        "container type network can't be used with links. This would result in undefined behavior",
    ),
]


def test_network_of_a_container(docker: Program, engine: Engine) -> None:
    run(docker, "target", "--hostname", "shared", "--add-host", "known:192.0.2.7", "--dns", "192.0.2.53")
    run(docker, "guest", "--network", "container:target")
    target, guest = engine.inspect("target"), engine.inspect("guest")
    for command in (("hostname",), ("cat", "/etc/hosts", "/etc/resolv.conf"), ("ip", "-o", "addr")):
        assert docker("exec", "guest", *command).out == docker("exec", "target", *command).out
    docker("exec", "guest", "sh", "-c", "echo 192.0.2.8 added >> /etc/hosts")
    assert "added" in docker("exec", "target", "cat", "/etc/hosts").out
    assert guest["HostConfig"]["NetworkMode"] == f"container:{target['Id']}"
    assert guest["Config"]["Hostname"] == "shared"
    assert guest["HostsPath"] == target["HostsPath"]
    settings = guest["NetworkSettings"]
    assert (settings["Networks"], settings["SandboxKey"]) == ({}, "")
    mode = {"NetworkMode": "container:target"}
    for config, options, words in CONFLICTS:
        assert create(engine, **config, **host(**mode, **options)) == (400, f"conflicting options: {words}")
    assert create(engine, **host(NetworkMode="container:"))[1] == (
        "invalid network mode: invalid container format container:<name|id>"
    )
    # The target's end takes its interface along, and its next life is in another namespace, until the guest joins it.
    docker("restart", "target")
    wait_until(lambda: "eth0" not in docker("exec", "guest", "ip", "-o", "addr").out, "the interface to go")
    docker("restart", "guest")
    assert docker("exec", "guest", "ip", "-o", "addr").out == docker("exec", "target", "ip", "-o", "addr").out
    docker("stop", "target", "guest")
    assert started(engine, "guest") == (
        409,
        "cannot join network namespace of a non running container: container target is exited",
    )
    docker("rm", "target")
    code, message = started(engine, "guest")
    assert code in (409, 500)
    assert message == f"joining network namespace of container: No such container: {target['Id']}"
    code, message = started(engine, create(engine, **host(NetworkMode="container:nobody"))[1])
    assert message == "joining network namespace of container: No such container: nobody"


def test_network_of_containers_without_a_bridge(docker: Program) -> None:
    run(docker, "hosts", "--network", "host")
    run(docker, "nones", "--network", "none")
    for name in ("hosts", "nones"):
        run(docker, f"with-{name}", "--network", f"container:{name}")
        spaces = [docker("exec", one, "readlink", "/proc/self/ns/net").out for one in (name, f"with-{name}")]
        assert spaces[0] == spaces[1]


def test_no_network(docker: Program, engine: Engine) -> None:
    _, container = create(engine, Cmd=["ip", "-o", "link"], NetworkDisabled=True)
    assert docker("start", "-a", container).out.count("\n") == 1
    found = engine.inspect(container)
    assert (found["HostConfig"]["NetworkMode"], found["NetworkSettings"]["Networks"]) == ("bridge", {})
    assert found["Config"]["NetworkDisabled"]


@pytest.mark.parametrize("mac", ["zz", "01:42:ac:11:00:99"])
def test_mac_addresses_nobody_can_have(engine: Engine, mac: str) -> None:
    endpoint = {"EndpointsConfig": {"bridge": {"MacAddress": mac}}}
    status, said = create(engine, NetworkingConfig=endpoint)
    if status == 201:
        # dockerd finds out at start.
        status, said = started(engine, said)
    assert status in (400, 500) and mac in said


def test_endpoint_options(docker: Program, engine: Engine) -> None:
    base = "com.docker.network.endpoint"
    options = {f"{base}.sysctls": "net.ipv4.conf.IFNAME.log_martians=1", f"{base}.ifname": "wan0", "other": "kept"}
    endpoint = {"EndpointsConfig": {"bridge": {"DriverOpts": options, "Links": ["x:y"]}}}
    command = ["cat", "/proc/sys/net/ipv4/conf/wan0/log_martians"]
    _, container = create(engine, Cmd=command, NetworkingConfig=endpoint)
    assert docker("start", "-a", container).out == "1\n"
    found = engine.inspect(container)["NetworkSettings"]["Networks"]["bridge"]
    assert (found["DriverOpts"], found["Links"]) == (options, ["x:y"])


@pytest.mark.parametrize("path", ["/proc/self/fd/7", "/proc/1/../self/fd/8", "/proc/thread-self/fd/9"])
def test_working_directory_behind_a_magic_link(engine: Engine, path: str) -> None:
    """CVE-2024-21626: no process starts in what the runtime has open on the host."""
    status, said = create(engine, WorkingDir=path)
    if status == 201:
        status, said = started(engine, said)
    assert status == 400, said


def test_exec_in_a_working_directory_behind_a_magic_link(docker: Program) -> None:
    run(docker, "cage")
    docker("exec", "cage", "ln", "-s", "/proc/self/fd", "/out")
    for path in ("/proc/self/fd/7", "/out/8"):
        assert docker("exec", "-w", path, "cage", "ls", code=None).code != 0


def test_those_who_share_live_through_the_daemon(fresh_havred: Havred) -> None:
    daemon = fresh_havred
    always = {"RestartPolicy": {"Name": "always"}}
    sleeper = {"Image": "busybox", "Cmd": ["sleep", "100000"]}
    # The guest is the older one, and must be started last all the same.
    for name, options in (
        ("guest", {"NetworkMode": "container:target"}),
        ("target", {"IpcMode": "shareable"}),
        ("third", {"IpcMode": "container:target", "PidMode": "container:target", "Links": ["target:it"]}),
    ):
        body = {**sleeper, "HostConfig": {**always, **options}}
        assert daemon.api("POST", "/containers/create", body, name=name).status == 201
    for name in ("target", "guest", "third"):
        assert started(daemon, name) == (204, "")
    pids = {name: daemon.inspect(name)["State"]["Pid"] for name in ("target", "guest", "third")}
    daemon.kill()
    daemon.start()
    assert pids == {name: daemon.inspect(name)["State"]["Pid"] for name in pids}
    assert os.readlink(f"/proc/{pids['guest']}/ns/net") == os.readlink(f"/proc/{pids['target']}/ns/net")
    daemon.kill()
    for pid in (pids["third"], pids["guest"], pids["target"]):
        os.kill(pid, signal.SIGKILL)
    daemon.start()
    # They end and begin again in an order in which they can, or one after the other as their policy says.
    wait_until(lambda: all(daemon.inspect(name)["State"]["Running"] for name in pids), "all to run again")
    found = {name: daemon.inspect(name)["State"]["Pid"] for name in pids}
    for one, kind in (("guest", "net"), ("third", "ipc"), ("third", "pid")):
        assert os.readlink(f"/proc/{found[one]}/ns/{kind}") == os.readlink(f"/proc/{found['target']}/ns/{kind}")
