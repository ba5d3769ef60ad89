"""What two daemons, and images that mean harm, must not do to a daemon and its containers."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from havre.errors import StartFailed
from havre.kernel.cgroups import Cgroups
from havre.runtime.conmon import Conmon, Options
from havre.runtime.runtimes.process import ProcessRuntime
from tests.system.harness import BIN, Havred, wait_until


def test_a_daemon_with_the_run_time_files_of_another_is_refused(havred: Havred, tmp_path: Path) -> None:
    """It would take the other's containers for orphans, and kill them."""
    identity = havred.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000"]}).json()["Id"]
    assert havred.api("POST", f"/containers/{identity}/start").status == 204
    flags: list[str | Path] = [
        "--data-root",
        tmp_path / "data",
        "--exec-root",
        havred.exec_root,
        "--pidfile",
        tmp_path / "pid",
    ]
    command = [
        BIN / "havred",
        "--host",
        f"unix://{tmp_path}/s",
        *flags,
        "--bridge",
        "htbx",
        "--bip",
        "10.230.9.1/24",
    ]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode != 0
    assert f"exec root {havred.exec_root} is in use by another havred (process " in second.stderr
    assert havred.inspect(identity)["State"]["Running"]


@pytest.mark.parametrize("path", ["etc/passwd", "etc/group"])
def test_a_container_whose_users_are_a_fifo_is_refused(havred: Havred, path: str) -> None:
    """The runtime reads /etc/passwd too, and would wait for a writer for ever."""
    identity = havred.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]}).json()["Id"]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        fifo = tarfile.TarInfo(path)
        fifo.type = tarfile.FIFOTYPE
        tar.addfile(fifo)
    assert havred.api("PUT", f"/containers/{identity}/archive?path=/", archive.getvalue()).status == 200
    answer = havred.api("POST", f"/containers/{identity}/start", timeout=20)
    assert (answer.status, answer.json()) == (400, {"message": f"/{path} in the container is no regular file"})
    assert havred.api("DELETE", f"/containers/{identity}").status == 204


async def test_a_runtime_that_never_answers_is_given_up(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    runtime.write_text("#!/bin/sh\necho $$ > $(dirname $0)/pid\nexec sleep 1000\n")
    runtime.chmod(0o755)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    conmon = Conmon(shutil.which("conmon") or "/usr/bin/conmon", patience=1)
    never = ProcessRuntime("never", str(runtime), tmp_path / "root", Cgroups.detect())
    try:
        with pytest.raises(StartFailed, match="within 1 seconds"):
            await conmon.create("0" * 64, never, bundle, Options(False, False, False, None))
    finally:
        wait_until(lambda: (tmp_path / "pid").read_text(), "the runtime to have run")
        os.kill(int((tmp_path / "pid").read_text()), 9)
