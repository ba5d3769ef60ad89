"""Runtimes driven by their command line: what their failures mean."""

from pathlib import Path

import pytest

from havre.errors import HavreError, InvalidParameter, SystemFault
from havre.kernel.cgroups import Cgroups
from havre.runtime.runtimes.process import ProcessRuntime


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("failed to write 80: write /sys/fs/cgroup/cpu/x/cpu.rt_runtime_us: invalid argument", InvalidParameter),
        ("write /sys/fs/cgroup/memory/x/memory.limit_in_bytes: device or resource busy", InvalidParameter),
        ("error opening file: Numerical result out of range", InvalidParameter),
        ("open /run/x: no such file or directory", SystemFault),
    ],
)
async def test_values_the_kernel_refuses(tmp_path: Path, said: str, kind: type[HavreError]) -> None:
    program = tmp_path / "runtime"
    program.write_text(f'#!/bin/sh\ncat >/dev/null\necho \'time="x" level=error msg="{said}"\'\nexit 1\n')
    program.chmod(0o755)
    runtime = ProcessRuntime("runtime", str(program), tmp_path / "root", Cgroups(1, {}))
    with pytest.raises(kind) as caught:
        await runtime.update("c", {})
    assert type(caught.value) is kind and caught.value.message == f"runtime update failed: {said}"
