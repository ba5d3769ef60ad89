"""The docker CLI and havre side by side: the same words, said to the same scripted daemon, and what each asked it for
and printed.

    twins = Twins(daemon, tmp_path)
    assert twins.havre(["kill", "-s", "HUP", "web"]) == twins.docker(["kill", "-s", "HUP", "web"])
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote

from havre.cli.main import main
from tests.fakes.daemon import FakeDaemon, Request
from tests.fakes.world import ident, steady

FILES = {
    "vars.env": 'A=1\n# comment\n\n  B=2  \nHOME\nNOT_SET\nQ="x y"\nE=\n',
    "crlf.env": "\ufeffA=1\r\n  B=2\n",
    "some.labels": "lab.a=1\nlab.b\n# x\n  lab.c=x \n",
    "noname.env": "=x\n",
    "spaces.env": "A B=1\n",
    "profile.json": '{ "defaultAction": "SCMP_ACT_ALLOW" }\n',
    "broken.json": '{ "defaultAction":\n',
}
_PATIENCE = 60


@dataclass(frozen=True)
class Told:
    """One run of a program: its exit code, what it printed, what it asked the daemon for."""

    code: int
    out: str
    err: str
    asked: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """For a golden file: without what is empty."""
        said = {"code": self.code, "out": self.out, "err": self.err, "asked": list(self.asked)}
        return {name: value for name, value in said.items() if value}


class Twins:
    """Both programs in one directory, with one home and one daemon."""

    def __init__(self, daemon: FakeDaemon, directory: Path) -> None:
        self.daemon = daemon
        self.home = directory / "home"
        self.cwd = directory / "cwd"
        self.home.mkdir()
        self.cwd.mkdir()
        for name, text in FILES.items():
            (self.cwd / name).write_bytes(text.encode())

    def docker(self, argv: Sequence[str], stdin: bytes = b"", **environ: str) -> Told:
        """Docker's, with our name where it says its own."""
        done = subprocess.run(
            [shutil.which("docker") or "docker", *argv],
            input=stdin,
            capture_output=True,
            env=self._environ("DOCKER_HOST", environ),
            cwd=self.cwd,
            timeout=_PATIENCE,
            check=False,
        )
        return self._told(argv, done.returncode, named(done.stdout.decode()), named(done.stderr.decode()))

    def havre(self, argv: Sequence[str], stdin: bytes = b"", **environ: str) -> Told:
        """Havre's, run in this process."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        with (
            mock.patch.dict(os.environ, self._environ("HAVRE_HOST", environ), clear=True),
            mock.patch.multiple(sys, stdin=io.TextIOWrapper(io.BytesIO(stdin), "utf-8"), stdout=out, stderr=err),
            _at(self.cwd),
        ):
            time.tzset()
            code = main(list(argv))
            out.flush()
            err.flush()
        time.tzset()
        said = [stream.buffer.getvalue().decode() for stream in (out, err)]
        return self._told(argv, code, said[0], said[1])

    def _environ(self, host: str, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "HAVRE_"))}
        return {**kept, "HOME": str(self.home), "TZ": "UTC", host: self.daemon.host, **more}

    def _told(self, argv: Sequence[str], code: int, out: str, err: str) -> Told:
        asked = [self._here(described(request)) for request in self.daemon.requests]
        self.daemon.requests.clear()
        out, err = (steady(self._here(text)) for text in (out, err))
        return Told(code, out, err, tuple(comparable(argv, asked)))

    def _here(self, text: str) -> str:
        text = text.replace(str(self.cwd), "$CWD").replace(str(self.home), "$HOME")
        return text.replace(str(self.cwd.parent), "$CWD/..")


@contextmanager
def _at(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def named(text: str) -> str:
    """Docker's text with our name where it names itself, as a command or as a daemon."""
    text = re.sub(r"\bdocker:", "havre:", text)
    text = re.sub(r"'docker\b", "'havre", text)
    text = re.sub(r"^(Usage:  |\t|  |)docker\b", r"\1havre", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=, |: )docker (?=[a-z])", "havre ", text)
    return re.sub(r"\b([Dd]ocker)( daemon)", r"havre\2", text)


