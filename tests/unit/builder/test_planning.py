"""Dockerfiles become graphs: which stages, which steps, what each depends on, and what the image says in the end."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from havre.builder.plan.arguments import Arguments
from havre.builder.plan.planning import PATH, Base, Origins, StagePlanner, StageResult
from havre.builder.plan.stages import Kind, Origin, Stages
from havre.builder.plan.vertices import (
    CopyFiles,
    Execute,
    Fetch,
    Git,
    Local,
    MakeDirectory,
    RunMount,
    Scratch,
    Text,
    Transferred,
    Vertex,
    needed,
)
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import Dockerfile
from havre.dockerfile.reading import dockerfile, trigger_of
from havre.image.manifest import Platform

AMD = Platform(os="linux", architecture="amd64")
ARM = Platform(os="linux", architecture="arm64", variant="v8")
CONTEXT = Vertex(Local("context"))
OTHER = Vertex(Local("other"))


def arguments(given: Mapping[str, str] | None = None, target: Platform = AMD) -> Arguments:
    return Arguments(given or {}, target, AMD, "", "\\")


def planned(
    text: str, given: Mapping[str, str] | None = None, base: Base | None = None, triggers: str = ""
) -> StageResult:
    """The last stage of ``text``; ``--from=other`` leads to another vertex."""
    file = dockerfile(text.encode())
    known = arguments(given)
    known.declare_globally(file.arguments)
    planner = StagePlanner(
        base or Base(Vertex(Scratch()), {}),
        Origins(CONTEXT, {"other": OTHER}),
        known,
        lambda number, count, shown: f"[{number}/{count}] {shown}",
        file.directives.get("escape", "\\"),
    )
    return planner.plan(file.stages[-1], tuple(trigger_of(one) for one in triggers.splitlines()))


def executed(text: str, given: Mapping[str, str] | None = None, base: Base | None = None) -> Execute:
    operation = planned(text, given, base).root.operation
    assert isinstance(operation, Execute)
    return operation


def copied(text: str) -> tuple[CopyFiles, tuple[Vertex, ...]]:
    root = planned(text).root
    assert isinstance(root.operation, CopyFiles)
    return root.operation, root.inputs


def stages(
    text: str, given: Mapping[str, str] | None = None, contexts: tuple[str, ...] = ()
) -> tuple[Dockerfile, Stages]:
    file = dockerfile(text.encode())
    return file, Stages(file, arguments(given).declare_globally(file.arguments), contexts)


# -- stages -----------------------------------------------------------------------------------------------------------


def test_only_what_the_target_stands_on_is_needed() -> None:
    text = (
        "FROM a AS one\nFROM b AS unused\nFROM one AS two\nCOPY --from=three-is-an-image / /\n"
        "FROM scratch\nCOPY --from=two / /"
    )
    _, found = stages(text)
    needs = found.needed(found.number(""))
    assert [one.number for one in needs] == [0, 2, 3]
    assert [one.base for one in needs] == [
        Origin(Kind.IMAGE, "a"),
        Origin(Kind.STAGE, "one", 0),
        Origin(Kind.SCRATCH),
    ]
    assert needs[1].origins == {"three-is-an-image": Origin(Kind.IMAGE, "three-is-an-image")}
    assert [one.number for one in found.needed(found.number("ONE"))] == [0]
    assert found.number("1") == 1


def test_mounts_need_stages_as_well() -> None:
    _, found = stages("FROM a AS one\nFROM b\nRUN --mount=type=bind,from=one,target=$X --mount=type=cache,target=/c x")
    assert found.needed(1)[-1].origins == {"one": Origin(Kind.STAGE, "one", 0)}


def test_named_contexts_come_first() -> None:
    _, found = stages("FROM a AS one\nFROM b\nCOPY --from=one / /\nCOPY --from=c / /", contexts=("b", "ONE"))
    (needs,) = found.needed(1)
    assert needs.base == Origin(Kind.CONTEXT, "b")
    assert needs.origins == {"one": Origin(Kind.CONTEXT, "ONE"), "c": Origin(Kind.IMAGE, "c")}


def test_triggers_may_need_more() -> None:
    _, found = stages("FROM a AS one\nFROM b")
    assert [one.number for one in found.needed(1, {1: [trigger_of("COPY --from=one / /")]})] == [0, 1]


def test_arguments_before_the_first_from_count_in_all() -> None:
    _, found = stages("ARG V=1\nARG I=a:${V}\nFROM $I\nFROM --platform=$TARGETPLATFORM b:$V", {"V": "2"})
    assert [(base.base, base.platform) for base in found.bases] == [("a:2", ""), ("b:2", "linux/amd64")]


@pytest.mark.parametrize(
    ("text", "target", "reason"),
    [
        ("FROM $NONE", "", "base name ($NONE) should not be blank"),
        ("FROM a AS build", "biuld", 'target stage "biuld" could not be found (did you mean build?)'),
        ("FROM a", "3", 'target stage "3" could not be found'),
        ("FROM a\nCOPY --from=$X / /", "", "variable expansion is not supported for --from"),
        ("FROM a\nCOPY --from=0 / /", "", "refers to a stage that does not come before"),
        ("FROM a AS one\nCOPY --from=ONE / /", "", "circular dependency detected on stage: ONE"),
    ],
)
def test_stages_that_are_refused(text: str, target: str, reason: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        _, found = stages(text)
        found.needed(found.number(target))
    assert reason in caught.value.reason


# -- arguments and variables --


def test_arguments_count_from_where_they_are_declared() -> None:
    text = "ARG G=global\nFROM a\nLABEL early=$A$G\nARG A=default B G\nLABEL late=$A-$B-$G"
    assert planned(text).settings["Labels"] == {"early": "", "late": "default--global"}
    assert planned(text, {"A": "1", "B": "2", "G": "3"}).settings["Labels"] == {"early": "", "late": "1-2-3"}


def test_the_environment_hides_arguments_of_its_names() -> None:
    operation = executed("FROM a\nARG X=arg Y=arg\nENV X=env\nRUN echo $X $Y")
    assert set(operation.environment) == {f"PATH={PATH}", "X=env", "Y=arg"}


def test_platforms_are_known_to_those_who_ask() -> None:
    known = Arguments({}, ARM, AMD, "end", "\\")
    scope = known.declare_globally(())
    assert {
        name: scope.variables[name] for name in ("TARGETARCH", "TARGETVARIANT", "BUILDPLATFORM", "TARGETSTAGE")
    } == {
        "TARGETARCH": "arm64",
        "TARGETVARIANT": "v8",
        "BUILDPLATFORM": "linux/amd64",
        "TARGETSTAGE": "end",
    }
    assert not any("TARGET" in entry for entry in executed("FROM a\nRUN x").environment)
    assert "TARGETARCH=amd64" in executed("FROM a\nARG TARGETARCH\nRUN x").environment


def test_proxies_reach_commands_and_are_no_part_of_them() -> None:
    given = {"http_proxy": "http://p", "OTHER": "x"}
    with_proxy, without = executed("FROM a\nRUN x", given), executed("FROM a\nRUN x")
    assert with_proxy.hidden == ("http_proxy=http://p",)
    assert with_proxy == without
    assert "http_proxy" not in planned("FROM a\nRUN x", given).history[-1].created_by


def test_arguments_that_nobody_asks_for() -> None:
    known = arguments({"A": "1", "B": "2", "HTTPS_PROXY": "x", "BUILDKIT_SYNTAX": "x", "SOURCE_DATE_EPOCH": "0"})
    known.declare(dockerfile(b"ARG A\nFROM a").arguments[0], {}, {})
    assert known.unused == ["B"]
    # BuildKit's frontend would know it; here it has no effect.
    assert arguments({"BUILDKIT_INLINE_CACHE": "1"}).unused == ["BUILDKIT_INLINE_CACHE"]


# -- steps --


def test_commands() -> None:
    assert executed("FROM a\nRUN echo 'a  b' $C").words == ("/bin/sh", "-c", "echo 'a  b' $C")
    assert executed('FROM a\nRUN ["a", "$C"]').words == ("a", "$C")
    assert executed('FROM a\nSHELL ["/bin/bash", "-ec"]\nRUN x').words == ("/bin/bash", "-ec", "x")
    assert executed("FROM a\nRUN <<E\none\ntwo\nE").words[-1] == "one\ntwo\n"
    assert executed("FROM a\nRUN cat <<E > /x\none\nE").words[-1] == "cat <<E > /x\none\nE"
    script = executed("FROM a\nRUN <<E\n#!/usr/bin/python\nprint()\nE")
    assert script.words == ("/bin/sh", "-c", "/dev/pipes/E")
    assert script.files == (Text("E", "#!/usr/bin/python\nprint()\n"),)


def test_where_and_as_whom_commands_run() -> None:
    operation = executed("FROM a\nUSER me\nWORKDIR /x\nWORKDIR y\nRUN --network=none --security=insecure z")
    assert (operation.user, operation.directory) == ("me", "/x/y")
    assert (operation.network, operation.security) == ("none", "insecure")


def test_mounts_of_commands() -> None:
    text = """FROM a
