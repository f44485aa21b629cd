"""Text that an expression of a mapping reads as NULL, because it is not a date or not a whole number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pglast import ast
from psycopg import errors

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
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
from orchestrator.host.mapping_types import Source, SourceMapping

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
