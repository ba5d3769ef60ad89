"""Build caches that travel between two daemons: by a registry, inside an image, and what happens when there is none."""

import json
from pathlib import Path

import pytest

from tests.system.conftest import docker_for, havre_for
from tests.system.harness import Havred
from tests.system.registry import Registry
from tests.system.test_build_checks import build, post, said

# What is written differs each time: the same image can only have come from the cache.
STAGES = {
    "Dockerfile": "FROM busybox AS one\nCOPY file /\nRUN cat /proc/sys/kernel/random/uuid > /once\n"
    "FROM busybox\nCOPY --from=one /once /\nRUN cat /proc/sys/kernel/random/uuid > /again\nRUN true\n",
    "file": "content",
}


def image(havred: Havred, **query: str) -> tuple[str, str]:
    """The id of what is built, and what was said meanwhile."""
    messages = build(havred, STAGES, **query)
    ids = [one["aux"]["ID"] for one in messages if "ID" in one.get("aux", {})]
    assert ids, said(messages)
    return str(ids[0]), said(messages)


@pytest.mark.parametrize(("mode", "cached"), [("max", 5), ("min", 3)])
def test_a_cache_at_a_registry(
    havred: Havred, fresh_havred: Havred, registry: Registry, mode: str, cached: int
) -> None:
    name = f"{registry.host}/cache-{mode}:v1"
    first, _ = image(havred, nocache="1", cacheto=json.dumps([f"type=registry,ref={name},mode={mode}"]))
    second, told = image(fresh_havred, cachefrom=json.dumps([f"type=registry,ref={name}"]))
    if mode == "max":
        assert (second, told.count("Using cache")) == (first, cached), told
    else:
        # The stage that is not in the image had to be built again, and gave something else.
        assert second != first
    # What was taken from there is known here from now on.
    assert image(fresh_havred)[1].count("Using cache") == 5


def test_a_cache_inside_an_image(havred: Havred, fresh_havred: Havred, registry: Registry, tmp_path: Path) -> None:
    name = f"{registry.host}/inline:v1"
    files = {"Dockerfile": "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\n"}
    plain = build(havred, files)
    build(havred, files, t=name, cacheto='["type=inline"]')
    docker = docker_for(havred, tmp_path)
    docker("push", name)
    told = build(fresh_havred, files, cachefrom=json.dumps([name]), t=name)
    assert "Using cache" in said(told)
    # A cache makes another configuration of the image, but no other files; without one it is as it would have been.
    assert told[-3]["aux"] == next(one["aux"] for one in plain if "aux" in one)
    docker_for(fresh_havred, tmp_path)("run", "--rm", name, "cat", "/once")


def test_a_cache_that_is_not_there_is_no_error(havred: Havred, registry: Registry) -> None:
    told = image(havred, cachefrom=json.dumps([f"{registry.host}/nothing", "127.0.0.1:1/nobody", "busybox"]))[1]
    for name in (f"{registry.host}/nothing:latest", "127.0.0.1:1/nobody:latest", "busybox:latest"):
        assert f"[Warning] the build cache {name} is not used: " in told


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({"cachefrom": '["type=registry,ref=UPPER"]'}, 400, "invalid name of a build cache"),
        ({"cacheto": '["type=registry,ref=a,mode=most"]'}, 400, "invalid mode"),
        ({"cacheto": '["type=s3,bucket=b"]'}, 400, "unknown option of a build cache: bucket"),
        ({"cacheto": '["type=gha"]'}, 501, "build caches of type gha"),
    ],
)
def test_what_is_no_cache(havred: Havred, query: dict[str, str], status: int, message: str) -> None:
    answer = post(havred, STAGES, **query)
    assert answer.status == status and message.encode() in answer.body


def test_the_flags_of_havre_build(havred: Havred, fresh_havred: Havred, registry: Registry, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\n")
    ref = f"type=registry,ref={registry.host}/flags:v1"
    for daemon, flag, home in ((havred, "--cache-to", "one"), (fresh_havred, "--cache-from", "two")):
        havre = havre_for(daemon, tmp_path / home)
        havre("build", flag, ref, "--iidfile", str(tmp_path / f"id-{home}"), str(context))
    assert (tmp_path / "id-one").read_text() == (tmp_path / "id-two").read_text()
