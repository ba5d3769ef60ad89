"""The docker CLI and havre side by side: the same words, said to the same scripted daemon, and what each asked and
printed.

    twins = Twins(daemon, tmp_path)
    docker, ours = twins.both(["kill", "-s", "HUP", "web"])
    assert ours == docker
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from havre.cli.main import program
from tests.conftest import docker_cli_version
from tests.fakes.daemon import FakeDaemon, Request
from tests.fakes.world import steady

DOCKER = shutil.which("docker") or ""
RECORDED = docker_cli_version().startswith("28.2.")
_PATIENCE = 60


@dataclass(frozen=True)
class Told:
    """One run of a program: its exit code, what it printed, what it asked the daemon for."""

    code: int
    out: str
    err: str
    asked: tuple[str, ...] = ()


class Twins:
    """Both programs in one directory, with one home and one daemon."""

    def __init__(self, daemon: FakeDaemon, directory: Path) -> None:
        self.daemon = daemon
        self.home = directory / "home"
        self.cwd = directory / "cwd"
        self.home.mkdir()
        self.cwd.mkdir()

    def both(self, argv: Sequence[str], stdin: bytes = b"", **environ: str) -> tuple[Told, Told]:
        """(docker's, havre's), docker's words and answers with our name where it says its own."""
        return self.docker(argv, stdin, **environ), self.havre(argv, stdin, **environ)

    def docker(self, argv: Sequence[str], stdin: bytes = b"", **environ: str) -> Told:
        done = subprocess.run(
            [DOCKER, *argv],
            input=stdin,
            capture_output=True,
            env=self._environ("DOCKER_HOST", environ),
            cwd=self.cwd,
            timeout=_PATIENCE,
            check=False,
        )
        return self._told(done.returncode, named(done.stdout.decode()), named(done.stderr.decode()))

    def havre(self, argv: Sequence[str], stdin: bytes = b"", **environ: str) -> Told:
        """In a fork of this process, which has the modules already: a third of the time of a new one."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            sys.stdout.flush()
            sys.stderr.flush()
            child = os.fork()
            if child == 0:
                self._become_havre((given.fileno(), out.fileno(), err.fileno()), argv, environ)
            signal.alarm(_PATIENCE)
            try:
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            finally:
                signal.alarm(0)
            out.seek(0)
            err.seek(0)
            return self._told(code, out.read().decode(), err.read().decode())

    def _become_havre(self, streams: tuple[int, int, int], argv: Sequence[str], environ: dict[str, str]) -> None:
        try:
            for wanted, descriptor in enumerate(streams):
                os.dup2(descriptor, wanted)
            os.chdir(self.cwd)
            os.environ.clear()
            os.environ.update(self._environ("HAVRE_HOST", environ))
            sys.argv = ["havre", *argv]
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, "rww"[number]) for number in range(3))
            program()
        finally:
            os._exit(70)

    def _environ(self, host: str, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "HAVRE_"))}
        return {**kept, "HOME": str(self.home), "TZ": "UTC", host: self.daemon.host, **more}

    def _told(self, code: int, out: str, err: str) -> Told:
        asked = tuple(described(request) for request in self.daemon.requests)
        self.daemon.requests.clear()
        return Told(code, *(steady(text.replace(str(self.home), "$HOME")) for text in (out, err)), asked)


def named(text: str) -> str:
    """Docker's text with our name where it names itself, as a command or as a daemon."""
    text = re.sub(r"\bdocker:", "havre:", text)
    text = re.sub(r"'docker\b", "'havre", text)
    text = re.sub(r"^(Usage:  |\t|  )docker\b", r"\1havre", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=, |: )docker (?=[a-z])", "havre ", text)
    return re.sub(r"\b(the|is the) docker daemon", r"\1 havre daemon", text.replace("Docker daemon", "havre daemon"))


def described(request: Request) -> str:
    """A request in one line: what is the same for both programs however they spell it (the order of keys, empty values
    left out or sent, 1 or true)."""
    query = {name: sorted(map(_plain, values)) for name, values in sorted(request.query.items())}
    shown = [f"{request.method} {request.path}"]
    if kept := {name: values for name, values in query.items() if values not in ([""], ["0"])}:
        shown.append(json.dumps(kept, sort_keys=True, ensure_ascii=False))
    if request.body:
        shown.append(_body(request.body))
    return " ".join(shown)


def _plain(value: str) -> str:
    if value.startswith(("{", "[")):
        return json.dumps(without_empty(json.loads(value)), sort_keys=True, ensure_ascii=False)
    return {"true": "1", "false": "0"}.get(value, value)


def _body(body: bytes) -> str:
    if body[:1] not in (b"{", b"["):
        return f"<{len(body)} bytes>"
    value = ordered(without_empty(json.loads(body)))
    if isinstance(value, dict):
        _drop_bare_endpoint(value)
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _drop_bare_endpoint(body: dict[str, Any]) -> None:
    """Docker names the network of ``NetworkMode`` once more, with nothing to say about it."""
    endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
    mode = body.get("HostConfig", {}).get("NetworkMode")
    if endpoints.get(mode) == {}:
        del endpoints[mode]
        if not endpoints:
            del body["NetworkingConfig"]


# Zero is something to say here, and not what the daemon assumes.
_SAYS_ZERO = ("MemorySwappiness", "StopTimeout", "Init", "PidsLimit", "Entrypoint", "MaskedPaths", "ReadonlyPaths")


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
    if key == "PidsLimit":
        return bool(item)
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
