"""No name is looked up where another role may create objects: the search paths of scripts, queries and Python.

A check is a function that returns sentences about what is wrong; an empty list means that nothing is.
"""

from __future__ import annotations

import ast as python
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pglast import ast

from orchestrator.core import sqlfiles
from orchestrator.install import script
from tests.support.sql_parsing import (
    statements,
)

ROOT = sqlfiles.ROOT

EVERYTHING = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc")

FUNCTIONS = sorted((ROOT / "functions").rglob("*.sql"))

PACKAGE = Path(sqlfiles.__file__).parents[1]


def by_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


#: The search paths that Python may set: one for every session, one for the session that migrates.
CLOSED_PATHS = {"SEARCH_PATH", "named(connection, f'{SCHEMA}, pg_temp')"}

#: Files that mention the search paths of the application's functions, and set none.
ADVISING = {"doctor/policies.py", "policies.sql"}

#: Modules that open connections. The embedded server is only asked whether it answers.
CONNECTING = {"core/database.py", "core/embedded.py"}


def keeps_the_path_closed(text: str) -> list[str]:
    """Check that an SQL file sets only search paths of schemas in which no other role can create objects.

    When a path does not name ``pg_catalog``, the server searches it first.
    """
    code = re.sub(r"--[^\n]*", "", text)
    closed = r"(\bRESET search_path;|\bSET (LOCAL )?search_path = (pg_catalog|connection_paths), pg_temp\b)"
    return ["sets another search path"] if "search_path" in re.sub(closed, "", code) else []


def begins_with_a_closed_path(text: str) -> list[str]:
    """Check that a script for psql runs no other statement before it has set its search path."""
    code = re.sub(r"^\s*\\[^\n]*$", "", text, flags=re.MULTILINE).split("SELECT", maxsplit=1)[0]
    sets = [stmt for stmt in statements(code) if isinstance(stmt, ast.VariableSetStmt)]
    if len(sets) != len(statements(code)) or "search_path" not in [stmt.name for stmt in sets]:
        return ["a statement comes before SET search_path"]
    return []


def python_keeps_the_path_closed(text: str) -> list[str]:
    """Check that ``search_path`` is only the key of one of these paths, and is in no other string of a Python file."""
    tree = python.parse(text)
    allowed = {id(line.value) for line in python.walk(tree) if isinstance(line, python.Expr)}  # docstrings
    for node in python.walk(tree):
        if isinstance(node, python.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            allowed |= {id(key) for key, value in pairs if python.unparse(value) in CLOSED_PATHS}
    return [
        f"line {node.lineno}: sets a search path"
        for node in python.walk(tree)
        if isinstance(node, python.Constant) and "search_path" in str(node.value) and id(node) not in allowed
    ]


def opens_no_connection(text: str) -> list[str]:
    """Check that a Python file takes its connections from ``core/database.py``, which sets the search path first."""
    calls = (python.unparse(node.func) for node in python.walk(python.parse(text)) if isinstance(node, python.Call))
    return [
        f"calls {call}" for call in calls if call.endswith(("psycopg.connect", "Connection.connect", "PGconn.connect"))
    ]


@pytest.mark.parametrize(
    "path",
    [path for path in EVERYTHING if path not in FUNCTIONS and path.suffix != ".py" and path.name not in ADVISING],
    ids=by_path,
)
def test_the_search_path_stays_closed(path: Path) -> None:
    assert keeps_the_path_closed(path.read_text()) == []


def test_python_keeps_the_search_path_closed() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if str(path.relative_to(PACKAGE)) not in ADVISING:
            assert python_keeps_the_path_closed(path.read_text()) == [], path
        assert str(path.relative_to(PACKAGE)) in CONNECTING or opens_no_connection(path.read_text()) == [], path


def test_the_script_begins_with_a_closed_path() -> None:
    assert begins_with_a_closed_path(script.psql()) == []


# Each check can fail: a file of the project, broken in one place.

BEGIN = "script/begin.template"
HOST = "migrations/0004_host_indexes.py"

BROKEN: list[tuple[Callable[[str], list[str]], str, str, str]] = [
    (keeps_the_path_closed, BEGIN, "search_path = pg_catalog,", "search_path = public, pg_catalog,"),
    (keeps_the_path_closed, BEGIN, "SET search_path = pg_catalog, pg_temp;", "SET search_path = pg_catalog;"),
    (begins_with_a_closed_path, BEGIN, "SET search_path = pg_catalog, pg_temp;", ""),
    (begins_with_a_closed_path, BEGIN, "SELECT count(set_config", "DROP TABLE t;\nSELECT count(set_config"),
    (python_keeps_the_path_closed, HOST, "__transactional__ = False", "x = {'search_path': 'public'}"),
    (python_keeps_the_path_closed, HOST, "__transactional__ = False", "x = 'SET search_path TO x'"),
    (python_keeps_the_path_closed, HOST, "__transactional__ = False", "x = f'SET search_path TO {y}'"),
    (opens_no_connection, HOST, "__transactional__ = False", "psycopg.connect('')"),
]


@pytest.mark.parametrize(("check", "file", "old", "new"), BROKEN)
def test_a_broken_file_is_noticed(check: Callable[[str], list[str]], file: str, old: str, new: str) -> None:
    text = (ROOT / file).read_text()
    assert old in text
    assert check(text) == []
    assert check(text.replace(old, new)) != []
