"""A small volume plugin: Docker's protocol over a unix socket, volumes in a directory. It can be told to misbehave.

It keeps what it was asked, and which uses of each volume are mounted, as real plugins count them.
"""

import json
import shutil
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class VolumePlugin:
    """``answers`` replaces what a method says: an object, a text (an error), or a function that makes either."""

    def __init__(self, name: str, sockets: Path, home: Path, scope: str = "global") -> None:
        self.name = name
        self.home = home
        self.scope = scope
        self.path = sockets / f"{name}.sock"
        self.calls: list[tuple[str, Json]] = []
        self.volumes: dict[str, Json] = {}
        self.mounted: dict[str, set[str]] = {}
        self.answers: dict[str, Any] = {}
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    def __enter__(self) -> "VolumePlugin":
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._server is not None:
            return
        self.path.unlink(missing_ok=True)
        plugin = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = plugin.answer(self.path.removeprefix("/"), json.loads(content or b"{}"))
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                with suppress(BrokenPipeError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def address_string(self) -> str:
                return "havred"

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening, as a plugin that died does: the socket stays."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def called(self, method: str) -> list[Json]:
        return [body for name, body in self.calls if name == f"VolumeDriver.{method}"]

    def answer(self, method: str, body: Json) -> tuple[int, Any]:
        self.calls.append((method, body))
        told = self.answers.get(method.removeprefix("VolumeDriver."))
        if callable(told):
            told = told()
        if isinstance(told, tuple):
            return told
        if isinstance(told, str):
            return 200, {"Err": told}
        if told is not None:
            return 200, told
        methods: dict[str, Callable[[Json], Json]] = {
            "Plugin.Activate": lambda _: {"Implements": ["VolumeDriver"]},
            "VolumeDriver.Capabilities": lambda _: {"Capabilities": {"Scope": self.scope}},
            "VolumeDriver.Create": self._create,
            "VolumeDriver.Remove": self._remove,
            "VolumeDriver.Mount": self._mount,
            "VolumeDriver.Unmount": self._unmount,
            "VolumeDriver.Path": lambda body: {"Mountpoint": str(self.home / body["Name"])},
            "VolumeDriver.Get": self._get,
            "VolumeDriver.List": lambda _: {"Volumes": [self._told(name) for name in self.volumes]},
        }
        if method not in methods:
            return 404, {"Err": "no such method"}
        return 200, methods[method](body)

    def _told(self, name: str) -> Json:
        return {"Name": name, "Mountpoint": str(self.home / name), "Status": {"kept": "well"}}

    def _create(self, body: Json) -> Json:
        self.volumes[body["Name"]] = body.get("Opts") or {}
        (self.home / body["Name"]).mkdir(exist_ok=True)
        return {"Err": ""}

    def _remove(self, body: Json) -> Json:
        if self.mounted.get(body["Name"]):
            return {"Err": "volume is mounted"}
        self.volumes.pop(body["Name"], None)
        shutil.rmtree(self.home / body["Name"], ignore_errors=True)
        return {"Err": ""}

    def _mount(self, body: Json) -> Json:
        if body["Name"] not in self.volumes:
            return {"Err": "no such volume here"}
        self.mounted.setdefault(body["Name"], set()).add(body["ID"])
        return {"Mountpoint": str(self.home / body["Name"]), "Err": ""}

    def _unmount(self, body: Json) -> Json:
        self.mounted.get(body["Name"], set()).discard(body["ID"])
        return {"Err": ""}

    def _get(self, body: Json) -> Json:
        if body["Name"] not in self.volumes:
            return {"Err": "no such volume"}
        return {"Volume": self._told(body["Name"]), "Err": ""}


def slow(seconds: float) -> Callable[[], None]:
    """An answer that comes late."""
    return lambda: time.sleep(seconds)
