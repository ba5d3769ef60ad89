"""Who may do what: each action by each kind of client, in a registry with passwords and rules."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.access import PASSWORDS, SignedClient, basic, guarded, write_users
from tests.registry.server import Server

PROGRAM = [sys.executable, "-c", "import sys; from havre.registry.main import main; sys.exit(main())"]


def program(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], input=text, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with guarded(tmp_path_factory.mktemp("access"), "--auth", "basic") as server:
        yield server


def who(registry: Server, name: str) -> SignedClient:
    return SignedClient(registry.port, basic(name) if name else "")


@pytest.fixture(scope="module")
def images(registry: Server) -> dict[str, str]:
    """The digest of the image in each repository."""
    carol = who(registry, "carol")
    return {name: carol.push_image(name, "v1", name.encode()) for name in ("team/app", "public/app", "other/app")}


# What each may do in (team/app, public/app, other/app).
MAY = {
    "": {"pull": (401, 200, 401), "push": (401, 401, 401), "delete": (401, 401, 401)},
    "alice": {"pull": (200, 200, 403), "push": (202, 403, 403), "delete": (403, 403, 403)},
    "bob": {"pull": (403, 200, 403), "push": (403, 403, 403), "delete": (403, 403, 403)},
    "carol": {"pull": (200, 200, 200), "push": (202, 202, 202), "delete": (404, 404, 404)},
}
ACTIONS = {
    "pull": ("GET", "manifests/v1"),
    "push": ("POST", "blobs/uploads/"),
    "delete": ("DELETE", f"blobs/sha256:{'0' * 64}"),
}


@pytest.mark.parametrize("name", MAY)
@pytest.mark.parametrize("action", ACTIONS)
def test_each_action(registry: Server, images: dict[str, str], name: str, action: str) -> None:
    method, path = ACTIONS[action]
    answers = [who(registry, name).ask(method, f"/v2/{repository}/{path}") for repository in images]
    assert tuple(answer.status for answer in answers) == MAY[name][action]
    for answer in answers:
        if answer.status == 401:
            assert answer.code == "UNAUTHORIZED"
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        elif answer.status == 403:
            assert answer.code == "DENIED"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "manifests/v1"),
        ("HEAD", "manifests/v1"),
        ("PUT", "manifests/v1"),
        ("DELETE", "manifests/v1"),
        ("GET", f"blobs/sha256:{'0' * 64}"),
        ("HEAD", f"blobs/sha256:{'0' * 64}"),
        ("DELETE", f"blobs/sha256:{'0' * 64}"),
        ("POST", "blobs/uploads/"),
        ("PATCH", "blobs/uploads/00"),
        ("PUT", "blobs/uploads/00"),
        ("GET", "blobs/uploads/00"),
        ("DELETE", "blobs/uploads/00"),
        ("GET", "tags/list"),
        ("GET", f"referrers/sha256:{'0' * 64}"),
    ],
)
def test_no_endpoint_is_forgotten(registry: Server, images: dict[str, str], method: str, path: str) -> None:
    assert who(registry, "").ask(method, f"/v2/other/app/{path}").status == 401
    assert who(registry, "bob").ask(method, f"/v2/other/app/{path}").status == 403


def test_the_probe_tells_how_to_sign_in(registry: Server) -> None:
    assert who(registry, "").ask("GET", "/v2/").status == 401
    assert who(registry, "bob").ask("GET", "/v2/").status == 200
    for wrong in (
        basic("bob", "x"),
        basic("nobody", "x"),
        "Basic !",
        "Basic",
        "Basic Ym9i",
        "Bearer x",
        "Digest x",
        "é",
    ):
        answer = SignedClient(registry.port, wrong).ask("GET", "/v2/")
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED"), wrong


def test_the_catalog_shows_what_may_be_read(registry: Server, images: dict[str, str]) -> None:
    assert who(registry, "").ask("GET", "/v2/_catalog").json == {"repositories": ["public/app"]}
    assert who(registry, "alice").ask("GET", "/v2/_catalog").json == {"repositories": ["public/app", "team/app"]}
    page = who(registry, "alice").ask("GET", "/v2/_catalog?n=1")
    assert page.json == {"repositories": ["public/app"]} and "last=public%2Fapp" in page.headers["Link"]
    assert len(who(registry, "carol").ask("GET", "/v2/_catalog").json["repositories"]) == 3


def test_a_mount_takes_nothing_from_where_one_may_not_read(registry: Server, images: dict[str, str]) -> None:
    hidden = who(registry, "carol").push_blob("other/app", b"hidden")["digest"]
    shown = who(registry, "carol").push_blob("public/app", b"shown")["digest"]
    alice = who(registry, "alice")
    refused = alice.ask("POST", f"/v2/team/app/blobs/uploads/?mount={hidden}&from=other/app")
    assert refused.status == 202, "the client may send the blob"
    assert alice.ask("HEAD", f"/v2/team/app/blobs/{hidden}").status == 404
    assert alice.ask("POST", f"/v2/team/app/blobs/uploads/?mount={shown}&from=public/app").status == 201
    assert alice.ask("POST", f"/v2/team/app/blobs/uploads/?mount={hidden}&from=never/there").status == 202


def test_guessing_is_slowed_down_and_others_are_not(tmp_path: Path) -> None:
    with guarded(tmp_path) as server:
        statuses = [SignedClient(server.port, basic("alice", f"x{i}")).ask("GET", "/v2/").status for i in range(7)]
        assert statuses == [401] * 5 + [429] * 2
        right = who(server, "alice").ask("GET", "/v2/")
        assert (right.status, right.code) == (429, "TOOMANYREQUESTS")
        assert 0 < int(right.headers["Retry-After"]) <= 60
        assert who(server, "bob").ask("GET", "/v2/").status == 200


def test_files_are_read_again_while_it_runs(tmp_path: Path) -> None:
    with guarded(tmp_path) as server:
        assert who(server, "bob").ask("GET", "/v2/team/app/tags/list").status == 403
        rules = (tmp_path / "access.toml").read_text()
        (tmp_path / "access.toml").write_text(rules.replace('["alice"]', '["alice", "bob"]'))
        assert who(server, "bob").ask("GET", "/v2/team/app/tags/list").status == 404
        (tmp_path / "access.toml").write_text("no rules at all [")
        assert who(server, "bob").ask("GET", "/v2/team/app/tags/list").status == 404, "the last that made sense stays"
        write_users(tmp_path / "htpasswd", {**PASSWORDS, "bob": "changed"})
        assert who(server, "bob").ask("GET", "/v2/").status == 401
        assert SignedClient(server.port, basic("bob", "changed")).ask("GET", "/v2/").status == 200
        assert "going on with the content that was there before" in server.log()


def test_users_and_robots_by_command(tmp_path: Path) -> None:
    with guarded(tmp_path) as server:
        file = ["--htpasswd", str(tmp_path / "htpasswd")]
        assert program("user", "add", "dave", "--password-stdin", *file, text="dave's\n").returncode == 0
        assert "dave" in program("user", "ls", *file).stdout.split()
        assert SignedClient(server.port, basic("dave", "dave's")).ask("GET", "/v2/").status == 200
        assert program("user", "rm", "dave", *file).returncode == 0
        assert SignedClient(server.port, basic("dave", "dave's")).ask("GET", "/v2/").status == 401
        missing = program("user", "rm", "dave", *file)
        assert (missing.returncode, missing.stderr) == (1, "havre-registry: no such user: dave\n")
        assert program("user", "add", "robot+x", "--password-stdin", *file, text="x\n").returncode == 1

        root = ["--root", str(tmp_path / "root")]
        made = program("robot", "create", "ci", "--repository", "built/*", "--action", "write", *root)
        secret = made.stdout.removesuffix("\n")
        assert made.stderr == "It logs in as robot+ci, with this secret:\n"
        robot = SignedClient(server.port, basic("robot+ci", secret))
        robot.push_image("built/app", "v1", b"x")
        assert robot.ask("GET", "/v2/team/app/tags/list").status == 403
        assert robot.ask("DELETE", "/v2/built/app/manifests/v1").status == 403
        assert robot.ask("GET", "/v2/_catalog").json == {"repositories": ["built/app"]}
        listed = program("robot", "list", *root).stdout
        assert '"robot+ci"' in listed and secret not in listed
        assert secret not in (tmp_path / "root" / "robots.json").read_text()
        assert program("robot", "revoke", "ci", *root).returncode == 0
        assert robot.ask("GET", "/v2/").status == 401


def test_rate_limits_by_identity(tmp_path: Path) -> None:
    with guarded(tmp_path, "--rate-limit", "40/1h", "--pull-limit", "2/6h") as server:
        who(server, "carol").push_image("public/app", "v1", b"x")
        alice = who(server, "alice")
        first = alice.ask("GET", "/v2/public/app/manifests/v1")
        assert first.headers["RateLimit-Limit"] == "2;w=21600"
        assert first.headers["RateLimit-Remaining"] == "1;w=21600"
        assert first.headers["Docker-RateLimit-Source"] == "user"
        assert alice.ask("HEAD", "/v2/public/app/manifests/v1").status == 200
        assert alice.ask("GET", "/v2/public/app/manifests/v1").status == 200
        over = alice.ask("GET", "/v2/public/app/manifests/v1")
        assert (over.status, over.code) == (429, "TOOMANYREQUESTS")
        assert int(over.headers["Retry-After"]) > 3600
        assert over.headers["RateLimit-Remaining"] == "0;w=21600"
        assert alice.ask("HEAD", "/v2/public/app/manifests/v1").status == 200, "only pulls are used up"
        assert who(server, "bob").ask("GET", "/v2/public/app/manifests/v1").status == 200
        statuses = [alice.ask("GET", "/v2/").status for _ in range(40)]
        assert statuses.count(429) and statuses.count(200) + statuses.count(429) == 40
        assert who(server, "").ask("GET", "/v2/public/app/manifests/v1").headers["Docker-RateLimit-Source"] == "address"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--addr", "0.0.0.0:0"], "insecure-open"),
        (["--addr", ":0"], "this machine could read"),
        (["--auth", "magic"], "invalid auth"),
        (["--auth", "none", "--anonymous-read"], "mean nothing"),
        (["--auth", "basic", "--anonymous-read"], "needs auth token"),
        (["--auth", "external"], "token-realm"),
        (["--token-realm", "http://x"], "is for auth external"),
        (["--htpasswd", "/nowhere"], "no such file"),
        (["--access", "/nowhere"], "no such file"),
        (["--client-ca", "/nowhere"], "needs tls-cert"),
        (["--rate-limit", "fast"], "invalid rate"),
        (["--trusted-proxy", "10.0.0.1/8"], "invalid trusted proxy"),
        (["--audit-log", "/nowhere/at/all"], "audit log"),
        (["--audit-log", "-", "--audit-keep", "-1"], "audit-keep one of files"),
        (["--audit-log", "-", "--audit-size", "0"], "audit-size is a number"),
        (["--audit-keep", "1"], "are for audit-log"),
        (["--token-service", "x"], "is for auth token"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, arguments: list[str], named: str) -> None:
    done = program("serve", "--root", str(tmp_path / "root"), "--addr", "127.0.0.1:0", *arguments)
    assert done.returncode == 1
    assert named in done.stderr and "Traceback" not in done.stderr


def test_a_password_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text("bob:$apr1$x$y\n")
    done = program("serve", "--root", str(tmp_path / "root"), "--htpasswd", str(tmp_path / "htpasswd"))
    assert done.returncode == 1
    assert "line 1: the hash of 'bob' is MD5, not bcrypt: write it with htpasswd -B" in done.stderr


def test_settings_come_from_a_file_as_well(tmp_path: Path) -> None:
    write_users(tmp_path / "htpasswd")
    settings = tmp_path / "registry.toml"
    settings.write_text(f'htpasswd = "{tmp_path}/htpasswd"\nanonymous-read = true\ntrusted-proxy = ["127.0.0.0/8"]\n')
    server = Server(tmp_path / "root", "--config", str(settings))
    try:
        who(server, "bob").push_image("app", "v1", b"x")
        assert who(server, "").ask("GET", "/v2/app/manifests/v1").status == 200
        assert who(server, "").ask("POST", "/v2/app/blobs/uploads/").status == 401
        # Through a trusted proxy, it is the address behind it that guesses.
        for number in range(6):
            SignedClient(server.port, basic("bob", f"x{number}")).ask("GET", "/v2/", X_Forwarded_For="1.1.1.1, 9.9.9.9")
        assert who(server, "bob").ask("GET", "/v2/", X_Forwarded_For="9.9.9.9").status == 429
        assert who(server, "bob").ask("GET", "/v2/", X_Forwarded_For="9.9.9.9, 8.8.8.8").status == 200
    finally:
        server.close()
    settings.write_text("anonymous-read = 1\n")
    refused = program("serve", "--root", str(tmp_path / "root"), "--config", str(settings))
    assert "'anonymous-read' is not known, or not of the right kind" in refused.stderr
