"""``login`` and ``logout`` of both clients leave the same ``config.json``, with and without a credential helper."""

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import docker_for, havre_for
from tests.system.harness import Engine
from tests.system.programs import Program
from tests.system.registry import PASSWORD, USER, Registry, serve
from tests.system.tokenserver import serve_tokens

# Keeps what it is given in a file, as docker-credential-pass does in another.
HELPER = """#!{python}
import json, os, sys
kept = "{file}"
known = json.load(open(kept)) if os.path.exists(kept) else {{}}
verb, text = sys.argv[1], sys.stdin.read().strip()
with open(kept + ".log", "a") as log:
    log.write(verb + "\\n")
if verb == "store":
    given = json.loads(text)
    known[given["ServerURL"]] = [given["Username"], given["Secret"]]
elif verb == "erase":
    known.pop(text, None)
elif verb == "get" and text in known:
    user, secret = known[text]
    print(json.dumps({{"ServerURL": text, "Username": user, "Secret": secret}}))
elif verb == "list":
    print(json.dumps({{server: entry[0] for server, entry in known.items()}}))
else:
    print("credentials not found in native keychain")
    sys.exit(1)
json.dump(known, open(kept, "w"))
"""


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serve(tmp_path_factory.mktemp("private"), password=True) as registry:
        yield registry


@pytest.fixture
def both(engine: Engine, tmp_path: Path) -> tuple[Program, Program]:
    """docker and havre, each with a home of its own and the helper ``file``."""
    docker, havre = docker_for(engine, tmp_path / "docker"), havre_for(engine, tmp_path / "havre")
    for cli in (docker, havre):
        home = Path(cli.env["HOME"])
        home.mkdir()
        helper = home / "docker-credential-file"
        helper.write_text(HELPER.format(python=sys.executable, file=home / "kept"))
        helper.chmod(0o755)
        cli.env["PATH"] = f"{home}:{os.environ['PATH']}"
    return docker, havre


def config(cli: Program) -> Path:
    return Path(cli.env["DOCKER_CONFIG"]) / "config.json"


def kept(cli: Program) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((Path(cli.env["HOME"]) / "kept").read_text())
    return found


def begin(cli: Program, values: dict[str, object]) -> None:
    config(cli).parent.mkdir()
    config(cli).write_text(json.dumps(values))


def same_file(both: tuple[Program, Program]) -> str:
    """What both have in their file, byte for byte."""
    docker, havre = (config(cli).read_text() for cli in both)
    assert docker == havre
    return havre


def login(cli: Program, private: Registry, code: int = 0) -> str:
    return cli("login", "-u", USER, "--password-stdin", private.host, stdin=PASSWORD, code=code).err


def test_a_file_of_their_own(both: tuple[Program, Program], private: Registry) -> None:
    warnings = [login(cli, private).replace(str(config(cli)), "FILE") for cli in both]
    assert warnings[0] == warnings[1] and "stored unencrypted in 'FILE'" in warnings[1]
    assert private.host in same_file(both)
    assert stat.S_IMODE(config(both[1]).stat().st_mode) == 0o600
    outputs = [cli("logout", private.host).out for cli in both]
    assert outputs[0] == outputs[1]
    assert json.loads(same_file(both)) == {"auths": {}}


def test_with_other_settings_and_other_registries(both: tuple[Program, Program], private: Registry) -> None:
    for cli in both:
        begin(
            cli,
            {
                "auths": {"z.test": {"auth": "YTpi"}, "a.test": {"auth": "YTpi"}},
                "HttpHeaders": {"X-Test": "1"},
                "psFormat": "table {{.ID}}",
            },
        )
        login(cli, private)
    assert list(json.loads(same_file(both))["auths"]) == sorted([private.host, "a.test", "z.test"])


def test_what_one_has_stored_the_other_uses(both: tuple[Program, Program], private: Registry) -> None:
    docker, havre = both
    for first, second in ((docker, havre), (havre, docker)):
        login(first, private)
        second.env["DOCKER_CONFIG"] = first.env["DOCKER_CONFIG"]
        assert "Login Succeeded" in second("login", private.host).out
        assert "manifest unknown" in second("pull", f"{private.host}/none", code=1).err
        second("logout", private.host)
        assert "no basic auth credentials" in first("pull", f"{private.host}/none", code=1).err


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_helper(both: tuple[Program, Program], private: Registry, key: str) -> None:
    for cli in both:
        begin(cli, {key: "file" if key == "credsStore" else {private.host: "file"}})
        assert login(cli, private) == ""
        assert kept(cli) == {private.host: [USER, PASSWORD]}
        assert "manifest unknown" in cli("pull", f"{private.host}/none", code=1).err
    assert PASSWORD not in same_file(both)
    for cli in both:
        cli("logout", private.host)
        assert kept(cli) == {}
    same_file(both)


def test_a_helper_keeps_identity_tokens(both: tuple[Program, Program], tmp_path: Path) -> None:
    with (
        serve_tokens(tmp_path / "tokens", {USER: PASSWORD}) as tokens,
        serve(tmp_path / "registry", tokens=tokens) as guarded,
    ):
        for cli in both:
            begin(cli, {"credsStore": "file"})
            login(cli, guarded)
            assert kept(cli) == {guarded.host: ["<token>", f"refresh-{USER}"]}
            tokens.grants.clear()
            cli("pull", f"{guarded.host}/private/{cli.name}", code=1)
            assert {(method, user) for method, _, user in tokens.grants} == {("POST", USER)}
        same_file(both)


def test_a_helper_that_is_missing_or_refuses(both: tuple[Program, Program], private: Registry) -> None:
    for name, script in {"gone": "", "locked": "#!/bin/sh\necho the vault is locked; exit 3\n"}.items():
        said = []
        for cli in both:
            config(cli).parent.mkdir(exist_ok=True)
            config(cli).write_text(json.dumps({"credsStore": name}))
            if script:
                program = Path(cli.env["HOME"]) / f"docker-credential-{name}"
                program.write_text(script)
                program.chmod(0o755)
            said.append(login(cli, private, code=1))
            pulled = cli("pull", f"{private.host}/none", code=1).err
            assert "no basic auth credentials" in pulled
        assert said[0] == said[1] and "Error saving credentials: error storing credentials - err: " in said[1]
        assert "WARNING: error getting credentials - err: " in pulled, "havre says what the matter is"
        assert json.loads(same_file(both)) == {"credsStore": name}


def test_the_helper_that_suits_this_machine(both: tuple[Program, Program], private: Registry) -> None:
    for cli in both:
        home = Path(cli.env["HOME"])
        (home / "docker-credential-file").rename(home / "docker-credential-pass")
        (home / "pass").touch(0o755)
        login(cli, private)
        assert kept(cli) == {private.host: [USER, PASSWORD]}
    assert json.loads(same_file(both))["credsStore"] == "pass"
