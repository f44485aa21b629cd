"""Values of the tables that an expression of a mapping cannot read, rules that no row passes, and slow expressions.

Some values make an expression raise an error. Others are text that it reads as NULL, because it is not a date or not a
whole number. No statement takes longer than ten seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
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
    identifier,
    nodes,
    quoted,
    read,
    with_safe_dates,
)
from orchestrator.host.mapping_probe import LIMIT, empty_copy, temporary
from orchestrator.host.mapping_types import TYPES, WANTED, Place, Source, SourceMapping

#: How many rows of a table are read.
_ROWS = 100_000

_CONSEQUENCES = {
    "date_from": "they make no edge",
    "date_to": "they count as going on",
    "headcount": "their headcount is not known",
}

_FASTER = "a backfill computes it for every row, so write it in a simpler way, or store its value in a column"
_FORMAT_ADVICE = "if these are dates, write their format, for example to_date(column, 'DD/MM/YYYY')"


def suspicious(connection: Connection, mapping: SourceMapping, host_schema: str) -> list[str]:
    """Return a sentence for each rule that no row passes, and for each column with texts that are read as NULL.

    The sentence of a column has the most frequent of these texts. The caller has seen that
    :func:`~orchestrator.host.mapping.check` finds no problem in *mapping*. Only the first 100,000 rows of each table
    are read. A table for which that takes too long has a sentence of its own. Nothing is written. On a standby the
    result is empty.
    """
    found: list[str] = []
    for source in mapping.sources.values():
        schema = source.schema or host_schema
        try:
            with suppress(errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege):
                _compute(connection, source, schema)
                found += _passed_by_none(connection, source, schema)
                found += _unreadable_in(connection, source, schema)
        except errors.QueryCanceled:
            found.append(
                f"{source.name}: computing its expressions for at most {_ROWS:,} rows of {identifier(schema)}."
                f"{identifier(source.table)} takes longer than {LIMIT} s, so their values were not checked"
            )
    return found


def failing(
    connection: Connection,
    mapping: SourceMapping,
    host_schema: str,
    wrong: Set[Place] = frozenset(),
    *,
    slow_too: bool = False,
) -> list[tuple[Place, str]]:
    """Return a sentence for each expression that raises an error for a row, with its place in the file.

    Such an error would stop a backfill, and where the expression is part of an index also an ``INSERT`` of the
    application. *wrong* has the places where :func:`~orchestrator.host.mapping.check` finds another problem. Only the
    first 100,000 rows of each table are read. With ``slow_too``, an expression that takes longer than ten seconds for
    them has a sentence, too, unless the table itself takes that long. Nothing is written. On a standby the result is
    empty.
    """
    found: list[tuple[Place, str]] = []
    for name, source in mapping.sources.items():
        if {(name, "table"), (name, None)} & wrong:
            continue
        keys = [key for key in source.keys if (name, key) not in wrong]
        with suppress(errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege):
            for key, problem in _failing_in(connection, source, source.schema or host_schema, keys, slow_too=slow_too):
                found.append(((name, key), f"{mapping.at(name, key)}{problem}"))
    return found


def _failing_in(
    connection: Connection, source: Source, schema: str, keys: Sequence[str], *, slow_too: bool
) -> Iterator[tuple[str, str]]:
    values = _values(source, schema, keys)
    if not values:
        return
    with empty_copy(connection, schema, source.table):
        try:
            if _error(connection, source, schema, values.values()) is None:
                return
        except errors.QueryCanceled:
            if _is_slow(connection, source, schema):
                return
        for key, value in values.items():
            shown = shortened(" ".join(source.text(key).split()), 60)
            try:
                error = _error(connection, source, schema, [value])
            except errors.QueryCanceled:
                if slow_too:
                    yield key, f"{key} = {shown} takes longer than {LIMIT} s for at most {_ROWS:,} rows; {_FASTER}"
                continue
            if error is not None:
                advice = "write it so that it gives NULL instead, with NULLIF or CASE"
                yield key, f"{key} = {shown} raises an error for a row of the table: {error}; {advice}"


def _compute(connection: Connection, source: Source, schema: str) -> None:
    """Compute every expression of a source for the first rows of its table; only QueryCanceled is raised.

    It says that the computing took too long. :func:`failing` shows the other errors.
    """
    values = _values(source, schema, source.keys)
    if values:
        with empty_copy(connection, schema, source.table):
            _error(connection, source, schema, values.values())


def _is_slow(connection: Connection, source: Source, schema: str) -> bool:
    """Return whether reading the first rows of a table takes too long without any expression: it may be a view."""
    try:
        _error(connection, source, schema, ["1"])
    except errors.QueryCanceled:
        return True
    return False


def _values(source: Source, schema: str, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the expressions of a source that are no columns, as SQL with the types of the binding view."""
    types = {key: TYPES.get(column.kind) for key, column in WANTED[source.name].columns.items()} | {"where": "boolean"}
    values = {}
    for key in keys:
        expression = read(source.text(key), schema, source.table)
        if not expression.is_column:
            value = f"({temporary(expression.tree)})"
            values[key] = value if types[key] is None else f"{value}::{types[key]}"
    return values


def _error(connection: Connection, source: Source, schema: str, values: Iterable[str]) -> str | None:
    """Compute *values* for the first rows of a table; return the error that they raise.

    Raises ``errors.QueryCanceled`` when that takes too long.
    """
    values = [*values]
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


def _passed_by_none(connection: Connection, source: Source, schema: str) -> Iterator[str]:
    if "where" not in source.keys:
        return
    rule = temporary(read(source.text("where"), schema, source.table).tree)
    table = f"{quoted(schema)}.{quoted(source.table)}"
    read_rows = f"SELECT {rule} AS passes FROM {table} LIMIT {_ROWS}"
    query = f"SELECT count(*), count(*) FILTER (WHERE r.passes) FROM ({read_rows}) AS r"
    with empty_copy(connection, schema, source.table):
        ((rows, passing),) = connection.execute(query.encode()).fetchall()
    if rows and not passing:
        text = " ".join(source.text("where").split())
        yield f"{source.name}.where = {shortened(text, 60)} is true for none of the {rows:,} rows that were read"


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
    found = f"{source.name}.{key}: rows with a text that is no {what}: {total:,}; {consequence}; most frequent: {shown}"
    return f"{found}; {_FORMAT_ADVICE}" if what == "date" and _has_days(frequent) else found


def _has_days(frequent: Sequence[tuple[str, int, int]]) -> bool:
    """Return whether a text looks like a date in some format, such as 31/12/2020."""
    return any(re.search(r"[0-9].*[^0-9].*[0-9]", text) for text, _, _ in frequent)
