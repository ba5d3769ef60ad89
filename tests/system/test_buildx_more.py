"""What ``docker buildx`` gives a build and takes from it: outputs, pushes, secrets, keys, contexts, bake, Compose."""

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.buildx import Bench, cached, with_plugins
from tests.system.harness import Havred
from tests.system.programs import Program
from tests.system.registry import PASSWORD, USER, Registry, serve

TREE = "FROM busybox AS made\nRUN mkdir -p /d/e && echo 1 >/d/e/f && ln -s e /d/l && chmod 751 /d/e/f\n"
# bake asks before it reads what is not below its working directory.
ANYWHERE = {"BUILDX_BAKE_ENTITLEMENTS_FS": "0"}
FILES = TREE + "FROM scratch\nCOPY --from=made /d /\n"


@pytest.fixture
def bench(havred: Havred, docker: Program, tmp_path: Path) -> Bench:
    return Bench(tmp_path / "context", with_plugins(docker))


def test_files_as_the_output(bench: Bench, tmp_path: Path) -> None:
    bench.build(FILES, "-o", str(tmp_path / "out"))
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*"))
    assert found == ["e", "e/f", "l"]
    assert (tmp_path / "out/l/f").read_text() == "1\n"
    assert (tmp_path / "out/e/f").stat().st_mode & 0o777 == 0o751
    bench.build(FILES, "-o", f"type=tar,dest={tmp_path}/out.tar")
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert sorted(archive.getnames()) == ["e", "e/f", "l"]


@pytest.mark.parametrize("kind", ["docker", "oci"])
def test_archives_as_the_output(bench: Bench, tmp_path: Path, kind: str) -> None:
    archive, metadata = tmp_path / "image.tar", tmp_path / "metadata"
    bench.docker("rmi", "-f", f"made:{kind}", code=None)
    flags = ("-t", f"made:{kind}", "-o", f"type={kind},dest={archive}", "--metadata-file", str(metadata))
    bench.build(FILES + f"LABEL kind={kind}\n", *flags)
    identity = json.loads(metadata.read_text())["containerimage.config.digest"]
    # Nothing stays in the image store.
    assert bench.docker("image", "inspect", identity, code=1).err
    assert f"Loaded image: made:{kind}" in bench.docker("load", "-i", str(archive)).out
    assert bench.docker("image", "inspect", "-f", "{{.Id}}", f"made:{kind}").out.strip() == identity


def test_pushes_with_the_clients_credentials(bench: Bench, tmp_path: Path) -> None:
    with serve(tmp_path / "registry", password=True) as registry:
        name = f"{registry.host}/some/thing:1"
        assert "no basic auth credentials" in bench.build(FILES, "-t", name, "--push", code=1).err
        bench.docker("login", "-u", USER, "--password-stdin", registry.host, stdin=PASSWORD)
        metadata = tmp_path / "metadata"
        bench.build(FILES, "-t", name, "--push", "--metadata-file", str(metadata))
        digest = json.loads(metadata.read_text())["containerimage.digest"]
        bench.docker("rmi", "-f", name)
        # And a base image, pulled with them.
        bench.build(f"FROM {name}@{digest}\nLABEL more=1\n", "-t", "more")


def test_caches_at_registries(bench: Bench, registry: Registry) -> None:
    cache = f"type=registry,ref={registry.host}/cache:1"
    dockerfile = "FROM busybox\nRUN echo once > /once\n"
    bench.build(dockerfile, "--no-cache", "--cache-to", cache)
    bench.docker("buildx", "prune", "-af")
    assert cached(bench.build(dockerfile, "--cache-from", cache), "RUN")
    assert "is not used" in bench.build(dockerfile, "--cache-from", f"{registry.host}/absent").err


def test_secrets(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"very secret\0")
    dockerfile = """
FROM busybox
RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=WORD \\
    wc -c < /run/secrets/file && test "$WORD" = hush && echo seen
RUN test ! -e /run/secrets/file && test -z "$WORD"
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
"""
    flags = ("--secret", f"id=file,src={tmp_path}/secret", "--secret", "id=variable,env=GIVEN")
    bench.docker.env["GIVEN"] = "hush"
    said = bench.build(dockerfile, *flags, "--no-cache").err
    assert "12" in said and "seen" in said
    said = bench.build("FROM busybox\nRUN --mount=type=secret,id=absent,required true\n", code=1).err
    assert "secret absent: not found" in said


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """A real ssh-agent with one key."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "the key", "-f", key], check=True)
        while not path.exists():
            assert process.poll() is None
        subprocess.run(["ssh-add", "-q", key], check=True, env={"SSH_AUTH_SOCK": str(path), "PATH": "/usr/bin"})
        yield path
    finally:
        process.terminate()
        process.wait()


def test_the_ssh_agent(bench: Bench, agent: Path) -> None:
    # busybox has no ssh-add: the host's goes along, with its libraries.
    needed = subprocess.run(["ldd", "/usr/bin/ssh-add"], capture_output=True, text=True, check=True).stdout
    for name in ["/usr/bin/ssh-add", *re.findall(r"(/\S+) \(0x", needed)]:
        target = bench.directory / "root" / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, target)
    dockerfile = """
