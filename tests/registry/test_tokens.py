"""Tokens over HTTP: the registry's own token server, and another one's."""

import base64
import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from havre.registry.access import htpasswd
from havre.registry.access.passwords import hash_password
from tests.registry.access import PASSWORDS, SignedClient, basic, guarded, write_users
from tests.registry.server import Answer, Server
from tests.registry.test_access import program

FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with guarded(tmp_path_factory.mktemp("tokens"), "--auth", "token", "--token-service", "reg.test") as server:
        carol = SignedClient(server.port, basic("carol"))
        for name in ("team/app", "public/app", "other/app"):
            carol.push_image(name, "v1", name.encode())
        yield server


def ask_token(registry: Server, authorization: str, *scopes: str, **more: str) -> Answer:
    query = urlencode([("service", "reg.test"), *(("scope", scope) for scope in scopes), *more.items()])
    return SignedClient(registry.port, authorization).ask("GET", f"/token?{query}")


def bearer(registry: Server, authorization: str, *scopes: str) -> SignedClient:
    return SignedClient(registry.port, f"Bearer {ask_token(registry, authorization, *scopes).json['token']}")


def claims(token: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "===")))


def test_the_challenge_says_where_and_for_what(registry: Server) -> None:
    nobody = SignedClient(registry.port)
    probe = nobody.ask("GET", "/v2/")
    assert probe.status == 401
    realm = f'Bearer realm="http://127.0.0.1:{registry.port}/token",service="reg.test"'
    assert probe.headers["WWW-Authenticate"] == realm
    push = nobody.ask("POST", "/v2/team/app/blobs/uploads/")
    assert push.headers["WWW-Authenticate"] == f'{realm},scope="repository:team/app:pull,push"'
    for host in ('evil",scope="x', "x@y", "", "é"):
        hostile = nobody.ask("GET", "/v2/team/app/tags/list", Host=host)
        assert hostile.headers["WWW-Authenticate"].startswith('Bearer realm="http://localhost/token",'), host
    searcher = bearer(registry, basic("alice"), "registry:catalog:search")
    assert searcher.ask("GET", "/v1/search?q=team").json["num_results"] >= 1
    assert searcher.ask("GET", "/v2/_catalog").headers["WWW-Authenticate"].endswith('error="insufficient_scope"')
    assert nobody.ask("GET", "/ui/r/team/app").headers["WWW-Authenticate"].startswith("Basic ")


def test_a_token_is_as_wide_as_asked_and_allowed(registry: Server) -> None:
    answer = ask_token(registry, basic("alice"), "repository:team/app:pull,push,delete", "repository:other/app:pull")
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    assert answer.json["token"] == answer.json["access_token"] and answer.json["expires_in"] == 300
    assert "refresh_token" not in answer.json
    assert claims(answer.json["token"])["access"] == [
        {"type": "repository", "name": "team/app", "actions": ["pull", "push"]}
    ]
    everything = ask_token(registry, basic("carol"), "repository:team/app:*").json["token"]
    assert claims(everything)["access"][0]["actions"] == ["delete", "pull", "push"]


def test_a_token_does_what_it_is_for(registry: Server) -> None:
    reader = bearer(registry, basic("alice"), "repository:team/app:pull")
    assert reader.ask("GET", "/v2/").status == 200
    assert reader.ask("GET", "/v2/team/app/manifests/v1").status == 200
    short = reader.ask("POST", "/v2/team/app/blobs/uploads/")
    assert short.status == 401 and short.headers["WWW-Authenticate"].endswith('error="insufficient_scope"')
    assert reader.ask("GET", "/v2/public/app/manifests/v1").status == 401, "a token for it can be had"
    assert reader.ask("GET", "/v2/other/app/manifests/v1").status == 403, "none can"
    writer = bearer(registry, basic("alice"), "repository:team/new:pull,push")
    writer.push_image("team/new", "v1", b"layer")
    assert writer.ask("DELETE", "/v2/team/new/manifests/v1").status == 403
    assert reader.ask("GET", "/v2/_catalog").status == 401
    lister = bearer(registry, basic("alice"), "registry:catalog:*")
    assert "other/app" not in lister.ask("GET", "/v2/_catalog").json["repositories"]


def test_a_mount_needs_the_token_for_its_source(registry: Server) -> None:
    blob = SignedClient(registry.port, basic("carol")).push_blob("public/app", b"mounted")["digest"]
    path = f"/v2/team/app/blobs/uploads/?mount={blob}&from=public/app"
    assert bearer(registry, basic("alice"), "repository:team/app:pull,push").ask("POST", path).status == 202
    both = bearer(registry, basic("alice"), "repository:team/app:pull,push", "repository:public/app:pull")
    assert both.ask("POST", path).status == 201
    hidden = SignedClient(registry.port, basic("carol")).push_blob("other/app", b"hidden")["digest"]
    more = bearer(registry, basic("alice"), "repository:team/app:pull,push", "repository:other/app:pull")
    assert more.ask("POST", f"/v2/team/app/blobs/uploads/?mount={hidden}&from=other/app").status == 202


