"""The pages tell the truth: every path they name exists, every decision is numbered once."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/recipes.md"]
WORD = re.compile(r"`([\w./-]+)`")
TOP = ("src/", "tests/", "docs/", "bench/", "scripts/", ".ci/")


def named_paths(text: str) -> list[str]:
    """Words in backquotes that look like a path of this repository or, with a slash or ``.py``, of ``src/havre``."""
    words = (word.rstrip("/") for word in WORD.findall(text))
    return [word for word in words if word.startswith(TOP) or word.endswith(".py")]


@pytest.mark.parametrize("page", PAGES)
def test_named_paths_exist(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    roots = (REPOSITORY, REPOSITORY / "src" / "havre")
    missing = [word for word in named_paths(text) if not any((root / word).exists() for root in roots)]
    assert not missing


def test_architecture_names_every_room() -> None:
    text = (REPOSITORY / "docs" / "ARCHITECTURE.md").read_text()
    rooms = {path.parent.name for path in (REPOSITORY / "src" / "havre").glob("*/__init__.py")}
    assert rooms <= set(re.findall(r"\w+", text))


def test_architecture_map_is_the_tree() -> None:
    """The map in ARCHITECTURE.md (a code block with one indented path a line) lists things that exist."""
    block = re.search(r"```\nsrc/havre/\n(.*?)```", (REPOSITORY / "docs" / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert block, "there is no map"
    parents = [REPOSITORY / "src" / "havre"]
    for line in block[1].splitlines():
        word = line.split()[0] if line.strip() else ""
        if not re.fullmatch(r"[\w/]+(/|\.py)", word):
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        path = parents[depth - 1] / word
        assert path.exists(), f"{path} does not exist"
        parents[depth:] = [path]


def test_decisions_are_numbered_once() -> None:
    numbers = [path.name[:4] for path in sorted((REPOSITORY / "docs" / "adr").glob("*.md"))]
    assert numbers and len(numbers) == len(set(numbers))
    assert all(re.fullmatch(r"\d{4}", number) for number in numbers)


def test_links_between_pages_lead_somewhere() -> None:
    for page in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} leads to {target}"
