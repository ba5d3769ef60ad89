"""``manifest`` of both clients: the same words, the same files, the same lists at a real registry."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import docker_for, havre_for
from tests.system.harness import Engine
from tests.system.programs import Program
from tests.system.registry import PASSWORD, USER, Registry, serve
from tests.system.tokenserver import serve_tokens


@pytest.fixture(scope="module")
def filled(registry: Registry) -> Registry:
    """A registry with images of both dialects for several platforms, and lists of them."""
    box = images.busybox()
    arm = box.derive("arm", {"Labels": {"html": "<&>"}}, architecture="arm64", variant="v8")
    registry.push(box, "app", "amd")
    registry.push(arm, "app", "arm", dialect="docker")
    registry.push(arm, "other", "arm", dialect="docker")
    registry.push(box, "third", "amd", dialect="docker")
    registry.push_index([box, arm], "multi")
    registry.push_index([box, arm], "multi", "docker", dialect="docker")
    return registry


@pytest.fixture
def both(engine: Engine, tmp_path: Path) -> tuple[Program, Program]:
    return docker_for(engine, tmp_path / "docker"), havre_for(engine, tmp_path / "havre")


def files(cli: Program) -> dict[str, str]:
    root = Path(cli.env["DOCKER_CONFIG"]) / "manifests"
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def same(both: tuple[Program, Program], *words: str) -> str:
    """What both say to ``manifest WORDS``, and that they leave the same files."""
    done = [cli("manifest", *words, code=None) for cli in both]
    theirs, ours = [(one.code, one.out, one.err.replace("docker:", "havre:")) for one in done]
    assert ours == theirs
    assert files(both[1]) == files(both[0])
    return ours[1] + ours[2]


def test_inspect(both: tuple[Program, Program], filled: Registry) -> None:
    for name in ("app:amd", "app:arm", "multi", "multi:docker"):
        plain = same(both, "inspect", "--insecure", f"{filled.host}/{name}")
        assert json.loads(plain)["schemaVersion"] == 2
        assert "Raw" in same(both, "inspect", "--insecure", "--verbose", f"{filled.host}/{name}")
    for name in ("app:none", "none", "app@sha256:" + "0" * 64):
        assert same(both, "inspect", "--insecure", f"{filled.host}/{name}").startswith("no such manifest: ")


def test_a_list_from_its_beginning_to_its_end(both: tuple[Program, Program], filled: Registry) -> None:
    target, amd, arm = (f"{filled.host}/{name}" for name in ("list:1", "app:amd", "other:arm"))
    assert same(both, "create", "--insecure", target, amd, arm) == f"Created manifest list {target}\n"
    assert "no --amend flag" in same(both, "create", "--insecure", target, amd)
    assert "is a manifest list" in same(both, "create", "--insecure", "-a", target, f"{filled.host}/multi")
    same(both, "create", "--insecure", "--amend", target, f"{filled.host}/app:arm")
    same(both, "inspect", target)
    same(both, "inspect", "-v", target)
    same(both, "inspect", target, arm)
    assert same(both, "inspect", target, f"{target}2").startswith("No such manifest: ")
    same(both, "annotate", "--variant", "v9", "--os-features", "a,b", "--os-features", "b", target, arm)
    same(both, "annotate", "--os", "linux", "--arch", "riscv64", "--os-version", "1.2", target, amd)
    assert "unsupported os/arch combination: bogus/" in same(both, "annotate", "--os", "bogus", target, arm)
    assert "does not exist in" in same(both, "annotate", "--arch", "arm", target, f"{target}2")
    assert "does not exist in" in same(both, "annotate", "--arch", "arm", f"{target}2", arm)
    assert "Pushed ref " in same(both, "push", "--insecure", target)
    assert same(both, "rm", target, f"{target}2", "B:c:d").startswith("No such manifest: ")
    pushed = json.loads(same(both, "inspect", "--insecure", target))
    assert [entry["platform"]["architecture"] for entry in pushed["manifests"]] == ["riscv64", "arm64", "arm64"]
    assert same(both, "push", target).startswith("No such manifest: ")


def test_a_list_of_docker_s_dialect_and_purge(both: tuple[Program, Program], filled: Registry) -> None:
    target = f"{filled.host}/old:1"
    same(both, "create", "--insecure", target, f"{filled.host}/third:amd", f"{filled.host}/other:arm")
    assert "manifest.list.v2" in same(both, "inspect", target)
    same(both, "push", "--insecure", "--purge", target)
    assert files(both[1]) == {}


def test_what_cannot_be_in_a_list(both: tuple[Program, Program], filled: Registry) -> None:
    target = "elsewhere.test/list:1"
    same(both, "create", "--insecure", target, f"{filled.host}/app:amd")
    assert "from a different registry than the target image" in same(both, "push", target)
    assert same(both, "inspect", "a:b:c") == "invalid reference format\n"


def test_one_goes_on_with_what_the_other_began(both: tuple[Program, Program], filled: Registry) -> None:
    docker, havre = both
    havre.env["DOCKER_CONFIG"] = docker.env["DOCKER_CONFIG"]
    digests = []
    for first, second in ((docker, havre), (havre, docker)):
        target = f"{filled.host}/shared:1"
        first("manifest", "create", "--insecure", target, f"{filled.host}/app:amd", f"{filled.host}/app:arm")
        second("manifest", "annotate", "--os-version", "7", target, f"{filled.host}/app:arm")
        digests.append(first("manifest", "push", "--insecure", "-p", target).lines[-1])
    assert digests[0] == digests[1]


def test_a_list_is_pulled_by_platform(havre: Program, filled: Registry) -> None:
    target = f"{filled.host}/pulled:1"
    havre("manifest", "create", target, f"{filled.host}/app:amd", f"{filled.host}/app:arm")
    havre("manifest", "push", target)
    havre("pull", "--platform", "linux/arm64", target)
    assert json.loads(havre("image", "inspect", target).out)[0]["Architecture"] == "arm64"
    havre("rmi", target)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Registry]:
    with serve(tmp_path / "private", password=True) as registry:
        yield registry


def test_credentials(both: tuple[Program, Program], private: Registry) -> None:
    name = private.push(images.busybox(), "app").reference
    refused = both[1]("manifest", "inspect", name, code=1).err
    assert "unauthorized: authentication required" in refused
    for cli in both:
        cli("login", "-u", USER, "--password-stdin", private.host, stdin=PASSWORD)
    same(both, "inspect", "--insecure", name)


def test_tokens_for_both_repositories(havre: Program, tmp_path: Path) -> None:
    with (
        serve_tokens(tmp_path / "tokens", {USER: PASSWORD}) as tokens,
        serve(tmp_path / "registry", tokens=tokens) as guarded,
    ):
        name = guarded.push(images.busybox(), "private/app").reference
        target = f"{guarded.host}/private/list:1"
        havre("login", "-u", USER, "--password-stdin", guarded.host, stdin=PASSWORD)
        tokens.grants.clear()
        havre("manifest", "create", target, name)
        havre("manifest", "push", target)
        asked = [scopes for _, scopes, _ in tokens.grants]
        assert ["repository:private/app:pull"] in asked
        assert ["repository:private/list:pull,push", "repository:private/app:pull"] in asked


def test_nothing_but_the_standard_library(havre: Program, filled: Registry) -> None:
    program = (
        "import sys; from havre.cli.main import main; main(sys.argv[1:]);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    python = Path(havre.path).parent / "python"
    done = subprocess.run(
        [python, "-I", "-c", program, "manifest", "inspect", f"{filled.host}/app:amd"],
        capture_output=True,
        text=True,
        env={**havre.env, "HOME": os.environ.get("HOME", "/")},
    )
    assert done.returncode == 0 and '"schemaVersion"' in done.stdout
    assert not {"aiohttp", "msgspec", "yarl"} & set(done.stderr.split())