def test_the_anonymous_get_tokens_for_what_they_may_read(registry: Server) -> None:
    nobody = bearer(registry, "", "repository:public/app:pull,push", "repository:team/app:pull")
    assert nobody.ask("GET", "/v2/public/app/manifests/v1").status == 200
    assert nobody.ask("POST", "/v2/public/app/blobs/uploads/").status == 401
    assert nobody.ask("GET", "/v2/team/app/manifests/v1").status == 401


@pytest.mark.parametrize("authorization", [basic("alice", "x"), basic("nobody", "x"), "Basic x", "Bearer x.y.z"])
def test_wrong_credentials_get_none(registry: Server, authorization: str) -> None:
    answer = ask_token(registry, authorization, "repository:public/app:pull")
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


def test_what_is_no_request_for_a_token(registry: Server) -> None:
    client = SignedClient(registry.port, basic("bob"))
    assert client.ask("GET", "/token?service=other").status == 400
    assert client.ask("GET", "/token?scope=nonsense").status == 400
    for form in ("", "grant_type=magic", "grant_type=password&scope=nonsense&username=bob&password=secret-b"):
        assert client.ask("POST", "/token", form, **FORM).status == 400, form
    assert client.ask("POST", "/token", b"\xff" * 9, **FORM).status == 400
    assert client.ask("POST", "/token", "&".join(f"a{i}=1" for i in range(60)), **FORM).status == 400
    assert client.ask("POST", "/token", "x" * 100_000, **FORM).status == 400


def oauth(registry: Server, **form: str) -> Answer:
    return SignedClient(registry.port).ask("POST", "/token", urlencode({"service": "reg.test", **form}), **FORM)


def test_an_identity_token_stands_for_the_password_until_that_changes(tmp_path: Path) -> None:
    with guarded(tmp_path, "--auth", "token", "--token-service", "reg.test") as server:
        by_get = ask_token(server, basic("alice"), offline_token="true").json["refresh_token"]
        by_post = oauth(
            server, grant_type="password", username="alice", password=PASSWORDS["alice"], access_type="offline"
        )
        refresh = by_post.json["refresh_token"]
        for token in (by_get, refresh):
            scope = "repository:team/app:pull,push repository:team/b:pull"
            answer = oauth(server, grant_type="refresh_token", refresh_token=token, scope=scope)
            assert answer.json["scope"] == scope
            access = f"Bearer {answer.json['access_token']}"
            assert SignedClient(server.port, access).ask("GET", "/v2/team/app/tags/list").status == 404
        assert SignedClient(server.port, f"Bearer {refresh}").ask("GET", "/v2/").status == 401, "it is no access token"
        assert oauth(server, grant_type="refresh_token", refresh_token=access[7:]).status == 401
        assert oauth(server, grant_type="password", username="alice", password="x").status == 401
        server.kill()
        server.start()
        assert oauth(server, grant_type="refresh_token", refresh_token=refresh).status == 200, "also after a restart"
        write_users(tmp_path / "htpasswd", {**PASSWORDS, "alice": "another"})
        assert oauth(server, grant_type="refresh_token", refresh_token=refresh).status == 401
        assert SignedClient(server.port, access).ask("GET", "/v2/").status == 401


def test_a_revoked_robot_loses_its_tokens_and_a_rule_taken_back_takes_effect(tmp_path: Path) -> None:
    with guarded(tmp_path, "--auth", "token", "--token-service", "reg.test") as server:
        root = ["--root", str(tmp_path / "root")]
        secret = program("robot", "create", "ci", "--repository", "**", "--expires", "1d", *root).stdout.strip()
        robot = bearer(server, basic("robot+ci", secret), "repository:team/app:pull,push")
        alice = bearer(server, basic("alice"), "repository:team/app:pull")
        assert robot.ask("GET", "/v2/team/app/tags/list").status == 404
        assert robot.ask("POST", "/v2/team/app/blobs/uploads/").status == 403
        assert alice.ask("GET", "/v2/team/app/tags/list").status == 404
        program("robot", "revoke", "ci", *root)
        (tmp_path / "access.toml").write_text("")
        assert robot.ask("GET", "/v2/team/app/tags/list").status == 401
        assert alice.ask("GET", "/v2/team/app/tags/list").status == 403


