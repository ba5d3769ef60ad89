"""Each instruction's own grammar, and the errors of each."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.dockerfile.expansion import Scope, expanded
from havre.dockerfile.faults import DockerfileError, nearest, shown
from havre.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Mount,
    Onbuild,
    Run,
    Shell,
    User,
    Volume,
    Workdir,
)
from havre.dockerfile.mounts import parse_mount
from havre.dockerfile.reading import dockerfile, trigger_of


def one(text: str) -> Instruction:
    (stage,) = dockerfile(f"FROM a\n{text}\n".encode()).stages
    (read,) = stage.instructions
    return read


def fault(text: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        dockerfile(text.encode())
    return caught.value


def test_stages() -> None:
    read = dockerfile(
        b"ARG V=1 W\nFROM --platform=$P a:$V AS Base\nRUN x\nFROM base as two.b_c\nFROM scratch\nCOPY --from=0 a b"
    )
    assert [arg.pairs for arg in read.arguments] == [(("V", "1"), ("W", None))]
    assert [(stage.name, stage.base.base, stage.base.platform) for stage in read.stages] == [
        ("base", "a:$V", "$P"),
        ("two.b_c", "base", ""),
        ("", "scratch", ""),
    ]


def test_commands() -> None:
    for keyword, kind in (("RUN", Run), ("CMD", Cmd), ("ENTRYPOINT", Entrypoint)):
        shell, words, broken = one(f"{keyword} a  'b' $C"), one(f'{keyword} ["a", "$C"]'), one(f"{keyword} ['a']")
        assert isinstance(shell, kind) and isinstance(words, kind) and isinstance(broken, kind)
        assert (shell.command.words, shell.command.shell) == (("a  'b' $C",), True)
        assert (words.command.words, words.command.shell) == (("a", "$C"), False)
        assert (broken.command.words, broken.command.shell) == (("['a']",), True)


def test_run_flags() -> None:
    run = one("RUN --mount=type=cache,target=/x --mount=type=ssh --network=none --security=insecure a")
    assert isinstance(run, Run)
    assert (run.mounts, run.network, run.security) == (("type=cache,target=/x", "type=ssh"), "none", "insecure")


def test_copy_and_add() -> None:
    copy = one("COPY --from=b --chown=1:2 --chmod=u+x --link --parents --exclude=*.o --exclude=x a b /c/")
    assert isinstance(copy, Copy)
    assert (copy.sources, copy.target, copy.origin, copy.chown, copy.chmod) == (("a", "b"), "/c/", "b", "1:2", "u+x")
    assert (copy.link, copy.parents, copy.exclude) == (True, True, ("*.o", "x"))
    add = one('ADD --checksum=sha256:x --keep-git-dir=true --unpack=false --link=0 ["a b", "c"]')
    assert isinstance(add, Add)
    assert (add.sources, add.target, add.checksum) == (("a b",), "c", "sha256:x")
    assert (add.keep_git_directory, add.unpack, add.link) == (True, False, False)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=b c='d e' f=\"g h\" i=j\\ k", (("a", "b"), ("c", "'d e'"), ("f", '"g h"'), ("i", "j\\ k"))),
        ("a b c=d", (("a", "b c=d"),)),
        ("a=", (("a", ""),)),
        ("a=b=c", (("a", "b=c"),)),
    ],
)
def test_pairs(text: str, pairs: tuple[tuple[str, str], ...]) -> None:
    for keyword, kind in (("ENV", Env), ("LABEL", Label)):
        read = one(f"{keyword} {text}")
        assert isinstance(read, kind)
        assert read.pairs == pairs


def test_healthchecks() -> None:
    check = one(
        'HEALTHCHECK --interval=1m --timeout=3s --retries=2 --start-period=5s --start-interval=1s CMD ["a", "b"]'
    )
    assert isinstance(check, Healthcheck)
    assert check == Healthcheck(
        line=check.line,
        test=("CMD", "a", "b"),
        interval=60 * 10**9,
        timeout=3 * 10**9,
        start_period=5 * 10**9,
        start_interval=10**9,
        retries=2,
    )
    assert one("HEALTHCHECK cmd a | b") == replace(
        check, test=("CMD-SHELL", "a | b"), interval=0, timeout=0, start_period=0, start_interval=0, retries=0
    )
    assert one("HEALTHCHECK NONE") == Healthcheck(line=check.line, test=("NONE",))


def test_triggers() -> None:
    read = one("ONBUILD  RUN --network=none a \\\n  b")
    assert isinstance(read, Onbuild)
    assert read.text == "RUN --network=none a \\\n  b"
    later = trigger_of(read.text)
    assert isinstance(later, Run)
    assert later.command.words == ("a   b",)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("RUN a", 1, "no build stage in current context"),
        ("ARG a", 0, "no stages to build"),
        ("FROM", 1, "FROM requires either one or three arguments"),
        ("FROM a b", 1, "FROM requires either one or three arguments"),
        ("FROM a AS 1b", 1, 'invalid name for build stage: "1b"'),
        ("FROM a\nRUM b", 2, "unknown instruction: RUM (did you mean RUN?)"),
        ("FROM a\nXYZZY b", 2, "unknown instruction: XYZZY"),
        ("FROM a\nRUN", 2, "RUN requires at least one argument"),
        ("FROM a\nRUN --netwrk=x b", 2, "unknown flag: netwrk (did you mean network?)"),
        ("FROM a\nRUN --network b", 2, "missing a value on flag: network"),
        ("FROM a\nRUN --network=x b", 2, "invalid network mode"),
        ("FROM a\nRUN --security=x b", 2, "security"),
        ("FROM a\nCOPY --link=x a b", 2, "expecting boolean value for flag link, not: x"),
        ("FROM a\nCOPY --from=a --from=b a b", 2, "duplicate flag specified: from"),
        ("FROM a\nCOPY a", 2, "COPY requires at least two arguments, but only 1 was provided"),
        ("FROM a\nENV", 2, "ENV requires at least one argument"),
        ("FROM a\nENV a", 2, "ENV must have two arguments"),
        ("FROM a\nENV a=b c", 2, 'can\'t find = in "c"'),
        ("FROM a\nENV =b", 2, "ENV names can not be blank"),
        ("FROM a\nARG =b", 2, "ARG names can not be blank"),
        ("FROM a\nEXPOSE", 2, "EXPOSE requires at least one argument"),
        ("FROM a\nWORKDIR", 2, "WORKDIR requires exactly one argument"),
        ('FROM a\nVOLUME [""]', 2, "VOLUME specified can not be an empty string"),
        ("FROM a\nSHELL sh -c", 2, "SHELL requires the arguments to be in JSON form"),
        ("FROM a\nONBUILD ONBUILD RUN a", 2, "Chaining ONBUILD"),
        ("FROM a\nONBUILD FROM a", 2, "FROM isn't allowed as an ONBUILD trigger"),
        ("FROM a\nONBUILD RUN", 2, "RUN requires at least one argument"),
        ("FROM a\nHEALTHCHECK CMD", 2, "Missing command after HEALTHCHECK CMD"),
        ("FROM a\nHEALTHCHECK NONE a", 2, "HEALTHCHECK NONE takes no arguments"),
        ("FROM a\nHEALTHCHECK GET a", 2, 'Unknown type "GET"'),
        ("FROM a\nHEALTHCHECK --interval=1us CMD a", 2, "cannot be less than 1ms"),
        ("FROM a\nHEALTHCHECK --interval=x CMD a", 2, "invalid duration"),
        ("FROM a\nHEALTHCHECK --retries=-1 CMD a", 2, "--retries cannot be negative"),
        ("FROM a\nUSER --x=y a", 2, "unknown flag: x"),
    ],
)
def test_refused(text: str, line: int, reason: str) -> None:
    error = fault(text)
    assert error.first == line
    assert reason in error.reason


def test_variables_go_where_they_may() -> None:
    scope = Scope({"A": "x y", "N": "1"})
    for text, want in [
        ("COPY --chown=$N --chmod=$N --exclude=$N $A $N", ("1", "1", ("1",), ("x y",), "1")),
    ]:
        read = expanded(one(text), scope)
        assert isinstance(read, Copy)
        assert (read.chown, read.chmod, read.exclude, read.sources, read.target) == want
    cases: list[tuple[str, type[Instruction], str, object]] = [
        ("ENV $N=$A", Env, "pairs", (("1", "x y"),)),
        ("LABEL a='$A' b=$U", Label, "pairs", (("a", "$A"), ("b", ""))),
        ("ARG a=$N b", Arg, "pairs", (("a", "1"), ("b", None))),
        ("EXPOSE $A 8$N", Expose, "ports", ("x", "y", "81")),
        ("VOLUME $A", Volume, "paths", ("x y",)),
        ("USER $N", User, "user", "1"),
        ("WORKDIR /$N", Workdir, "path", "/1"),
        ("RUN --mount=type=bind,target=$N $A", Run, "mounts", ("type=bind,target=1",)),
        ('SHELL ["$A"]', Shell, "words", ("$A",)),
    ]
    for text, kind, name, value in cases:
        read_ = expanded(one(text), scope)
        assert isinstance(read_, kind)
        assert getattr(read_, name) == value
    assert scope.unset == {"U"}


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("target=/x", Mount(target="/x", readonly=True)),
        ("type=bind,from=a,src=b,dst=/c,rw", Mount(source="b", target="/c", origin="a")),
        (
            "type=cache,id=i,target=/c,sharing=locked,mode=0755,uid=1,gid=2,ro=true",
            Mount("cache", "", "/c", "", True, "i", "locked", mode=0o755, uid=1, gid=2),
        ),
        ("type=secret,id=i,required,env=E", Mount("secret", identity="i", required=True, environment="E")),
        ("type=ssh", Mount("ssh")),
        ('type=tmpfs,"target=/a,b",size=1m', Mount("tmpfs", target="/a,b", size=1 << 20)),
    ],
)
def test_mounts(text: str, mount: Mount) -> None:
    assert parse_mount(text) == mount


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("type=x,target=/a", 'unsupported mount type "x"'),
        ("type=tmpfs", "needs a target"),
        ("trget=/a", "did you mean 'target'"),
        ("target", "must be a key=value pair"),
        ("type=bind,target=/a,id=x", "unexpected key 'id' for mount type 'bind'"),
        ("type=cache,target=/a,sharing=x", "unsupported sharing value"),
        ("type=cache,target=/a,mode=9", "invalid value 9 for mode"),
        ("type=cache,target=/a,uid=-1", "invalid value -1 for uid"),
        ("type=tmpfs,target=/a,size=x", "invalid value for size: x"),
        ("type=bind,target=/a,ro=x", "invalid value for readonly: x"),
        ('"type=bind', "failed to parse csv mounts"),
    ],
)
def test_refused_mounts(text: str, reason: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_mount(text)
    assert reason in caught.value.reason


def test_faults_are_shown_with_their_neighbours() -> None:
    assert shown("Dockerfile", "FROM a\n\tRUM b\nRUN c", 2, 2, 1) == (
        "Dockerfile:2\n--------------------\n1 |     FROM a\n2 | >>> \tRUM b\n  |     \t^\n3 |     RUN c\n"
        "--------------------\n"
    )


def test_guesses() -> None:
    assert nearest("form", ("from", "run")) == "from"
    assert nearest("zzz", ("from", "run")) is None
    assert nearest("x", ()) is None


@given(
    st.lists(
        st.sampled_from(
            ["FROM a", "RUN", "COPY", "ENV", "a", "=", "[", '"', "--from=x", "\\\n", "\n", " ", "<<A", "A\n"]
        ),
        max_size=20,
    )
)
def test_anything_is_read_or_refused(parts: list[str]) -> None:
    try:
        dockerfile(" ".join(parts).encode())
    except DockerfileError as error:
        assert error.reason
