"""Counters of heat are found per processor."""

from pathlib import Path

from havre.kernel.thermal import throttle_counters


def test_only_processors_count(tmp_path: Path) -> None:
    for name in ("cpu0/thermal_throttle", "cpu10/thermal_throttle", "cpu1/topology", "cpufreq/thermal_throttle"):
        (tmp_path / name).mkdir(parents=True)
    wanted = (str(tmp_path / "cpu0/thermal_throttle"), str(tmp_path / "cpu10/thermal_throttle"))
    assert throttle_counters(tmp_path) == wanted
