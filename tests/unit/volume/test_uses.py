"""Uses of mounted volumes, as the next daemon finds them."""

from pathlib import Path

from havre.volume.uses import Use, Uses

ONE = Use("a" * 64, "container", 0, "data", "local")


def found(directory: Path) -> Uses:
    uses = Uses(directory)
    uses.load()
    return uses


def test_from_the_last_daemon(tmp_path: Path) -> None:
    uses = found(tmp_path)
    uses.save(ONE)
    uses.save(Use("b" * 64, "other", 1, "data", "plugin", "/there"))
    known = found(tmp_path)
    assert known.get("container", 0) == ONE and known.get("container", 1) is None
    assert {use.container for use in known.of_volume("data")} == {"container", "other"} == set(known.containers())
    assert known.release("container") == [ONE]
    assert known.get("container", 0) is None and found(tmp_path).get("container", 0) == ONE
    known.forget(ONE)
    assert found(tmp_path).containers() == ["other"]
    known.forget(ONE)


def test_the_newest_counts(tmp_path: Path) -> None:
    uses = found(tmp_path)
    uses.save(ONE)
    uses.release("container")
    new = Use("c" * 64, "container", 0, "data", "local", "/there")
    uses.save(new)
    uses.forget(ONE)
    assert uses.get("container", 0) == new == found(tmp_path).get("container", 0)


def test_what_is_cut_short(tmp_path: Path) -> None:
    found(tmp_path).save(ONE)
    (tmp_path / ONE.id).rename(tmp_path / f"{ONE.id}.part")
    (tmp_path / "nonsense").write_text("{")
    assert found(tmp_path).containers() == [] and list(tmp_path.iterdir()) == []
