"""Values of the tables that an expression of a mapping cannot read.

Some make it raise an error. Others are text that it reads as NULL, because it is not a date or not a whole number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
from pglast import ast
from psycopg import errors

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import one_line
from orchestrator.core.text import shortened
from orchestrator.host.mapping_expressions import (
    SCHEMA,
    Expression,
    function_name,
    nodes,
    quoted,
    read,
    with_safe_dates,
)
from orchestrator.host.mapping_probe import empty_copy, temporary
from orchestrator.host.mapping_types import TYPES, WANTED, Source, SourceMapping

#: How many rows of a table are read.
_ROWS = 100_000

_CONSEQUENCES = {
    "date_from": "they make no edge",
    "date_to": "they count as going on",
    "headcount": "their headcount is not known",
}


def unreadable(connection: Connection, mapping: SourceMapping, host_schema: str) -> list[str]:
    """Return a sentence for each column with texts that its expression reads as NULL, with the most frequent texts.

    The caller has seen that :func:`~orchestrator.host.mapping.check` finds no problem in *mapping*. Only the first
    100,000 rows of each table are read. Nothing is written. On a standby the result is empty.
    """
    found: list[str] = []
    with suppress(errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege):
        for source in mapping.sources.values():
            found += _unreadable_in(connection, source, source.schema or host_schema)
    return found


def failing(connection: Connection, mapping: SourceMapping, host_schema: str) -> list[str]:
    """Return a sentence for each expression that raises an error for a row, with its line in the file.

    Such an error would stop a backfill, and where the expression is part of an index also an ``INSERT`` of the
    application. The caller has seen that :func:`~orchestrator.host.mapping.check` finds no problem in *mapping*. Only
    the first 100,000 rows of each table are read. Nothing is written. On a standby the result is empty.
    """
    found: list[tuple[int, str]] = []
    with suppress(errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege):
        for name, source in mapping.sources.items():
            for key, problem in _failing_in(connection, source, source.schema or host_schema):
                line = mapping.lines.get((name, key)) or mapping.lines.get((name, None)) or 0
                found.append((line, f"{mapping.at(name, key)}{problem}"))
    return [problem for _, problem in sorted(found, key=lambda each: each[0])]


def _failing_in(connection: Connection, source: Source, schema: str) -> Iterator[tuple[str, str]]:
    types = {key: TYPES.get(column.kind) for key, column in WANTED[source.name].columns.items()} | {"where": "boolean"}
    values = {}
    for key in source.keys:
        expression = read(source.text(key), schema, source.table)
        if not expression.is_column:
            value = f"({temporary(expression.tree)})"
            values[key] = value if types[key] is None else f"{value}::{types[key]}"
    if not values:
        return
    with empty_copy(connection, schema, source.table):
        if _error(connection, source, schema, list(values.values())) is None:
            return
        for key, value in values.items():
            error = _error(connection, source, schema, [value])
            if error is not None:
                shown = shortened(" ".join(source.text(key).split()), 60)
                advice = "write it so that it gives NULL instead, with NULLIF or CASE"
                yield key, f"{key} = {shown} raises an error for a row of the table: {error}; {advice}"


def _error(connection: Connection, source: Source, schema: str, values: list[str]) -> str | None:
    """Compute *values* for the first rows of a table; return the error that they raise."""
    columns = ", ".join(f"{value} AS v{number}" for number, value in enumerate(values))
    counts = ", ".join(f"count(r.v{number})" for number in range(len(values)))
    query = f"SELECT {counts} FROM (SELECT {columns} FROM {quoted(schema)}.{quoted(source.table)} LIMIT {_ROWS}) AS r"
    try:
        with connection.transaction():
            connection.execute(query.encode())
    except (psycopg.OperationalError, errors.InsufficientPrivilege):
        raise
    except psycopg.Error as error:
        return one_line(error)
    return None


def _unreadable_in(connection: Connection, source: Source, schema: str) -> Iterator[str]:
    calls = [
        (key, call)
        for key in source.keys
        if key != "where"
        for call in _calls(read(source.text(key), schema, source.table))
    ]
    if not calls:
        return
    rule = "where" in source.keys and temporary(read(source.text("where"), schema, source.table).tree)
    with empty_copy(connection, schema, source.table):
        for key, call in calls:
            value, result = temporary(call.args[0]), temporary(call)
            rows = f"SELECT ({value})::text AS value, {result} AS result FROM {quoted(schema)}.{quoted(source.table)}"
            texts = f"WITH texts AS ({rows}{f' WHERE {rule}' if rule else ''} LIMIT {_ROWS})\n"
            query = texts + sqlfiles.query("host/unreadable_texts")
            frequent = connection.execute(query.encode()).fetchall()
            if frequent:
                yield _sentence(source, key, frequent)


def _calls(expression: Expression) -> Iterator[Any]:
    """Yield the calls of ``to_day`` and ``to_id``."""
    for call in nodes(with_safe_dates(expression.tree), ast.FuncCall):
        if function_name(call) in ((SCHEMA, "to_day"), (SCHEMA, "to_id")) and call.args:
            yield call


def _sentence(source: Source, key: str, frequent: list[tuple[str, int, int]]) -> str:
    what = "whole number" if key not in ("date_from", "date_to") else "date"
    consequence = _CONSEQUENCES.get(key, "they do not count")
    shown = ", ".join(f"{shortened(text, 40)!r} ({times:,})" for text, times, _ in frequent)
    total = int(frequent[0][2])
    return f"{source.name}.{key}: rows with a text that is no {what}: {total:,}; {consequence}; most frequent: {shown}"
