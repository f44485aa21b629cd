"""Finds row-level security policies that fail in the finders, because their function depends on ``search_path``."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from orchestrator.core.database import lost
from orchestrator.core.errors import one_line
from orchestrator.host.sources import VIEWS
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import Subject


def policies(subject: Subject) -> Iterator[Finding]:
    """Find policies that call a function whose names are looked up in ``search_path``.

    The finders run with ``search_path = pg_catalog, pg_temp``. So does every function that a policy calls while a
    finder reads a table. PostgreSQL can check whether the names in an SQL function are found. For other languages, only
    a call would show it, so those functions are advice.
    """
    tables = [table.oid for known_as, table in subject.tables.items() if known_as in VIEWS]
    for row in subject.query("doctor/policies", {"tables": tables}):
        problem = _problem(subject, row.function_oid) if row.is_sql else None
        if row.is_sql and problem is None:
            continue
        where = f"policy {row.policy} of {row.table_name} calls {row.function}"
        repair = f"ALTER FUNCTION {row.function} SET search_path = {row.path}, pg_temp;"
        if problem is not None and not problem.is_right:
            what = f"{where}, which fails inside find_paths, where search_path is pg_catalog: {one_line(problem.error)}"
            yield Finding("policies", "wrong", what, repair, row.function)
        else:
            what = (
                f"{where}, which has no search_path of its own: names in it without a schema are not found inside"
                " find_paths, where search_path is pg_catalog"
            )
            yield Finding("policies", "advice", what, repair, row.function)


class _Problem:
    """Why PostgreSQL rejects the body of a function; ``is_right`` is true if this role lacks a right."""

    def __init__(self, error: psycopg.Error) -> None:
        self.error = error
        self.is_right = isinstance(error, psycopg.errors.InsufficientPrivilege)


def _problem(subject: Subject, function: int) -> _Problem | None:
    """Return why the body of an SQL function is invalid under the current ``search_path``, without calling it."""
    try:
        with subject.connection.transaction():
            subject.connection.execute("SELECT fmgr_sql_validator(%s::oid)", (function,))
    except psycopg.Error as error:
        if lost(subject.connection, error) or isinstance(error, psycopg.errors.QueryCanceled):
            raise
        return _Problem(error)
    return None
