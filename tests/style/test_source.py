"""What the linters do not know: sizes of files and functions, docstrings, banned words and calls."""

import ast
import re
import subprocess
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
SOURCE = REPOSITORY / "src" / "havre"
MODULES = sorted(SOURCE.rglob("*.py"))
ALL = MODULES + sorted((REPOSITORY / "tests").rglob("*.py")) + sorted((REPOSITORY / "bench").rglob("*.py"))

FILE_GOAL, FILE_LIMIT, FUNCTION_LIMIT, UNDOCUMENTED_LIMIT = 400, 600, 60, 20
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
UNFINISHED = re.compile("|".join((r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b")))

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def length(node: Definition) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Line and source text of what is called, for every call."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def is_protocol(node: Definition) -> bool:
    return isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)


def test_files_are_short() -> None:
    lengths = {name(path): path.read_text().count("\n") for path in ALL}
    long = {path: lines for path, lines in lengths.items() if lines > FILE_GOAL}
    if long:
        warnings.warn(f"longer than the goal of {FILE_GOAL} lines: {long}", stacklevel=1)
    assert not {path: lines for path, lines in long.items() if lines > FILE_LIMIT}


def test_functions_are_short() -> None:
    assert not [
        f"{name(path)}:{node.lineno} {node.name}: {length(node)} lines"
        for path in ALL
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > FUNCTION_LIMIT
    ]


def test_modules_say_what_they_are() -> None:
    assert not [name(path) for path in ALL if path.stat().st_size and not ast.get_docstring(tree(path))]
    assert not [name(path) for path in MODULES if not ast.get_docstring(tree(path))]


def test_public_things_say_what_they_are() -> None:
    """Every Protocol teaches its life cycle; longer classes and functions of a module state their contract."""
    assert not [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in tree(path).body
        if isinstance(node, Definition) and not node.name.startswith("_") and not ast.get_docstring(node)
        if length(node) > UNDOCUMENTED_LIMIT or is_protocol(node)
    ]


def test_nothing_is_unfinished() -> None:
    assert not [name(path) for path in ALL if UNFINISHED.search(path.read_text())]


def test_names_say_something() -> None:
    assert not [name(path) for path in MODULES if VAGUE & set(path.relative_to(SOURCE).with_suffix("").parts)]


def test_tasks_have_owners() -> None:
    """``create_task`` only on a TaskGroup called ``group``, or inside ``havre.lib.tasks``."""
    assert not [
        f"{name(path)}:{line} {called}"
        for path in MODULES
        if name(path) != "src/havre/lib/tasks.py"
        for line, called in calls(path)
        if called.endswith(("create_task", "ensure_future")) and called != "group.create_task"
    ]


def test_only_the_programs_print() -> None:
    assert not [
        f"{name(path)}:{line}"
        for path in MODULES
        if path.relative_to(SOURCE).parts[0] not in ("cli", "daemon") and path != SOURCE / "registry" / "main.py"
        for line, called in calls(path)
        if called == "print"
    ]


def test_scripts_are_sound() -> None:
    for script in [*sorted((REPOSITORY / "scripts").iterdir()), REPOSITORY / ".ci" / "run"]:
        text = script.read_text()
        assert text.startswith("#!/usr/bin/env bash\n") and "set -euo pipefail" in text, name(script)
        assert script.stat().st_mode & 0o111, f"{name(script)} is not executable"
        subprocess.run(["bash", "-n", script], check=True)


def test_the_makefile_only_calls_scripts() -> None:
    recipes = re.findall(r"^\t(.*)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert recipes == ["@scripts/$@"]