def test_forged_tokens(registry: Server, tmp_path: Path) -> None:
    token = ask_token(registry, basic("bob"), "repository:public/app:pull").json["token"]
    head, body, tail = token.split(".")
    wide = {**claims(token), "access": [{"type": "repository", "name": "public/app", "actions": ["pull", "push"]}]}
    encoded = base64.urlsafe_b64encode(json.dumps(wide).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    stranger = jwt.encode(wide, rsa.generate_private_key(65537, 2048), "RS256")
    for forged in (f"{head}.{encoded}.{tail}", f"{none}.{encoded}.", stranger, f"{head}.{body}.", "x", "é.é.é"):
        answer = SignedClient(registry.port, f"Bearer {forged}").ask("GET", "/v2/public/app/manifests/v1")
        assert answer.status == 401 and 'error="invalid_token"' in answer.headers["WWW-Authenticate"], forged


def certificates(directory: Path) -> None:
    """ca.pem, which signs server.pem and client.pem (CN robot-7); stranger.pem signs itself."""
    for name, subject in (("ca", "/CN=our CA"), ("stranger", "/CN=robot-7")):
        arguments = ["-x509", "-days", "2", "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        _openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *arguments)
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name, subject in (("server", "/CN=localhost"), ("client", "/CN=robot-7")):
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject]
        _openssl(directory, "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san"]
        _openssl(directory, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


def test_another_token_server_decides(tmp_path: Path) -> None:
    certificates(tmp_path)
    server = Server(
        tmp_path / "root",
        *("--auth", "external", "--token-realm", "https://auth.test/token", "--token-service", "reg.test"),
        *("--token-issuer", "auth.test", "--token-certs", str(tmp_path / "ca.pem")),
    )
    try:
        probe = SignedClient(server.port).ask("GET", "/v2/")
        assert probe.headers["WWW-Authenticate"] == 'Bearer realm="https://auth.test/token",service="reg.test"'
        access = [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]
        now = int(time.time())
        told = {"iss": "auth.test", "aud": "reg.test", "sub": "zoe", "exp": now + 60, "nbf": now, "access": access}
        key = (tmp_path / "ca.key").read_text()
        zoe = SignedClient(server.port, f"Bearer {jwt.encode(told, key, 'ES256')}")
        zoe.push_image("team/app", "v1", b"layer")
        for path in ("/v2/team/other/tags/list", "/v2/_catalog"):
            assert zoe.ask("GET", path).status == 401
        assert zoe.ask("DELETE", "/v2/team/app/manifests/v1").status == 401
        assert SignedClient(server.port).ask("GET", "/v2/team/app/manifests/v1").status == 401
        assert SignedClient(server.port, basic("alice")).ask("GET", "/v2/team/app/manifests/v1").status == 401
        for wrong in ({"exp": now - 60}, {"aud": "x"}, {"iss": "x"}):
            late = SignedClient(server.port, f"Bearer {jwt.encode({**told, **wrong}, key, 'ES256')}")
            assert late.ask("GET", "/v2/team/app/manifests/v1").status == 401
        assert (
            zoe.ask("GET", "/metrics").status == 401 and SignedClient(server.port).ask("GET", "/metrics").status == 401
        )
    finally:
        server.close()


def test_client_certificates(tmp_path: Path) -> None:
    certificates(tmp_path)
    (tmp_path / "access.toml").write_text(
        '[[rules]]\nwho = ["certificate:robot-7"]\nrepositories = ["built/*"]\nactions = ["write"]\n'
    )
    tls = [
        word
        for name in ("cert", "key")
        for word in (f"--tls-{name}", str(tmp_path / f"server.{'pem' if name == 'cert' else 'key'}"))
    ]
    server = Server(
        tmp_path / "root", *tls, "--client-ca", str(tmp_path / "ca.pem"), "--access", str(tmp_path / "access.toml")
    )

    def status(path: str, certificate: str = "") -> int:
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        if certificate:
            context.load_cert_chain(tmp_path / f"{certificate}.pem", tmp_path / f"{certificate}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30, context=context)
        try:
            connection.request("POST", path)
            return connection.getresponse().status
        finally:
            connection.close()

    try:
        assert status("/v2/built/app/blobs/uploads/", "client") == 202
        assert status("/v2/other/app/blobs/uploads/", "client") == 403
        for certificate in ("", "stranger"):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                status("/v2/built/app/blobs/uploads/", certificate)
    finally:
        server.close()


def test_users_of_apaches_tool(tmp_path: Path) -> None:
    subprocess.run(
        ["htpasswd", "-cbB", "-C", "5", tmp_path / "htpasswd", "erin", "pass word"], check=True, capture_output=True
    )
    assert "erin" in htpasswd.parse((tmp_path / "htpasswd").read_text(), "f")
    server = Server(tmp_path / "root", "--htpasswd", str(tmp_path / "htpasswd"))
    try:
        SignedClient(server.port, basic("erin", "pass word")).push_image("any/thing", "v1", b"x")
        assert SignedClient(server.port, basic("erin", "pass")).ask("GET", "/v2/").status == 401
    finally:
        server.close()
    assert hash_password("x", 4) != hash_password("x", 4)
