"""What builds tell beside their image: lint, answers without a build, and why a step was carried out."""

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

import pytest

from tests.system.harness import Answer, Engine, Havred


def post(engine: Engine, files: Mapping[str, str], **query: str) -> Answer:
    """A build of ``files``, one of which is the Dockerfile."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return engine.api("POST", "/build", packed.getvalue(), **query)


def build(engine: Engine, files: Mapping[str, str], **query: str) -> list[dict[str, Any]]:
    """Its messages."""
    answer = post(engine, files, **query)
    assert answer.status == 200, answer.body
    return [json.loads(line) for line in answer.body.splitlines()]


def said(messages: list[dict[str, Any]]) -> str:
    return "".join(one.get("stream", "") + one.get("error", "") for one in messages)


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ({"ulimits": "[1]"}, 400, "cannot unmarshal number"),
        ({"ulimits": '[{"Name": "nofile", "Soft": "x"}]'}, 400, "field Soft"),
        ({"buildargs": '{"A": 1}'}, 400, "error reading buildargs"),
        ({"labels": '{"A": []}'}, 400, "error reading labels"),
        ({"labels": "[" * 5000}, 400, "error reading labels"),
        ({"cachefrom": "[1]"}, 400, "error reading cachefrom"),
        ({"isolation": "hyperv"}, 400, "unsupported isolation: hyperv"),
        ({"version": "2"}, 501, "version=2"),
        ({"outputs": '[{"Type": "tar"}]'}, 501, "the option outputs"),
    ],
)
def test_values_that_are_refused(havred: Havred, query: dict[str, str], status: int, reason: str) -> None:
    answer = post(havred, {"Dockerfile": "FROM busybox\n"}, **query)
    assert answer.status == status and reason in str(answer.body)


def test_lint_is_told_and_can_end_a_build(havred: Havred) -> None:
    text = "FROM busybox as Base\nENV WHERE=/tmp\nWORKDIR $WHER\nCMD true\n"
    told = said(build(havred, {"Dockerfile": text}))
    for line in (
        "[Warning] StageNameCasing: Stage name 'Base' should be lowercase (line 1)\n",
        "[Warning] UndefinedVar: Usage of undefined variable '$WHER' (did you mean $WHERE?) (line 3)\n",
    ):
        assert line in told
    assert "Successfully built" in told
    assert "Warning" not in said(build(havred, {"Dockerfile": f"# check=skip=all\n{text}"}))
    failed = said(build(havred, {"Dockerfile": f"# check=error=true;skip=FromAsCasing,UndefinedVar\n{text}"}))
    assert failed.endswith(
        "dockerfile parse error on line 2: lint violation found for rules: JSONArgsRecommended, StageNameCasing"
    )


def test_answers_without_a_build(havred: Havred) -> None:
    files = {
        "Dockerfile": "# V of the base\nARG V=latest\n# one is the first\nFROM busybox:$V AS one\nRUN false\n"
        "FROM one\nRUN --mount=type=secret,id=key false\nCOPY big.log /\n",
        ".dockerignore": "*.log",
    }
    (check,) = build(havred, files, call="check", buildargs='{"BUILDKIT_DOCKERFILE_CHECK": "experimental=all"}')
    assert [(one["ruleName"], one["location"]["ranges"][0]["start"]["line"]) for one in check["aux"]["warnings"]] == [
        ("CopyIgnoredFile", 8)
    ]
    (outline,) = build(havred, files, call="outline")
    assert outline["aux"] == {
        "args": [{"name": "V", "description": "of the base", "value": "latest"}],
        "secrets": [{"name": "key"}],
    }
    (targets,) = build(havred, files, call="targets")
    assert targets["aux"]["targets"] == [
        {"name": "one", "description": "is the first", "base": "busybox:$V"},
        {"default": True, "base": "one"},
    ]
    refused = post(havred, files, call="nothing")
    assert refused.status == 400 and b"invalid call" in refused.body


def reasons(messages: list[dict[str, Any]]) -> list[str]:
    return [line.removeprefix(" ---> Why: ") for line in said(messages).splitlines() if "Why: " in line]


def test_why_a_step_is_carried_out(havred: Havred) -> None:
    # Other tests' builds would be what it is compared with.
    havred.api("POST", "/build/prune", all="1")
    text = (
        "FROM busybox\nARG WORD=one\nCOPY a b /why/\nRUN --mount=type=bind,source=c,target=/c cat /c > /why/c\n"
        "RUN echo $WORD > /why/word\n"
    )
    files = {"Dockerfile": text, "a": "1", "b": "1", "c": "1"}
    first = reasons(build(havred, files, why="1"))
    assert first == ["no step like this has been built before"] * 3
    assert reasons(build(havred, files, why="1")) == []
    assert reasons(build(havred, files | {"b": "2"}, why="1")) == [
        "b changed",
        "what it stands on changed: [2/4] COPY a b /why/",
        "what it stands on changed: [3/4] RUN --mount=type=bind,source=c,target=/c cat /c > /why/c",
    ]
    assert reasons(build(havred, files | {"c": "2"}, why="1"))[0] == "c changed (mounted at /c)"
    told = build(havred, files, why="1", buildargs='{"WORD": "two"}')
    assert (reasons(told)[0], reasons(told)[-1]) == ("the variable WORD changed",) * 2
    assert reasons(build(havred, files, why="1", nocache="1")) == ["the cache is not to be used"] * 3
    assert "Why" not in said(build(havred, files | {"a": "3"}))


def test_a_lock_file_holds_base_images(havred: Havred) -> None:
    files = {"Dockerfile": "FROM busybox AS one\nFROM scratch\nCOPY --from=busybox:latest /bin/sh /\n"}
    told = build(havred, files, lock="record")
    (lock,) = (one["aux"]["Lock"] for one in told if "Lock" in one.get("aux", {}))
    assert list(lock["images"]) == ["docker.io/library/busybox:latest"]
    assert "Successfully built" in said(build(havred, files, lock=json.dumps(lock)))
    lock["images"]["docker.io/library/busybox:latest"] = {"linux/amd64": "sha256:" + "0" * 64}
    refused = post(havred, files, lock=json.dumps(lock))
    assert refused.status == 400 and b"but the lock file demands sha256:000" in refused.body
    lock["images"] = {}
    refused = post(havred, files, lock=json.dumps(lock))
    assert b"the lock file has no entry for the image docker.io/library/busybox:latest" in refused.body
