"""``havre image layers`` and ``havre image diff`` of real images."""

import json

from tests.system.programs import Program


def test_layers_and_differences(havre: Program) -> None:
    havre("run", "--name", "maker", "busybox", "sh", "-c", "echo 12345 > /file; rm -r /home; chmod 700 /var")
    havre("commit", "--change", "ENV A=1", "maker", "second")
    havre("run", "--name", "again", "second", "sh", "-c", "echo 1 > /file")
    havre("commit", "again", "third")
    havre("rm", "maker", "again")
    found = json.loads(havre("image", "layers", "--json", "third").out)
    assert [layer["Size"] for layer in found["Layers"]][1:] == [6, 2]
    assert found["Layers"][2]["Wasted"] == found["Wasted"] == 6
    assert found["Layers"][1]["Deleted"] == 1
    assert "/file" in {file["Path"] for file in found["Layers"][1]["Largest"]}
    shown = havre("image", "layers", "--files", "1", "third").out
    assert shown.startswith("LAYER") and "/file" in shown and "in 3 layers, 6B of it wasted" in shown
    lines = havre("image", "diff", "busybox", "third").lines
    assert "A /file (2B)" in lines
    assert "D /home/ (0B)" in lines
    assert "C /var (mode 755 → 700)" in lines
    assert any(line.startswith("  env: ") and line.endswith("A=1") for line in lines)
    assert havre("image", "diff", "--exit-code", "busybox", "busybox").out == ""
    havre("image", "diff", "--exit-code", "busybox", "third", code=1)
    assert "No such image: none" in havre("image", "diff", "busybox", "none", code=1).err
    assert "No such image: none" in havre("image", "layers", "none", code=1).err
    havre("rmi", "second", "third")
