"""Legacy links between containers on the default bridge."""

from typing import Any

from tests.system.harness import Engine
from tests.system.programs import Program

SLEEPER = ("busybox", "sleep", "100000")


def run(docker: Program, name: str, *flags: str) -> None:
    docker("run", "-d", "--name", name, "--stop-signal", "KILL", *flags, *SLEEPER)


def address(engine: Engine, name: str) -> str:
    found: str = engine.inspect(name)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    return found


def linked(engine: Engine, name: str) -> Any:
    return engine.inspect(name)["HostConfig"]["Links"]


def hosts(docker: Program, name: str) -> list[list[str]]:
    """The lines of hosts behind the fixed ones, in words."""
    return [line.split() for line in docker("exec", name, "cat", "/etc/hosts").lines[6:]]


def test_environment_and_hosts(docker: Program, engine: Engine) -> None:
    flags: tuple[str, ...] = (
        "--hostname",
        "dbhost",
        "-e",
        "FOO=bar",
        "-e",
        "HOME=/x",
        "--expose",
        "5432",
        "--expose",
        "53/udp",
    )
    run(docker, "db", *flags, "--expose", "80-81")
    script = "tail -n 3 /etc/hosts; env | grep -E '^(DB|WIDE)' | sort"
    flags = ("--link", "db", "--link", "db:wide-name", "-e", "DB_ENV_FOO=own", "--add-host", "known:192.0.2.9")
    said = docker("run", "--rm", "--name", "web", *flags, "busybox", "sh", "-c", script).lines
    ip = address(engine, "db")
    assert [line.split() for line in said[:2]] == [[ip, "db", "dbhost"], [ip, "wide-name", "dbhost", "db"]]
    words = {word for word in said[3:] if word.startswith("DB_")}
    assert words == {
        f"DB_PORT=tcp://{ip}:80",
        *(f"DB_PORT_80_TCP_{word}" for word in ("PORT=80", "PROTO=tcp", f"ADDR={ip}")),
        *(f"DB_PORT_81_TCP_{word}" for word in ("PORT=81", "PROTO=tcp", f"ADDR={ip}")),
        *(f"DB_PORT_5432_TCP_{word}" for word in ("PORT=5432", "PROTO=tcp", f"ADDR={ip}")),
        *(f"DB_PORT_53_UDP_{word}" for word in ("PORT=53", "PROTO=udp", f"ADDR={ip}")),
        *(f"DB_PORT_{port}_TCP=tcp://{ip}:{port}" for port in (80, 81, 5432)),
        f"DB_PORT_53_UDP=udp://{ip}:53",
        f"DB_PORT_80_TCP_START=tcp://{ip}:80",
        "DB_PORT_80_TCP_PORT_START=80",
        f"DB_PORT_80_TCP_END=tcp://{ip}:81",
        "DB_PORT_80_TCP_PORT_END=81",
        "DB_NAME=/web/db",
        "DB_ENV_FOO=own",
    }
    assert "WIDE_NAME_NAME=/web/wide-name" in said and "WIDE_NAME_ENV_FOO=bar" in said


def test_the_life_of_a_link(docker: Program, engine: Engine) -> None:
    run(docker, "db")
    run(docker, "web", "--link", "db:alias")
    assert linked(engine, "web") == ["/db:/web/alias"]
    assert engine.inspect("web/alias")["Name"] == "/db"
    names = next(one["Names"] for one in engine.containers() if "/db" in one["Names"])
    assert sorted(names) == ["/db", "/web/alias"]
    docker("exec", "web", "sh", "-c", "echo 192.0.2.1 kept >> /etc/hosts")
    # Another takes the address while it is down: the linked one learns the new.
    docker("stop", "db")
    run(docker, "taker")
    docker("start", "db")
    rows = hosts(docker, "web")
    assert [address(engine, "db"), "alias", engine.inspect("db")["Config"]["Hostname"], "db"] in rows
    assert ["192.0.2.1", "kept"] in rows
    assert "ALIAS_NAME=/web/alias" in docker("exec", "web", "env").lines
    docker("rename", "db", "db2")
    assert linked(engine, "web") == ["/db2:/web/alias"]
    assert "Conflict, cannot remove the default link name" in docker("rm", "--link", "web", code=1).err
    assert "No such container: web/nope" in docker("rm", "--link", "web/nope", code=1).err
    docker("rm", "--link", "web/alias")
    assert linked(engine, "web") is None
    assert not [row for row in hosts(docker, "web") if "alias" in row]
    docker("restart", "web")
    assert not [row for row in hosts(docker, "web") if "alias" in row]


def test_links_that_lead_nowhere(docker: Program, engine: Engine) -> None:
    docker("create", "--name", "off", *SLEEPER)
    docker("create", "--name", "hosts", "--network", "host", *SLEEPER)
    said = docker("run", "--rm", "--name", "web", "--link", "off:it", *SLEEPER, code=125).err
    assert "Cannot link to a non running container: /off AS /web/it" in said
    for link, words in (
        ("nobody:x", "could not get container for nobody: No such container: nobody"),
        ("off:a:b", "bad format for links: off:a:b"),
        ("", "empty string specified for links"),
        ("hosts:x", "conflicting options: host type networking can't be used with links."),
    ):
        body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Links": [link]}}
        answer = engine.api("POST", "/containers/create", body)
        assert answer.status in (400, 500) and words in answer.json()["message"], link
    # What was linked and is gone for good keeps the other from starting.
    run(docker, "db")
    run(docker, "user", "--link", "db:it")
    docker("rm", "-f", "db")
    assert linked(engine, "user") == ["/db:/user/it"]
    docker("stop", "user")
    assert "Cannot link to a non running container: /db AS /user/it" in docker("start", "user", code=1).err
