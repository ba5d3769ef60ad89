"""The web page: what it shows, to whom, and that hostile content in it is inert."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from tests.registry.access import SignedClient, basic, guarded
from tests.registry.server import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Answer, Server

EVIL = (
    "</code></td><script>alert(1)</script><img src=x onerror=alert(2)>\"'><a href=javascript:alert(3)>"
    "\u202e\x1b[31m\x00"
)
TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "body",
        "header",
        "main",
        "h1",
        "h2",
        "form",
        "input",
        "button",
        "p",
        "a",
    ),
    *("span", "code", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "rel", "href", "type", "value", "maxlength", "aria-label", "action"),
    *("method", "role", "class"),
}


class Page(HTMLParser):
    """What a browser would see. Fails on anything a page of ours never has."""

    def __init__(self, answer: Answer, status: int = 200) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.open: list[str] = []
        assert answer.status == status, answer
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'") and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        self.feed(answer.body.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, name
            if name in ("href", "action"):
                assert value is not None and value.startswith("/") and not value.startswith("//"), value
                self.links.append(value)
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with guarded(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture
def carol(registry: Server) -> SignedClient:
    return SignedClient(registry.port, basic("carol"))


def test_signing_in(registry: Server) -> None:
    nobody, alice = SignedClient(registry.port), SignedClient(registry.port, basic("alice"))
    asked = nobody.ask("GET", "/sign-in")
    assert asked.status == 401 and asked.headers["WWW-Authenticate"].startswith("Basic ")
    assert SignedClient(registry.port, basic("alice", "x")).ask("GET", "/sign-in").status == 401
    let_in = alice.ask("GET", "/sign-in")
    assert (let_in.status, let_in.headers["Location"]) == (303, "/")
    assert "/sign-in" in (page := Page(nobody.ask("GET", "/"))).links and "alice" not in page.text
    assert "/sign-in" not in (page := Page(alice.ask("GET", "/"))).links and "alice" in page.text


def push(client: SignedClient, repository: str, tag: str, config: bytes, **more: object) -> str:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, **client.push_blob(repository, config)},
        "layers": [
            {"mediaType": OCI_LAYER, **client.push_blob(repository, layer)} for layer in (b"one", b"two" * 1000)
        ],
        **more,
    }
    answer = client.push_manifest(repository, tag, document)
    assert answer.status == 201, answer
    return str(answer.headers["Docker-Content-Digest"])


def test_the_pages_of_an_image(registry: Server, carol: SignedClient) -> None:
    config = {
        "os": "linux",
        "architecture": "amd64",
        "created": "2026-01-02T03:04:05Z",
        "config": {"Labels": {"maintainer": "Ada"}, "Cmd": ["sh", "-c", "true"]},
        "history": [
            {"created_by": "ADD rootfs.tar"},
            {"created_by": "ENV A=b", "empty_layer": True},
            {"created_by": "RUN make"},
        ],
    }
    digest = push(carol, "team/app", "v1", json.dumps(config).encode(), annotations={"org.example.note": "fine"})
    entry = {
        "mediaType": OCI_MANIFEST,
        "digest": digest,
        "size": len(carol.ask("GET", f"/v2/team/app/manifests/{digest}").body),
    }
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{**entry, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}],
    }
    assert carol.push_manifest("team/app", "all", index).status == 201
    signature = push(carol, "team/app", "signature", b"{}", subject=entry, artifactType="application/x.signature")

    first = Page(carol.ask("GET", "/"))
    assert "/ui/r/team/app" in first.links
    tags = Page(carol.ask("GET", "/ui/r/team/app"))
    assert {"/ui/m/team/app@all", "/ui/m/team/app@v1"} <= set(tags.links)
    assert "several platforms" in tags.text
    manifest = Page(carol.ask("GET", "/ui/m/team/app@v1"))
    for text in (
        f"docker pull 127.0.0.1:{registry.port}/team/app:v1", digest, "linux/amd64", "2026-01-02T03:04:05Z", "3.0 kB",
        "ADD rootfs.tar", "RUN make", "maintainer", "Ada", "org.example.note", "sh -c true", "application/x.signature",
    ):  # fmt: skip
        assert text in manifest.text, text
    assert "ENV A=b" not in manifest.text, "it made no layer"
    assert f"/ui/m/team/app@{signature}" in manifest.links
    whole = Page(carol.ask("GET", "/ui/m/team/app@all"))
    assert "linux/arm64/v8" in whole.text and f"/ui/m/team/app@{digest}" in whole.links
    by_digest = Page(carol.ask("GET", f"/ui/m/team/app@{digest}"))
    assert f"team/app@{digest}" in by_digest.text
    for path in {*first.links, *tags.links, *manifest.links, *whole.links}:
        assert carol.ask("GET", path).status == 200, path


def test_hostile_content_is_inert(carol: SignedClient) -> None:
    config = {
        "os": EVIL,
        "created": EVIL,
        "config": {"Labels": {EVIL: EVIL, "lone": "\ud800"}, "Cmd": [EVIL, 1, None], "User": EVIL},
        "history": [{"created_by": EVIL}, {"created_by": EVIL}],
    }
    digest = push(carol, "team/evil", "v1", json.dumps(config).encode(), annotations={EVIL: EVIL}, artifactType=EVIL)
    size = len(carol.ask("GET", f"/v2/team/evil/manifests/{digest}").body)
    entry = {"mediaType": EVIL, "digest": digest, "size": size, "platform": {"os": EVIL, "architecture": [EVIL]}}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry], "annotations": {EVIL: EVIL}}
    assert carol.push_manifest("team/evil", "all", index).status == 201
    subject = {"mediaType": OCI_MANIFEST, "digest": digest, "size": size}
    push(carol, "team/evil", "ref", b"{}", artifactType=EVIL, subject=subject)
    for path in ("/ui/r/team/evil", "/ui/m/team/evil@v1", "/ui/m/team/evil@all", "/ui/m/team/evil@ref"):
        answer = carol.ask("GET", path)
        Page(answer)
        assert b"<script" not in answer.body and b"\x1b" not in answer.body and "\u202e" not in answer.body.decode()
    shown = Page(carol.ask("GET", "/ui/m/team/evil@v1"))
    assert shown.text.count("<script>alert(1)</script>") >= 6, "it is there, as text"


@pytest.mark.parametrize(
    "config",
    [
        b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"config": []}', b'{"config": {"Labels": [1]}}',
        b'{"history": {"a": 1}}', b'{"history": [1, null, {"created_by": {}}]}', b'{"os": 7, "created": []}',
        b" " * 2_000_000,
    ],
)  # fmt: skip
def test_configurations_that_make_no_sense_are_not_looked_into(carol: SignedClient, config: bytes) -> None:
    push(carol, "team/odd", "v1", config)
    Page(carol.ask("GET", "/ui/m/team/odd@v1"))


def test_the_search_box(carol: SignedClient) -> None:
    for name in ("team/web", "team/worker", "public/web"):
        push(carol, name, "v1", b"{}")
    found = Page(carol.ask("GET", "/?q=web"))
    assert {"/ui/r/team/web", "/ui/r/public/web"} <= set(found.links)
    assert "/ui/r/team/worker" not in found.links
    hostile = Page(carol.ask("GET", "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"))
    assert '"><script>alert(1)</script>' in hostile.text
    assert "nothing here" in Page(carol.ask("GET", "/?q=neverthere")).text


def test_it_shows_what_the_reader_may_pull(registry: Server, carol: SignedClient) -> None:
    for name in ("public/seen", "team/seen", "other/hidden"):
        push(carol, name, "v1", b"{}")
    nobody, alice = SignedClient(registry.port), SignedClient(registry.port, basic("alice"))
    assert "public/seen" in (text := Page(nobody.ask("GET", "/")).text) and "team/seen" not in text
    assert "team/seen" in (text := Page(alice.ask("GET", "/")).text) and "other/hidden" not in text
    for path in ("/ui/r/other/hidden", "/ui/m/other/hidden@v1"):
        refused = nobody.ask("GET", path)
        assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert alice.ask("GET", path).status == 403
    found = nobody.ask("GET", "/v1/search?q=seen").json
    assert (found["num_results"], [result["name"] for result in found["results"]]) == (1, ["public/seen"])
    assert len(alice.ask("GET", "/v1/search?q=seen").json["results"]) == 2
    assert len(alice.ask("GET", "/v1/search?q=seen&n=1").json["results"]) == 1
    assert alice.ask("GET", f"/v1/search?q=seen&n={'9' * 5000}").status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ui/m/team/none@v1", 404),
        ("/ui/r/team/none", 404),
        ("/ui/r/../../etc", 400),
        ("/ui/r/A", 400),
        ("/ui/", 404),
        ("/ui/m/team/app", 404),
        ("/ui/m/team/app@sha256:xyz", 400),
        ("/ui/x/y", 404),
        ("/ui/m/%00@v1", 400),
    ],
)
def test_pages_that_are_not_there(carol: SignedClient, path: str, status: int) -> None:
    answer = carol.ask("GET", path)
    assert answer.status == status
    Page(answer, status)
