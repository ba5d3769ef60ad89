"""``load save tag rmi images inspect history import prune`` through both clients."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import images
from tests.system.harness import Engine
from tests.system.programs import Program
from tests.system.registry import Registry


@pytest.fixture(autouse=True)
def only_busybox(engine: Engine) -> Iterator[None]:
    """Puts the engine's images back to busybox alone."""
    yield
    engine.clean()
    for image in engine.api("GET", "/images/json?all=1").json():
        if "busybox:latest" not in (image["RepoTags"] or ()):
            engine.api("DELETE", f"/images/{image['Id']}?force=1")
    for tag in engine.api("GET", "/images/busybox/json").json()["RepoTags"]:
        if tag != "busybox:latest":
            engine.api("DELETE", f"/images/{tag}")


def made(name: str, *files: images.Entry, **settings: object) -> images.BuiltImage:
    return images.busybox().derive(name, settings, files)


def test_load_prints_the_tags(cli: Program) -> None:
    image = made("two-names", images.Entry("two", b"2"))
    done = cli("load", "-i", str(image.archive("first:1", "second:2")))
    assert sorted(done.lines) == ["Loaded image: first:1", "Loaded image: second:2"]
    assert cli("run", "--rm", "second:2", "cat", "/two").out == "2"


def test_load_from_stdin_without_a_tag(cli: Program) -> None:
    image = made("untagged", images.Entry("file", b"x"))
    done = cli("load", "-q", stdin=image.archive().read_bytes())
    assert done.out == f"Loaded image ID: {image.id}\n"
    assert cli("images", "-q", "--no-trunc", "--filter", "dangling=true").out == f"{image.id}\n"


def test_load_of_garbage(cli: Program) -> None:
    assert cli("load", stdin=b"garbage" * 1000, code=1).err != ""


def test_save_and_load_again(cli: Program, tmp_path: Path) -> None:
    image = made("saved", images.Entry("kept", b"kept"), Env=["A=1"])
    cli("load", "-i", str(image.archive("saved:1")))
    cli("tag", "saved:1", "saved:2")
    cli("save", "-o", str(tmp_path / "out.tar"), "saved:1", "saved:2", "busybox")
    with tarfile.open(tmp_path / "out.tar") as tar:
        names = set(tar.getnames())
        manifest = json.load(tar.extractfile("manifest.json") or io.BytesIO())
    assert {"index.json", "oci-layout", "manifest.json"} <= names
    assert sorted(tag for entry in manifest for tag in entry["RepoTags"]) == ["busybox:latest", "saved:1", "saved:2"]
    cli("rmi", "saved:1", "saved:2")
    cli("load", "-i", str(tmp_path / "out.tar"))
    assert json.loads(cli("inspect", "saved:2").out)[0]["Id"] == image.id
    assert cli("run", "--rm", "saved:1", "sh", "-c", "cat /kept; echo $A").out == "kept1\n"


def test_save_to_a_terminal_is_refused(cli: Program) -> None:
    with cli.terminal("save", "busybox") as terminal:
        terminal.expect("cowardly refusing to save to a terminal")
        assert terminal.wait() == 1


def test_tag_and_untag(cli: Program) -> None:
    cli("tag", "busybox", "127.0.0.1:5000/my/box:v1")
    assert (
        cli("images", "127.0.0.1:5000/my/box", "--format", "{{.Repository}} {{.Tag}}").out
        == "127.0.0.1:5000/my/box v1\n"
    )
    assert cli("rmi", "127.0.0.1:5000/my/box:v1").out == "Untagged: 127.0.0.1:5000/my/box:v1\n"
    assert cli("run", "--rm", "busybox", "echo", "still").out == "still\n"


def test_tag_errors(cli: Program) -> None:
    assert "No such image: nothing:latest" in cli("tag", "nothing", "x", code=1).err
    assert "invalid reference format" in cli("tag", "busybox", "a:b:c", code=1).err
    assert "must be lowercase" in cli("tag", "busybox", "UPPER", code=1).err


def test_rmi_deletes_with_the_last_tag(cli: Program) -> None:
    image = made("doomed", images.Entry("doomed", b"."))
    cli("load", "-i", str(image.archive("doomed:1", "doomed:2")))
    assert cli("rmi", "doomed:1").out == "Untagged: doomed:1\n"
    lines = cli("rmi", "doomed:2").lines
    assert lines[0] == "Untagged: doomed:2"
    assert f"Deleted: {image.id}" in lines
    assert "No such image: doomed:2" in cli("rmi", "doomed:2", code=1).err


