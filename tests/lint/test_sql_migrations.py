"""Every migration can be split and repeated, and installs each file once; indexes follow the rules of their views.

A check is a function that returns sentences about what is wrong; an empty list means that nothing is.
"""

from __future__ import annotations

import ast as python
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pglast
import pytest
import sqlparse
from pglast import ast
from pglast.stream import RawStream

from orchestrator.core import sqlfiles
from tests.support.sql_parsing import (
    SCHEMA,
    nodes,
    parses,
    statements,
)

ROOT = sqlfiles.ROOT

HOST_TABLES = {"contacts", "organizations", "contact_work_experiences", "user_contact_collections"}

FUNCTIONS = sorted((ROOT / "functions").rglob("*.sql"))

INDEXES = sorted((ROOT / "indexes").glob("*.sql"))

TRIGGERS = sorted((ROOT / "triggers").rglob("*.sql"))

MIGRATIONS = sorted(
    path
    for path in (ROOT / "migrations").glob("[0-9]*.*")
    if path.suffix in (".sql", ".py") and not path.name.endswith(".rollback.sql")
)

VIEWS = sorted((ROOT / "views").glob("*.sql"))


def by_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


def splits_alike(text: str) -> list[str]:
    """Check that yoyo splits a migration into the same statements as PostgreSQL does."""
    pieces = [piece for piece in sqlparse.split(text) if piece.strip()]
    problems = []
    if len(pieces) != len(pglast.split(text)):
        problems.append(f"yoyo sees {len(pieces)} statements, PostgreSQL {len(pglast.split(text))}")
    return problems + [f"not a statement: {piece[:60]}" for piece in pieces if parses(piece)]


def directives_come_first(text: str) -> list[str]:
    """Check the directives. yoyo silently ignores one that follows a statement or is not in lower case."""
    leading = re.match(r"(?:\s*--[^\n]*\n|\s+)*", text)
    assert leading is not None
    directive = re.compile(r"^\s*--\s*(depends|transactional)\s*:", re.MULTILINE | re.IGNORECASE)
    problems = [f"{found[1]} follows a statement" for found in directive.finditer(text, leading.end())]
    spelled = {found[1] for found in directive.finditer(leading[0])}
    return problems + [f"{name} is not lower case" for name in sorted(spelled) if name != name.lower()]


def depends_on(path: Path, text: str) -> set[str]:
    if path.suffix == ".sql":
        found = re.search(r"^--\s*depends:([^\n]*)$", text, re.MULTILINE)
        return set(found[1].split()) if found else set()
    return set(assigned(text, "__depends__") or ())


def assigned(text: str, name: str) -> Any:
    """Return the literal that a Python file assigns to a name at its top level, or None."""
    for line in python.parse(text).body:
        if isinstance(line, python.Assign) and python.unparse(line.targets[0]) == name:
            return python.literal_eval(line.value)
    return None


def chained(migrations: list[tuple[Path, str]]) -> list[str]:
    first, *_ = migrations
    problems = [f"{first[0].name} depends on something"] if depends_on(*first) else []
    return problems + [
        f"{path.name} is not chained to {before.stem}"
        for (before, _), (path, text) in pairwise(migrations)
        if depends_on(path, text) != {before.stem}
    ]


def calls_in(text: str) -> list[tuple[str, ...]]:
    """Return the top-level calls of a Python migration: the name of the function and its literal arguments."""
    lines = (line.value for line in python.parse(text).body if isinstance(line, python.Expr))
    return [
        (python.unparse(call.func), *(python.literal_eval(argument) for argument in call.args))
        for call in lines
        if isinstance(call, python.Call)
    ]


def installed_once(migrations: list[str], expected: set[tuple[str, ...]]) -> list[str]:
    """Check that each file is installed by exactly one line, and that each line has its file."""
    lines = Counter(call for text in migrations for call in calls_in(text))
    wrong = {call for call in lines.keys() | expected if lines[call] != 1 or call not in expected}
    return [f"{call[0]}{call[1:]}: {lines[call]} lines" for call in sorted(wrong)]


def host_indexes_leave_writers_alone(text: str) -> list[str]:
    concurrent = any(call[0] == "host_index" for call in calls_in(text))
    if concurrent and assigned(text, "__transactional__") is not False:
        return ["host_index inside a transaction"]
    return []


def is_index(text: str, name: str) -> list[str]:
    found = list(nodes(tuple(statements(text)), ast.IndexStmt))
    if len(found) != 1:
        return ["not one CREATE INDEX"]
    (index,) = found
    problems = [] if index.idxname == name else [f"makes {index.idxname}"]
    if index.relation.relname in HOST_TABLES:
        if not index.concurrent:
            problems.append("blocks the host's writers")
        if [type(each) for each in statements(text)] != [ast.IndexStmt, ast.CommentStmt]:
            problems.append("not a CREATE INDEX and the COMMENT that marks it")
        elif not text.count(f"{name} IS 'connection_paths: "):
            problems.append("no mark")
    elif index.concurrent or index.relation.schemaname != SCHEMA:
        problems.append("of our own table: qualified, not CONCURRENTLY")
    return problems