FROM busybox
COPY root /
RUN --mount=type=ssh ssh-add -l
RUN --mount=type=ssh,uid=7 ssh-add -L | grep "^ssh-ed25519 .* the key"
RUN test -z "$SSH_AUTH_SOCK"
"""
    assert "the key (ED25519)" in bench.build(dockerfile, "--ssh", f"default={agent}").err
    assert "no SSH key" in bench.build("FROM busybox\nRUN --mount=type=ssh,required true\n", code=1).err


def test_named_contexts(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x").write_text("other's x")
    (tmp_path / "other/left-out").write_text("")
    (tmp_path / "other/.dockerignore").write_text("left-out")
    dockerfile = "FROM base\nCOPY --from=more . /more\nRUN cat /more/x && test ! -e /more/left-out\n"
    flags = ("--build-context", f"more={tmp_path}/other", "--build-context", "base=docker-image://busybox")
    assert "other's x" in bench.build(dockerfile, *flags).err


def test_contexts_from_stdin(bench: Bench, tmp_path: Path) -> None:
    bench.write({"Dockerfile": "FROM busybox\nCOPY a /a\nRUN cat /a\n", "a": "from an archive"})
    archive = tmp_path / "context.tar"
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(bench.directory, ".")
    words = ("buildx", "build", "--progress", "plain", "-")
    assert "from an archive" in bench.docker(*words, stdin=archive.read_bytes()).err
    assert "no context" in bench.docker(*words, stdin="FROM busybox\nRUN echo no context\n").err


def test_calls(bench: Bench) -> None:
    said = bench.build("FROM busybox as one\nCMD echo\n", "--call=check", code=None)
    assert "FromAsCasing" in said.out and "JSONArgsRecommended" in said.out
    assert "one" in bench.build("FROM busybox AS one\nFROM one AS two\n", "--call=targets").out
    assert "a warning" not in bench.build("FROM busybox\nCMD echo\n").err
    assert "1 warning found" in bench.build("FROM busybox\nCMD echo\n").err


def test_what_is_kept_is_told_and_pruned(bench: Bench) -> None:
    bench.write({"large": "x" * 2_000_000})
    bench.build("FROM busybox\nCOPY large /large\n")
    assert "source.local" in bench.docker("buildx", "du", "--verbose").out
    assert "source.local" not in bench.docker("buildx", "prune", "-f", "--filter", "type=regular").out
    bench.docker("buildx", "prune", "-af")
    assert "source.local" not in bench.docker("buildx", "du", "--verbose").out
    bench.build("FROM busybox\nCOPY large /large\n")


def test_what_is_not_there_is_refused_by_name(bench: Bench) -> None:
    for flags, words in (
        (("--cache-to", "type=local,dest=/tmp/x"), "of a build cache: dest"),
        (("-o", "type=image,compression=zstd"), "the option compression=zstd of the exporter"),
        (("-o", "type=image,store=false"), "the option store=false of the exporter"),
        (("--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=x"), "the build argument BUILDKIT_SANDBOX_HOSTNAME"),
        (("--sbom=true",), "ttestations"),
        (("--build-context", "x=oci-layout:///tmp/absent"), ""),
    ):
        assert words in bench.build("FROM busybox\n", *flags, code=1).err


def test_bake(bench: Bench) -> None:
    bench.write(
        {
            "docker-bake.json": json.dumps(
                {
                    "group": {"default": {"targets": ["one", "two"]}},
                    "target": {
                        "one": {"args": {"WHO": "one"}, "tags": ["baked:one"]},
                        "two": {"args": {"WHO": "two"}, "tags": ["baked:two"]},
                    },
                }
            ),
            "Dockerfile": "FROM busybox\nARG WHO\nENV WHO=$WHO\nCMD echo $WHO\n",
        }
    )
    bake = str(bench.directory / "docker-bake.json")
    bench.docker(
        "buildx", "bake", "--progress", "plain", "-f", bake, "--set", f"*.context={bench.directory}", env=ANYWHERE
    )
    assert [bench.run(f"baked:{name}") for name in ("one", "two")] == ["one\n", "two\n"]


def test_a_source_policy_is_refused(bench: Bench, tmp_path: Path) -> None:
    rule = {"action": "DENY", "selector": {"identifier": "*"}}
    (tmp_path / "policy.json").write_text(json.dumps({"rules": [rule]}))
    bench.docker.env["EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"] = str(tmp_path / "policy.json")
    assert "does not implement source policies" in bench.build("FROM busybox\n", code=1).err


def test_targets_that_stand_on_others_are_refused_by_name(bench: Bench) -> None:
    targets = {"one": {}, "two": {"contexts": {"busybox": "target:one"}}}
    bench.write({"docker-bake.json": json.dumps({"target": targets}), "Dockerfile": "FROM busybox\nLABEL x=y\n"})
    words = ("-f", str(bench.directory / "docker-bake.json"), "--set", f"*.context={bench.directory}", "two")
    said = bench.docker("buildx", "bake", "--progress", "plain", *words, env=ANYWHERE, code=1)
    assert "havre does not implement targets of a bake file as named contexts" in said.err


def test_compose(bench: Bench) -> None:
    bench.write(
        {
            "compose.yaml": "services: {web: {build: {context: ., args: {WHO: composed}}, image: 'composed:1'}}\n",
            "Dockerfile": "FROM busybox\nARG WHO\nENV WHO=$WHO\nCMD echo $WHO\n",
        }
    )
    bench.docker("compose", "-f", str(bench.directory / "compose.yaml"), "build")
    assert bench.run("composed:1") == "composed\n"