def test_rmi_by_id_needs_force_with_two_tags(cli: Program) -> None:
    image = made("twice", images.Entry("twice", b"."))
    cli("load", "-i", str(image.archive("twice:1", "other:1")))
    short = image.id.removeprefix("sha256:")[:12]
    done = cli("rmi", short, code=1)
    assert "(must be forced) - image is referenced in multiple repositories" in done.err
    lines = cli("rmi", "-f", short).lines
    assert {"Untagged: twice:1", "Untagged: other:1", f"Deleted: {image.id}"} <= set(lines)


def test_rmi_of_an_image_in_use(cli: Program, engine: Engine) -> None:
    image = made("used", images.Entry("used", b"."))
    cli("load", "-i", str(image.archive("used:1")))
    id = cli("create", "--name", "user", "used:1").out.strip()
    done = cli("rmi", "used:1", code=1)
    short = image.id.removeprefix("sha256:")[:12]
    assert 'conflict: unable to remove repository reference "used:1" (must force)' in done.err
    assert f"container {id[:12]} is using its referenced image {short}" in done.err
    assert cli("rmi", "-f", "used:1").lines[0] == "Untagged: used:1"
    assert cli("start", "-a", "user").out == ""
    cli("rm", "user")
    cli("run", "-d", "--name", "runs", "busybox", "sleep", "1000")
    running = engine.inspect("runs")["Image"].removeprefix("sha256:")[:12]
    assert f"unable to delete {running} (cannot be forced)" in cli("rmi", "-f", running, code=1).err


def test_list(cli: Program) -> None:
    cli("load", "-i", str(made("listed", images.Entry("l", b"."), Labels={"kind": "test"}).archive("listed:1")))
    cli("tag", "listed:1", "listed:2")
    rows = cli("images", "listed").table()
    assert sorted(row["TAG"] for row in rows) == ["1", "2"]
    assert list(rows[0]) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert re.fullmatch(r"\d years? ago|\d+ months ago", rows[0]["CREATED"])
    assert re.fullmatch(r"\d\.\d+MB", rows[0]["SIZE"])
    template = ["--format", "{{.Repository}}:{{.Tag}}"]
    assert sorted(cli("images", *template, "--filter", "label=kind=test").lines) == ["listed:1", "listed:2"]
    assert cli("images", *template, "--filter", "reference=busy*").lines == ["busybox:latest"]
    assert cli("images", *template, "--filter", "reference=listed:2").lines == ["listed:2"]
    assert "<none>" not in cli("images").out
    assert cli("images", "-q", "no-such-image").out == ""


def test_inspect(cli: Program) -> None:
    found = json.loads(cli("image", "inspect", "busybox").out)[0]
    image = images.busybox()
    assert found["Id"] == image.id
    assert found["RepoTags"] == ["busybox:latest"]
    assert found["Config"]["Cmd"] == ["sh"]
    assert found["RootFS"] == {"Type": "layers", "Layers": [layer.diff_id for layer in image.layers]}
    assert (found["Os"], found["Architecture"]) == ("linux", images.ARCHITECTURE)
    assert found["Size"] > 1_000_000
    done = cli("image", "inspect", "nothing", code=1)
    assert (done.out, done.err) == ("[]\n", "Error response from daemon: No such image: nothing:latest\n")


def test_history(cli: Program) -> None:
    rows = cli("history", "busybox").table()
    assert list(rows[0]) == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    assert rows[0]["IMAGE"] == images.busybox().id.removeprefix("sha256:")[:12]
    assert rows[0]["CREATED BY"].startswith("made for the tests: busybox")


def test_import(cli: Program, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.add(Path("/bin/busybox").resolve(), "bin/busybox")
    flags = ["-c", 'CMD ["/bin/busybox", "echo", "imported"]', "--change", "ENV A=b", "-m", "a message"]
    done = cli("import", *flags, str(tmp_path / "root.tar"), "imported:1")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.out)
    assert cli("run", "--rm", "imported:1").out == "imported\n"
    assert json.loads(cli("inspect", "imported:1").out)[0]["Config"]["Env"] == ["A=b"]
    assert cli("history", "imported:1", "--format", "{{.Comment}}").out == "a message\n"
    done = cli("import", "-", "piped:1", stdin=(tmp_path / "root.tar").read_bytes())
    assert cli("run", "--rm", "piped:1", "/bin/busybox", "echo", "ok").out == "ok\n"


