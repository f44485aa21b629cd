"""Helpers of tests live in tests/support: no test module imports another one, nor a conftest."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.oracle import distinct_days

TESTS = Path(__file__).parents[1]
MODULES = sorted(TESTS.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Return the modules that a file imports, by their full names; ``from a import b`` counts as a and as a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} has a relative import"
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TESTS)))
def test_only_support_is_imported(path: Path) -> None:
    elsewhere = {
        name
        for name in imported(path)
        if name.startswith("tests.") and not f"{name}.".startswith("tests.support.")
        if (TESTS.parent / f"{name.replace('.', '/')}.py").is_file()
    }
    assert elsewhere == set()


@pytest.mark.parametrize("path", sorted(TESTS.glob("support/*.py")), ids=lambda path: path.name)
def test_a_helper_module_says_in_one_sentence_what_it_is_for(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text()))
    if path.name != "__init__.py":
        assert text, path.name
        assert text.split("\n\n")[0].endswith("."), path.name


def test_distinct_days_are_the_days_of_the_calendar() -> None:
    draw = random.Random(5)
    for _ in range(2000):
        spans = [(draw.randint(1, 30), draw.randint(1, 30)) for _ in range(draw.randint(0, 6))]
        every_day = {day for first, last in spans for day in range(first, last + 1)}
        assert distinct_days(iter(spans)) == len(every_day), spans