def rule(where: Any) -> str:
    """Return a condition as text, without the aliases of its columns."""
    for column in nodes(where, ast.ColumnRef):
        column.fields = column.fields[-1:]
    return "" if where is None else str(RawStream()(where))


def follows_its_view(text: str, views: str) -> list[str]:
    """Check that the condition of a partial index is the rule of the view of its table."""
    rules = {
        stmt.query.fromClause[0].relname: rule(stmt.query.whereClause)
        for stmt in nodes(tuple(statements(views)), ast.ViewStmt)
        if isinstance(stmt.query.fromClause[0], ast.RangeVar)  # a source that is not mapped has no table
    }
    (index,) = nodes(tuple(statements(text)), ast.IndexStmt)
    if index.relation.relname not in HOST_TABLES:
        return []
    expected, found = rules.get(index.relation.relname, ""), rule(index.whereClause)
    return [] if found == expected else [f"WHERE {found}, the view has WHERE {expected}"]


def every_view() -> str:
    return "\n".join(path.read_text() for path in VIEWS)


each_index = pytest.mark.parametrize("path", INDEXES, ids=by_path)

each_migration = pytest.mark.parametrize("path", MIGRATIONS, ids=by_path)


@each_index
def test_index_file(path: Path) -> None:
    text = path.read_text()
    assert is_index(text, path.stem) == []
    assert follows_its_view(text, every_view()) == []


@each_migration
def test_migration(path: Path) -> None:
    text = path.read_text()
    if path.suffix == ".sql":
        rollback = path.with_suffix(".rollback.sql").read_text()
        assert splits_alike(text) == []
        assert splits_alike(rollback) == []
        assert directives_come_first(text) == []
        assert directives_come_first(rollback) == []
    else:
        assert host_indexes_leave_writers_alone(text) == []


def test_migrations_are_chained() -> None:
    assert chained([(path, path.read_text()) for path in MIGRATIONS]) == []


def test_every_file_is_installed_by_one_line() -> None:
    files: set[tuple[str, ...]] = {("function", path.parent.name, path.stem) for path in FUNCTIONS}
    for path in INDEXES:
        (found,) = nodes(tuple(statements(path.read_text())), ast.IndexStmt)
        files.add(("host_index" if found.relation.relname in HOST_TABLES else "index", path.stem))
    files |= {("host_triggers", path.stem) for path in TRIGGERS} | {("view", path.stem) for path in VIEWS}
    texts = [path.read_text() for path in MIGRATIONS if path.suffix == ".py"]
    assert installed_once(texts, files) == []


# Each check can fail: a file of the project, broken in one place.

TABLES = "migrations/0002_tables.sql"
HOST = "migrations/0004_host_indexes.py"
FUNCTION_LINES = "migrations/0005_functions.py"
MEMBERS = "indexes/idx_members_by_collection.sql"


def members(text: str) -> list[str]:
    return is_index(text, "idx_members_by_collection")


def members_rule(text: str) -> list[str]:
    return follows_its_view(text, every_view())


def chain(text: str) -> list[str]:
    return chained([(ROOT / HOST, "__depends__ = set()"), (ROOT / FUNCTION_LINES, text)])


def host_lines(text: str) -> list[str]:
    return installed_once([text], set(calls_in((ROOT / HOST).read_text())))


BROKEN: list[tuple[Callable[[str], list[str]], str, str, str]] = [
    (splits_alike, TABLES, "COMMENT ON TYPE", "CREATE TABLE t (declare int);\nCOMMENT ON TYPE"),
    (directives_come_first, TABLES, "COMMENT ON TYPE", "-- transactional: false\nCOMMENT ON TYPE"),
    (directives_come_first, TABLES, "-- depends:", "-- Depends:"),
    (chain, FUNCTION_LINES, "0004_host_indexes", "0003_walk_indexes"),
    (chain, FUNCTION_LINES, "__depends__", "__depend__"),
    (host_lines, HOST, 'host_index("idx_members_by_collection")\n', ""),
    (host_lines, HOST, '"idx_experiences_by_contact"', '"idx_members_by_collection"'),
    (host_indexes_leave_writers_alone, HOST, "__transactional__ = False", ""),
    (members, MEMBERS, "idx_members_by_collection", "idx_members"),
    (members, MEMBERS, "CONCURRENTLY ", ""),
    (members_rule, MEMBERS, "user_id IS NOT NULL", "user_id IS NULL"),
    (members_rule, MEMBERS, "WHERE :user_contact_collections.where_and", "WHERE"),
]


@pytest.mark.parametrize(("check", "file", "old", "new"), BROKEN)
def test_a_broken_file_is_noticed(check: Callable[[str], list[str]], file: str, old: str, new: str) -> None:
    text = (ROOT / file).read_text()
    assert old in text
    assert check(text) == []
    assert check(text.replace(old, new)) != []