ARG T=/t
WORKDIR /w
RUN --mount=type=bind,from=other,source=s,target=$T --mount=target=rel \\
    --mount=type=cache,target=/c,id=i,sharing=locked --mount=type=secret,id=s --mount=type=secret,id=e,env=E \\
    --mount=type=ssh --mount=type=tmpfs,target=/m,size=1k x"""
    root = planned(text).root
    assert isinstance(root.operation, Execute)
    assert root.operation.mounts == (
        RunMount("bind", "/t", 1, "s", True),
        RunMount("bind", "/w/rel", 2, "", True),
        RunMount("cache", "/c", identity="i", sharing="locked"),
        RunMount("secret", "/run/secrets/s", identity="s"),
        RunMount("secret", "", identity="e", environment="E"),
        RunMount("ssh", ""),
        RunMount("tmpfs", "/m", size=1024),
    )
    assert root.inputs[1:] == (OTHER, CONTEXT)


def test_copies() -> None:
    operation, inputs = copied("FROM a\nWORKDIR /w\nCOPY --from=other --chown=1 --link ../x y/ z/")
    assert operation == CopyFiles((Transferred(1, ("x", "y")),), "/w/z/", owner="1", linked=True)
    assert inputs[1:] == (OTHER,)
    operation, inputs = copied("FROM a\nCOPY a <<A b <<B /d/\none\nA\ntwo\nB")
    assert operation.items == (
        Transferred(1, ("a",)),
        Transferred(2, ("A",)),
        Transferred(3, ("b",)),
        Transferred(4, ("B",)),
    )
    assert [one.operation for one in inputs[1:]] == [
        CONTEXT.operation,
        Text("A", "one\n"),
        CONTEXT.operation,
        Text("B", "two\n"),
    ]


def test_variables_in_here_documents() -> None:
    _, inputs = copied("FROM a\nENV A=1\nCOPY <<A <<'B' /d/\n$A 'q' \\$A\nA\n$A\nB")
    assert [one.operation for one in inputs[1:]] == [Text("A", "1 'q' $A\n"), Text("B", "$A\n")]


@pytest.mark.parametrize(
    ("target", "resolved"),
    [
        ("/x", "/x"),
        ("/x/", "/x/"),
        ("x", "/w/x"),
        (".", "/w/"),
        ("./", "/w/"),
        ("..", "/"),
        ("/", "/"),
        ("/../../x", "/x"),
    ],
)
def test_targets(target: str, resolved: str) -> None:
    assert copied(f"FROM a\nWORKDIR /w\nCOPY a {target}")[0].target == resolved


def test_additions() -> None:
    operation, inputs = copied("FROM a\nADD x.tar https://h/a%20b.tgz?q https://h/r.git#v1:sub git@h:r.git /d/\n")
    assert operation.items == (
        Transferred(1, ("x.tar",), True),
        Transferred(2, ("a b.tgz",)),
        Transferred(3, (".",)),
        Transferred(4, (".",)),
    )
    assert [one.operation for one in inputs[2:]] == [
        Fetch("https://h/a%20b.tgz?q", "a b.tgz", ""),
        Git("https://h/r.git", "v1", "sub", False),
        Git("git@h:r.git", "", "", False),
    ]
    assert copied("FROM a\nADD --unpack=false x.tar /d/")[0].items == (Transferred(1, ("x.tar",)),)
    assert copied("FROM a\nADD --unpack https://h/x /d/")[0].items == (Transferred(1, ("x",), True),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("COPY https://h/x /", "source can't be a URL for COPY"),
        ("COPY a b /c", "the destination must be a directory and end with a /"),
        ("ADD --checksum=sha256:00 https://h/x /", "sha256:00"),
        ("ADD --checksum=sha256:00 a /", "checksum can't be specified for non-HTTP(S) sources"),
        ("ADD --checksum=v1 https://h/x.git /", "of a git repository it is a commit"),
        ("RUN --mount=type=secret x", "it needs an id or a target"),
        ("RUN --mount=type=what,target=/x x", 'unsupported mount type "what"'),
        ("EXPOSE 0", "Invalid containerPort: 0"),
        ("STOPSIGNAL NONE", "invalid signal: NONE"),
        ("ENV ${X:?missing}=1", "X: missing"),
    ],
)
def test_steps_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        planned(f"FROM a\n{text}")
    assert reason in caught.value.reason
    assert caught.value.first == 2


# -- results --


def test_configuration_and_history() -> None:
    base = Base(Vertex(Scratch()), {"Env": ["A=0"], "Cmd": ["base"], "Labels": {"l": "0"}}, author="old")
    result = planned("FROM a\nENV A=1 B=$A\nMAINTAINER me\nENTRYPOINT e\nLABEL m=1\nWORKDIR /w\nCMD c", base=base)
    assert result.settings == {
        "Env": ["A=1", "B=0"],
        "Cmd": ["/bin/sh", "-c", "c"],
        "Entrypoint": ["/bin/sh", "-c", "e"],
        "Labels": {"l": "0", "m": "1"},
        "WorkingDir": "/w",
    }
    assert result.author == "me"
    assert base.settings["Env"] == ["A=0"]
    assert [entry.created_by for entry in result.history] == [
        "ENV A=1 B=$A",
        "MAINTAINER me",
        "ENTRYPOINT e",
        "LABEL m=1",
        "WORKDIR /w",
        "CMD c",
    ]
    assert [entry.vertex is not None for entry in result.history] == [False, False, False, False, True, False]


def test_an_entrypoint_takes_the_command_of_the_base_away() -> None:
    base = Base(Vertex(Scratch()), {"Cmd": ["base"]})
    assert planned("FROM a\nENTRYPOINT e", base=base).settings["Cmd"] is None
    assert planned("FROM a\nCMD c\nENTRYPOINT e", base=base).settings["Cmd"] == ["/bin/sh", "-c", "c"]


def test_triggers_run_first_and_once() -> None:
    base = Base(Vertex(Scratch()), {"OnBuild": ["RUN t"]})
    result = planned("FROM a\nONBUILD RUN later\nWORKDIR /w", base=base, triggers="RUN t")
    assert result.settings["OnBuild"] == ["RUN later"]
    assert [type(one.operation) for one in needed([result.root])] == [Scratch, Execute, MakeDirectory]


def test_names_of_steps() -> None:
    result = planned("FROM a\nENV A=1\nRUN one \\\n  two\nCOPY <<E /\nx\nE\nCMD c")
    assert [one.name for one in needed([result.root]) if one.name] == ["[2/3] RUN one two", "[3/3] COPY <<E /"]


def test_what_is_needed_comes_first_and_once() -> None:
    a = Vertex(Scratch(), name="a")
    b, c = Vertex(MakeDirectory("/b"), (a,), "b"), Vertex(MakeDirectory("/c"), (a,), "c")
    d = Vertex(MakeDirectory("/d"), (b, c), "d")
    assert [one.name for one in needed([d, b])] == ["a", "b", "c", "d"]


def test_the_room_needs_no_engine() -> None:
    """The plan is pure: it can be made, and tested, without anything running."""
    sources = Path(__file__).parents[3] / "src" / "havre" / "builder" / "plan"
    assert not any("asyncio" in path.read_text() for path in sources.glob("*.py"))
