"""A real S3 server on a free loopback port: moto's, as a process, with a bucket."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from havre.registry.storages.s3settings import S3Settings
from tests.system.registry import free_port

BUCKET = "registry"


@dataclass(frozen=True)
class S3Server:
    """Where it is. Any credentials are good."""

    endpoint: str

    def section(self, **more: Any) -> dict[str, Any]:
        """The section ``s3`` of a registry's configuration."""
        keys = {"access-key": "test", "secret-key": "test"}
        return {"bucket": BUCKET, "endpoint": self.endpoint, **keys, **more}

    def settings(self, **more: Any) -> S3Settings:
        return S3Settings(**{"bucket": BUCKET, "endpoint": self.endpoint, "access_key": "a", "secret_key": "b", **more})

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["S3Server"]:
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            server = cls(f"http://127.0.0.1:{port}")
            server.wait(process)
            yield server
        finally:
            process.terminate()
            process.wait()

    def wait(self, process: "subprocess.Popen[bytes]") -> None:
        """Make the bucket, as soon as there is somebody to ask."""
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT"), timeout=10)
                return
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
