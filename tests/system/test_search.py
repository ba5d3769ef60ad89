"""``search`` by both clients, at a registry that has the old protocol it needs."""

from pathlib import Path

from tests.fakes.registry import serving_aside
from tests.system.conftest import docker_for, havre_for
from tests.system.harness import Engine

FOUND = [
    {"name": "one", "description": "The first\nof " + "very " * 20 + "many", "star_count": 12, "is_official": True},
    {"name": "me/two", "description": "", "star_count": 0, "is_official": False, "is_automated": True},
]
ASKED = (
    (),
    ("--no-trunc",),
    ("--limit", "1"),
    ("--filter", "is-official=true"),
    ("--filter", "stars=1", "--filter", "is-official=false"),
    ("--format", "{{.Name}}\t{{.StarCount}}\t{{.IsOfficial}}\t{{.Description}}"),
    ("--format", "table {{.Name}}\t{{.StarCount}}"),
    ("--format", "json"),
    ("--filter", "nonsense=1"),
    ("--limit", "200"),
)


def test_both_clients_show_the_same(engine: Engine, tmp_path: Path) -> None:
    docker, havre = docker_for(engine, tmp_path), havre_for(engine, tmp_path)
    with serving_aside() as registry:
        registry.found = FOUND
        shown = []
        for words in ASKED:
            theirs, ours = (cli("search", *words, f"{registry.host}/o", code=None) for cli in (docker, havre))
            assert (ours.code, ours.out, ours.err) == (theirs.code, theirs.out, theirs.err)
            shown.append(ours.out or ours.err)
        assert shown[0].startswith("NAME ") and "me/two" in shown[0] and "[OK]" in shown[0]
        assert "me/two" not in shown[2] + shown[3] and shown[4].count("\n") == 1
        assert shown[-1].endswith("limit 200 is outside the range of [1, 100]\n")
        registry.credentials = ("me", "secret")
        assert "Unexpected status code 401" in havre("search", f"{registry.host}/o", code=1).err
        havre("login", "-u", "me", "--password-stdin", registry.host, stdin="secret")
        assert "me/two" in havre("search", f"{registry.host}/o").out
