"""Mirrors of a registry that is nowhere: images come from them under the registry's own name."""

import json
import signal
from pathlib import Path

from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.harness import wait_until
from tests.system.registry import Registry, serve

NOWHERE = "registry.invalid"


def test_whatever_mirror_has_it(new_havred: NewDaemon, registry: Registry, tmp_path: Path) -> None:
    pushed = registry.push(images.busybox(), "mirrored/app")
    with serve(tmp_path / "empty") as empty, serve(tmp_path / "private", password=True) as private:
        mirrors = ["http://127.0.0.1:1", *(f"http://{one.host}" for one in (empty, private, registry))]
        file = tmp_path / "daemon.json"
        file.write_text(json.dumps({"registries": {NOWHERE: {"mirrors": mirrors}}}))
        daemon = new_havred("--config-file", str(file))
        daemon.start()
        docker = docker_for(daemon, tmp_path)
        name = f"{NOWHERE}/mirrored/app:latest"
        assert f"Status: Downloaded newer image for {name}" in docker("pull", name).lines
        image = daemon.api("GET", f"/images/{name}/json").json()
        assert image["RepoTags"] == [name]
        assert image["RepoDigests"] == [f"{NOWHERE}/mirrored/app@{pushed.digest}"]
        assert any(f"ns={NOWHERE}" in line for line in empty.requests())
        assert "Image is up to date" in docker("pull", name).out
        docker("rmi", name)

        def mirrored() -> bool:
            return NOWHERE in daemon.api("GET", "/info").json()["RegistryConfig"]["IndexConfigs"]

        assert mirrored() and daemon.process is not None
        file.write_text("{}")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not mirrored(), "the configuration without mirrors", daemon.tail)
        said = docker("pull", name, code=1).err
        assert f'Get "https://{NOWHERE}/v2/": dial tcp: lookup {NOWHERE}: no such host' in said