def test_prune(cli: Program) -> None:
    dangling = made("dangling", images.Entry("d", b"."))
    cli("load", "-i", str(dangling.archive()))
    cli("load", "-i", str(made("unused", images.Entry("u", b".")).archive("unused:1")))
    done = cli("image", "prune", "-f")
    assert f"deleted: {dangling.id}" in done.out
    assert "Total reclaimed space: " in done.out
    assert "unused" in cli("images").out
    cli("create", "busybox")
    cli("image", "prune", "-af")
    assert cli("images", "--format", "{{.Repository}}").lines == ["busybox"]


def test_image_settings_shape_the_container(cli: Program, engine: Engine) -> None:
    image = made(
        "shaped", Entrypoint=["/bin/echo", "entry"], Cmd=["cmd"], Env=["A=image"], WorkingDir="/var", User="app",
        Labels={"from": "image", "both": "image"}, ExposedPorts={"80/tcp": {}},
        Volumes={"/data": {}}, StopSignal="SIGUSR1",
    )  # fmt: skip
    cli("load", "-i", str(image.archive("shaped:1")))
    assert cli("run", "--rm", "shaped:1").out == "entry cmd\n"
    assert cli("run", "--rm", "shaped:1", "own").out == "entry own\n"
    cli("create", "--name", "mixed", "-e", "B=own", "-l", "both=own", "--entrypoint", "pwd", "shaped:1")
    config = engine.inspect("mixed")["Config"]
    assert (config["Entrypoint"], config["Cmd"], config["WorkingDir"], config["User"]) == (["pwd"], None, "/var", "app")
    assert {"A=image", "B=own"} <= set(config["Env"])
    assert config["Labels"] == {"from": "image", "both": "own"}
    assert config["StopSignal"] == "SIGUSR1"
    assert [mount["Destination"] for mount in engine.inspect("mixed")["Mounts"]] == ["/data"]
    assert cli("start", "-a", "mixed").out == "/var\n"


def test_tree(havre: Program, docker: Program, engine: Engine, registry: Registry) -> None:
    """An image with platforms that are here and one that is not; the docker CLI finds the same to draw."""
    base = images.busybox().derive("tree", files=[images.Entry("leaf", b"leaf")])
    others = [base.derive(f"tree-{name}", architecture=name) for name in ("riscv64", "s390x")]
    pushed = registry.push_index([base, *others], "tree/app")
    havre("pull", "-q", pushed.reference)
    havre("pull", "-q", "--platform", "linux/riscv64", pushed.reference)
    havre("tag", pushed.reference, "tree/app:another")
    container = havre("create", pushed.reference).out.strip()
    try:
        warning, legend, head, *rows = havre("images", "--tree", "tree/app").out.splitlines()
        assert warning.startswith("WARNING") and legend == "Info -> U In Use"
        assert head.split() == ["IMAGE", "ID", "DISK", "USAGE", "CONTENT", "SIZE", "EXTRA"]
        assert rows[0] == "tree/app:another" or rows[0].startswith("tree/app:another ")
        names = [" ".join(row.split()[:2]) for row in rows[-3:]]
        assert names == ["├─ linux/amd64", "├─ linux/riscv64", "└─ linux/s390x"]
        assert [row.endswith("U") for row in rows[-3:]] == [True, False, False] and " 0B " in rows[-1] + " "
        theirs = docker("images", "--tree", "--filter", "reference=tree/app").out
        for row in rows[-3:]:
            shown = row.split()
            assert any(set(shown[:5]) <= set(line.split()) for line in theirs.splitlines()), (row, theirs)
        for flag in ("-q", "--no-trunc", "--digests", "--format=x"):
            ours, other = (program("images", "--tree", flag, code=1) for program in (havre, docker))
            assert ours.err == other.err
    finally:
        havre("rm", container)
        havre("rmi", "-f", pushed.reference, "tree/app:another")
