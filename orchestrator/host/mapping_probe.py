"""Asking the server whether an expression of a mapping is right.

An expression is computed and indexed on an empty temporary copy of the table, in a transaction that is rolled back.
So only the rights SELECT and TEMPORARY are needed, and the package need not be installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import psycopg
from pglast import ast
from psycopg import errors

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.host.mapping_expressions import (
    SCHEMA,
    Expression,
    function_name,
    identifier,
    nodes,
    printed,
    quoted,
    with_safe_dates,
)
from orchestrator.host.mapping_types import TYPES, WHOLE, Kind

#: The name of the empty copy.
COPY = "orchestrator_copy"

#: The time limit of each statement that checks a mapping, in seconds.
LIMIT = 10

#: The types that each kind of column is made of by a cast that never fails and is IMMUTABLE.
ACCEPTED: Mapping[Kind, tuple[str, ...]] = {
    "id": WHOLE,
    "day": ("date", "timestamp without time zone"),
    "number": WHOLE,
}
_TEXTS = ("text", "character varying", "character", "unknown")


@contextmanager
def empty_copy(connection: Connection, schema: str, table: str) -> Iterator[None]:
    """Make an empty temporary table with the columns of a table, and the package's functions for expressions.

    At the end of the block both are gone. In the block, a statement that takes longer than :data:`LIMIT` raises
    ``errors.QueryCanceled``. Raises ``errors.ReadOnlySqlTransaction`` or ``errors.InsufficientPrivilege`` where a
    temporary table is not possible, and :class:`OrchestratorError` for a table that another session has locked.
    """
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT pg_catalog.set_config('statement_timeout', %s, true)", (f"{LIMIT}s",))
        try:
            connection.execute(f"CREATE TEMPORARY TABLE {COPY} (LIKE {quoted(schema)}.{quoted(table)})".encode())
        except errors.QueryCanceled:
            raise OrchestratorError(
                f"another session has locked table {identifier(schema)}.{identifier(table)} for more than {LIMIT} s;"
                " try again when that session has ended"
            ) from None
        create_functions(connection)
        yield


def create_functions(connection: Connection) -> None:
    """Create the functions for expressions of a mapping as temporary functions of this session."""
    for name, folder in sqlfiles.function_folders().items():
        if folder.parent.name == "expressions":
            connection.execute(sqlfiles.function(name).replace(f"{SCHEMA}.", "pg_temp.").encode())


def problem_of(
    connection: Connection, expression: Expression, kind: Kind | Literal["rule"], *, is_indexed: bool
) -> str | None:
    """Return what is wrong with an expression, and what to write instead; None if nothing is.

    ``is_indexed``: the package builds indexes on the table, so what they contain must be IMMUTABLE. It must not fail
    either: an error in an index makes a statement of the application fail.
    """
    text = temporary(expression.tree)
    try:
        found = _type(connection, text)
    except psycopg.Error as error:
        return _refusal(error)
    if kind == "rule":
        if found != "boolean":
            return f"is {found}; write a condition, such as deleted_at IS NULL"
    elif found not in ACCEPTED.get(kind, (found,)):
        return _other_type(expression, kind, found)
    if not is_indexed or kind not in ("id", "day", "rule"):
        return None
    return _risky(connection, expression) or _not_indexable(connection, text, kind)


def temporary(tree: Any) -> str:
    """Return a tree as SQL that calls the temporary functions instead of those of the package."""
    return printed(with_safe_dates(tree)).replace(f"{SCHEMA}.", "pg_temp.")


def _type(connection: Connection, text: str) -> str:
    """Return the type of an expression. WHERE makes the server refuse aggregates and functions that return sets."""
    with connection.transaction():
        query = f"SELECT {text} FROM pg_temp.{COPY} WHERE ({text}) IS NOT NULL LIMIT 0"
        description = connection.execute(query.encode()).description
        assert description is not None
        row = connection.execute("SELECT format_type(%s::oid, NULL)", (description[0].type_code,)).fetchone()
        assert row is not None
        return str(row[0])


def _refusal(error: psycopg.Error) -> str:
    if isinstance(error, errors.QueryCanceled):
        return f"takes longer than {LIMIT} s, even without a row; write it in a simpler way"
    message = one_line(error).replace("pg_temp.", f"{SCHEMA}.")
    if isinstance(error, errors.UndefinedFunction):
        return (
            f"is refused by the server: {message}. Write a function or operator of yours with its schema: public.f(x)"
        )
    if isinstance(error, errors.GroupingError | errors.WindowingError | errors.FeatureNotSupported):
        return f"is refused by the server: {message}. Use one row's own columns, or put it into a view"
    return f"is refused by the server: {message}"


def _other_type(expression: Expression, kind: Kind, found: str) -> str:
    written = printed(expression.tree)
    advice = "write an expression that gives " + ("a date" if kind == "day" else "a whole number")
    if kind == "day" and found == "timestamp with time zone":
        advice = f"say in which time zone a day begins, such as {written} AT TIME ZONE 'UTC'"
    elif kind == "day" and found in _TEXTS:
        advice = (
            f"write to_date({written}, 'YYYY-MM') with your format, or {SCHEMA}.to_day({written}), which knows the"
            " usual formats"
        )
    elif kind == "day" and found in WHOLE:
        advice = f"write {SCHEMA}.first_day({written}, month), with NULL if there is no month"
    elif kind != "day" and found == "uuid":
        advice = f"write {SCHEMA}.uuid_key({written})"
    elif kind != "day" and found in (*_TEXTS, "numeric"):
        advice = f"write {SCHEMA}.to_id({written if found != 'numeric' else f'({written})::text'})"
    return f"is {found}; {advice}"


#: Types that a cast from text makes, and what to write instead of the cast.
_RISKY_CASTS = {
    **dict.fromkeys(("int2", "int4", "int8"), f"{SCHEMA}.to_id(...)"),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), f"{SCHEMA}.to_day(...)"),
}


def _risky(connection: Connection, expression: Expression) -> str | None:
    """Return a problem if an expression may raise an error for a value of the table."""
    for node in nodes(expression.tree, ast.FuncCall):
        if function_name(node)[-1] == "make_date":
            return f"raises an error for a month 0, also in an INSERT; write {SCHEMA}.first_day(year, month)"
    for node in nodes(expression.tree, ast.TypeCast):
        advice = _RISKY_CASTS.get(node.typeName.names[-1].sval)
        if advice is None or isinstance(node.arg, ast.A_Const):
            continue
        if _type(connection, temporary(node.arg)) in _TEXTS:
            return f"raises an error for text of another form, also in an INSERT; write {advice} instead of the cast"
    return None


def _not_indexable(connection: Connection, text: str, kind: Kind | Literal["rule"]) -> str | None:
    """Return a problem if no index can contain an expression."""
    form = f"((true)) WHERE {text}" if kind == "rule" else f"((({text})::{TYPES[kind]}))"
    try:
        with connection.transaction():
            connection.execute(f"CREATE INDEX ON pg_temp.{COPY} {form}".encode())
    except errors.InvalidObjectDefinition:
        return (
            "depends on the time or on settings, so no index can contain it (a function in it is not IMMUTABLE); write"
            " it without now(), to_char and casts between text and dates"
        )
    except psycopg.Error as error:
        return _refusal(error)
    return None
