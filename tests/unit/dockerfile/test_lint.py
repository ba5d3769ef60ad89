"""Lint: each rule on what breaks it and what does not, and which findings count."""

import pytest

from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.lint import Finding, Wanted, refuse, undefined, wanted
from havre.dockerfile.lintrules import findings
from havre.dockerfile.reading import dockerfile
from havre.lib.dockerignore import Ignore

PLATFORM = {"TARGETPLATFORM": "linux/amd64", "TARGETARCH": "amd64", "BUILDPLATFORM": "linux/amd64"}
EVERYTHING = Wanted(experimental=frozenset({"all"}))


def lint(text: str, which: Wanted = EVERYTHING) -> list[str]:
    ignore = Ignore(["*.log", "!kept.log"])
    return [one.text for one in which.of(findings(dockerfile(text.encode()), PLATFORM, "\\", ignore.leaves_out))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a AS Base", "StageNameCasing: Stage name 'Base' should be lowercase (line 1)"),
        ("FROM a as base", "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"),
        ("FROM a\nRUN x \\\n\n y", "NoEmptyContinuation: Empty continuation line (line 2)"),
        (
            "FROM a\nRUN x\nworkdir /a",
            "ConsistentInstructionCasing: Command 'workdir' should match the case of the command majority "
            "(uppercase) (line 3)",
        ),
        (
            "from a\nrun x\nWorkdir /a",
            "ConsistentInstructionCasing: Command 'Workdir' should match the case of the command majority "
            "(lowercase) (line 3)",
        ),
        (
            "FROM a AS b\nFROM a AS b",
            'DuplicateStageName: Duplicate stage name "b", stage names should be unique (line 2)',
        ),
        (
            "FROM a AS scratch",
            'ReservedStageName: Stage name should not use the same name as reserved stage "scratch" (line 1)',
        ),
        (
            "FROM a\nCMD run it",
            "JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to "
            "OS signals (line 2)",
        ),
        (
            "FROM a\nMAINTAINER me",
            "MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 2)",
        ),
        (
            "ARG VERSION=1\nFROM a:$VERSIO",
            "UndefinedArgInFrom: FROM argument 'VERSIO' is not declared (did you mean VERSION?) (line 2)",
        ),
        (
            "ARG V\nFROM a:$V",
            "InvalidDefaultArgInFrom: Default value for ARG a:$V results in empty or invalid base image name (line 2)",
        ),
        (
            "FROM a\nWORKDIR b",
            'WorkdirRelativePath: Relative workdir "b" can have unexpected results if the base image changes (line 2)',
        ),
        (
            'FROM a\nENTRYPOINT ["x"]\nENTRYPOINT ["y"]',
            "MultipleInstructionsDisallowed: Multiple ENTRYPOINT instructions should not be used in the same stage "
            "because only the last one will be used (line 2)",
        ),
        (
            "FROM a\nENV b c d",
            'LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format (line 2)',
        ),
        (
            "FROM --platform=${TARGETPLATFORM} a",
            "RedundantTargetPlatform: Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this "
            "is the default behavior (line 1)",
        ),
        (
            "FROM --platform=linux/arm64 a AS b",
            'FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/arm64" '
            "(line 1)",
        ),
        (
            "ARG NPM_TOKEN\nFROM a",
            'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "NPM_TOKEN") (line 1)',
        ),
        (
            "FROM a\nENV password=x",
            'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "password") (line 2)',
        ),
        (
            "FROM a\nEXPOSE 80/TCP",
            "ExposeProtoCasing: Defined protocol 'TCP' in EXPOSE instruction should be lowercase (line 2)",
        ),
        (
            "FROM a\nEXPOSE 127.0.0.1:80:80",
            "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found "
            "'127.0.0.1:80:80' (line 2)",
        ),
        (
            "FROM a\nCOPY ./big.log /",
            'CopyIgnoredFile: Attempting to Copy file "./big.log" that is excluded by .dockerignore (line 2)',
        ),
        (
            "# something\nARG V=1\nFROM a:$V",
            "InvalidDefinitionDescription: Comment for ARG should follow the format: `# V <description>` (line 2)",
        ),
    ],
)
def test_what_breaks_a_rule(text: str, expected: str) -> None:
    assert lint(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "from a as b\nrun x",
        "ARG V=1\n# b is a stage\nFROM a:$V AS b",
        "# anything\n\nFROM a AS b",
        "FROM a\nWORKDIR /a\nWORKDIR b",
        "FROM a AS b\nWORKDIR /a\nFROM b\nWORKDIR c",
        'FROM a\nSHELL ["/bin/sh"]\nCMD run it',
        'FROM a AS b\nCMD ["x"]\nFROM b\nCMD ["y"]',
        "FROM a\nLABEL \"two words\"='x y'",
        "FROM --platform=$BUILDPLATFORM a",
        "FROM --platform=linux/arm64 a AS build-arm64",
        "FROM a\nENV PUBLIC_KEY=x MONKEY=y TOKENS=z",
        "FROM a\nEXPOSE 80/udp ${PORT}/${P}",
        "FROM a AS b\nCOPY kept.log . /\nADD https://x/y.log /\nFROM a\nCOPY --from=b /x.log /",
        "ARG TAG=latest\nFROM a:${TAG}\nRUN <<EOF\nrun it\nEOF",
    ],
)
def test_what_breaks_none(text: str) -> None:
    assert lint(text) == []


def test_which_findings_count() -> None:
    text = "FROM a AS B\nMAINTAINER me\nCOPY x.log /"
    assert [one.split(":")[0] for one in lint(text, Wanted())] == ["StageNameCasing", "MaintainerDeprecated"]
    for directive, argument, expected in (
        ("skip=stagenamecasing", None, Wanted(skip=frozenset({"stagenamecasing"}))),
        ("skip=all; error=true", None, Wanted(skip=frozenset({"all"}), error=True)),
        ("skip=all", "experimental=all", Wanted(experimental=frozenset({"all"}))),
        ("", None, Wanted()),
    ):
        file = dockerfile((f"# check={directive}\n" if directive else "").encode() + text.encode())
        assert wanted(file, {"BUILDKIT_DOCKERFILE_CHECK": argument} if argument else {}) == expected
    assert lint(text, Wanted(skip=frozenset({"all"}))) == []
    for wrong in ("skip", "nothing=1", "error=perhaps"):
        with pytest.raises(DockerfileError, match="invalid check option"):
            wanted(dockerfile(f"# check={wrong}\nFROM a".encode()), {})


def test_variables_without_a_value() -> None:
    (found,) = undefined(3, 4, {"VERSIN"}, ["VERSION", "PATH"])
    assert found == Finding(3, 4, "UndefinedVar", "Usage of undefined variable '$VERSIN' (did you mean $VERSION?)")


def test_refusing() -> None:
    refuse([])
    with pytest.raises(DockerfileError, match=r"line 2: lint violation found for rules: A, B$"):
        refuse([Finding(5, 5, "A", "x"), Finding(2, 2, "B", "x"), Finding(2, 2, "A", "y")])