# Docker looks at the container before it asks for anything there; we do not, and ask under the name we were given.
_LOOKS_FIRST = {"exec", "logs"}
# Several requests are under way at once, or the order is another one (attach, run: see docs/compat.md).
_ANY_ORDER = {"kill", "pause", "unpause", "stop", "rm", "attach", "run", "start", "stats"}


def comparable(argv: Sequence[str], asked: list[str]) -> list[str]:
    """The requests of a command as far as they have to be the same."""
    command = next((word for word in argv if word != "container"), "")
    if command in _LOOKS_FIRST:
        asked = [line for line in asked if not re.fullmatch(r"GET /containers/[^/]*/json", line)]
    if command == "run" and not any("/attach" in line for line in asked):
        # Docker asks to be told of the end of a container it leaves alone, and does not listen.
        asked = [line for line in asked if "/wait" not in line]
    return sorted(asked) if command in _ANY_ORDER else asked


def described(request: Request) -> str:
    """A request in one line: what is the same for both programs however they spell it (the order of keys, empty values
    left out or sent, 1 or true).
    """
    query = {name: sorted(map(_plain, values)) for name, values in sorted(request.query.items())}
    shown = [f"{request.method} {unquote(request.path).replace(ident('a'), 'web')}"]
    if kept := {name: values for name, values in query.items() if values not in ([""], ["0"])}:
        shown.append(json.dumps(kept, sort_keys=True, ensure_ascii=False))
    if request.body[:1] in (b"{", b"["):
        body = ordered(without_empty(json.loads(request.body)))
        if request.path == "/containers/create":
            body = _beyond_plain(body)
        shown.append(json.dumps(body, sort_keys=True, ensure_ascii=False))
    elif request.body:
        shown.append(f"<{len(request.body)} bytes>")
    return " ".join(shown)


def _plain(value: str) -> str:
    if value.startswith(("{", "[")):
        return json.dumps(without_empty(json.loads(value)), sort_keys=True, ensure_ascii=False)
    return {"true": "1", "false": "0"}.get(value, value)


# What every container is created with.
_PLAIN = {"AttachStdout": True, "AttachStderr": True, "Image": "b"}
_PLAIN_HOST = {"NetworkMode": "default", "RestartPolicy": {"Name": "no"}}


def _beyond_plain(body: dict[str, Any]) -> dict[str, Any]:
    """A create request without what it always has; where that is missing, it says so."""
    host = body.pop("HostConfig", {})
    endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
    if endpoints.get(host.get("NetworkMode")) == {}:
        # Docker names the network of NetworkMode once more, with nothing to say about it.
        del endpoints[host["NetworkMode"]]
        if not endpoints:
            del body["NetworkingConfig"]
    for part, plain in ((body, _PLAIN), (host, _PLAIN_HOST)):
        for key, value in plain.items():
            if (found := part.pop(key, None)) != value:
                part[key] = found
    return {**body, **{f"Host.{key}": value for key, value in host.items()}}


# Zero is something to say here, and not what the daemon assumes.
_SAYS_ZERO = ("StopTimeout", "Init", "Entrypoint", "MaskedPaths", "ReadonlyPaths")


def without_empty(value: Any) -> Any:
    """JSON without what Go leaves out or sends as it likes: null, "", 0, false and empty lists and objects."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    pairs = {key: without_empty(item) for key, item in value.items()}
    return {key: item for key, item in pairs.items() if _says_something(key, item)}


def _says_something(key: str, item: Any) -> bool:
    if key == "MemorySwappiness":
        return item not in (None, -1)
    if key in _SAYS_ZERO:
        return item is not None
    if item == {}:
        # A port, a path or a network as a key says something by itself.
        return key[:1] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return item not in (None, "", 0, False, [], [0, 0])


def ordered(value: Any) -> Any:
    """Lists whose order Docker leaves to chance, sorted."""
    if not isinstance(value, dict):
        return value
    done = {key: ordered(item) for key, item in value.items()}
    for key in ("Env", "Binds"):
        if isinstance(done.get(key), list):
            done[key] = sorted(done[key])
    return done
