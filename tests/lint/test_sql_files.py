"""Every SQL file parses, is ASCII, and leaves the application's tables to the views; Python holds no SQL.

A check is a function that returns sentences about what is wrong; an empty list means that nothing is.
"""

from __future__ import annotations

import ast as python
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core import sqlfiles
from tests.support.sql_parsing import (
    body_statements,
    parses,
    statements,
    tables,
    without_placeholders,
)

ROOT = sqlfiles.ROOT

HOST_TABLES = {"contacts", "organizations", "contact_work_experiences", "user_contact_collections"}

FILES = sorted(ROOT.rglob("*.sql"))

EVERYTHING = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc")

INDEXES = sorted((ROOT / "indexes").glob("*.sql"))

TRIGGERS = sorted((ROOT / "triggers").rglob("*.sql"))

VIEWS = sorted((ROOT / "views").glob("*.sql"))

#: The only files that may name a host table.
HOST_FILES = {
    *VIEWS,
    *TRIGGERS,
    *(ROOT / "names").glob("*.sql"),
    ROOT / "queries" / "install" / "demo_tables.sql",
    *(path for path in INDEXES if not path.name.startswith("idx_cc_")),
    *(ROOT / "queries" / "host").glob("every_*.sql"),
}


def by_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


def names_no_host_table(text: str) -> list[str]:
    everything = statements(without_placeholders(text)) + body_statements(without_placeholders(text))
    named = {found.relname for stmt in everything for found in tables(stmt)}
    return [f"names {table}" for table in sorted(named & HOST_TABLES)]


def is_ascii(text: str) -> list[str]:
    """Check that a file is ASCII, which every encoding of a database contains."""
    found = sorted({character for character in text if not character.isascii()})
    return [f"holds {' '.join(found)}"] if found else []


def comments_are_short(text: str) -> list[str]:
    """Check that comment lines have at most 120 characters."""
    return [
        f"line {number}: {len(line)} characters"
        for number, line in enumerate(text.splitlines(), 1)
        if line.lstrip().startswith("--") and len(line) > 120
    ]


def holds_no_sql(text: str) -> list[str]:
    """Check that a Python file has no SQL of more than two lines. Text that begins like a statement is SQL."""
    begins = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|CREATE|ALTER|DROP|VALUES|COPY|DO|SET)\b")
    problems = []
    for node in python.walk(python.parse(text)):
        if isinstance(node, python.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, python.Constant)]
            value = "".join(map(str, parts))
        elif isinstance(node, python.Constant) and isinstance(node.value, str):
            value = node.value
        else:
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if begins.match(value) and (lines > 2 or len(value) > 220):
            problems.append(f"line {node.lineno}: {lines} lines of SQL, {len(value)} characters")
    return problems


each_file = pytest.mark.parametrize("path", FILES, ids=by_path)


@each_file
def test_parses(path: Path) -> None:
    assert parses(path.read_text()) == []


@pytest.mark.parametrize("path", [path for path in EVERYTHING if path.suffix != ".md"], ids=by_path)
def test_is_ascii(path: Path) -> None:
    assert is_ascii(path.read_text()) == []


@pytest.mark.parametrize("path", EVERYTHING, ids=by_path)
def test_comments_are_short(path: Path) -> None:
    assert comments_are_short(path.read_text()) == []


@pytest.mark.parametrize("path", [path for path in FILES if path not in HOST_FILES], ids=by_path)
def test_names_no_host_table(path: Path) -> None:
    assert names_no_host_table(path.read_text()) == []


PYTHON = sorted(Path(sqlfiles.__file__).parents[1].rglob("*.py"))


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(PYTHON[0].parent)))
def test_python_holds_no_sql(path: Path) -> None:
    assert holds_no_sql(path.read_text()) == []


# Each check can fail: a correct text, broken in one place.

FUNCTION = """\
-- A header.
CREATE FUNCTION connection_paths.sample() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    SELECT count(*) FROM connection_paths.live_contacts AS c;
END;
"""

BROKEN: list[tuple[Callable[[str], list[str]], str, str, str]] = [
    (parses, FUNCTION, "CREATE", "CREATE AND"),
    (names_no_host_table, FUNCTION, "AS c;", "AS c, public.contacts AS x;"),
    (names_no_host_table, FUNCTION, "connection_paths.live_contacts", "organizations"),
    (names_no_host_table, "DO $d$\nBEGIN\nNULL;\nEND\n$d$;", "NULL;", "PERFORM 1 FROM contacts;"),
    (is_ascii, FUNCTION, "header", "header \N{MULTIPLICATION SIGN}"),
    (comments_are_short, FUNCTION, "header", "x" * 120),
    (holds_no_sql, "QUERY = 'SELECT 1'", "'SELECT 1'", "'''SELECT 1,\n2,\n3'''"),
    (holds_no_sql, "QUERY = 'SELECT 1'", "'SELECT 1'", "('SELECT 1,'\n'2,'\nf'{3}')"),
]


@pytest.mark.parametrize(("check", "text", "old", "new"), BROKEN)
def test_a_broken_file_is_noticed(check: Callable[[str], list[str]], text: str, old: str, new: str) -> None:
    assert old in text
    assert check(text) == []
    assert check(text.replace(old, new)) != []
