"""The mapping: which table of the application each source is, which expression each column is, which rows count.

:func:`load` reads it from a TOML file, :func:`check` compares it with the catalog of a database, and :func:`bound`
gives the SQL that views, indexes and triggers are made of.
"""

from __future__ import annotations

from orchestrator.host.mapping_catalog import check, completed
from orchestrator.host.mapping_expressions import Expression, printed, quoted, read, with_safe_dates
from orchestrator.host.mapping_file import load
from orchestrator.host.mapping_types import DEFAULT, WANTED, BoundSource, Kind, Source, SourceMapping

__all__ = ["DEFAULT", "BoundSource", "Source", "SourceMapping", "bound", "check", "completed", "load"]

#: The type that each kind of column is cast to. PostgreSQL drops a cast to the type that an expression has already.
_TYPES: dict[Kind, str] = {"id": "bigint", "day": "date", "name": "text", "number": "integer"}


def bound(mapping: SourceMapping, host_schema: str) -> dict[str, BoundSource]:
    """Return each source of *mapping* with the SQL that reads it. *host_schema* is not quoted. Needs no connection.

    Raises :class:`BadExpressionError` for an expression that :func:`load` would refuse.
    """
    return {name: _bound(source, host_schema) for name, source in mapping.sources.items()}


def _bound(source: Source, host_schema: str) -> BoundSource:
    wanted = WANTED[source.name]
    columns: dict[str, str] = {}
    used: dict[str, tuple[str, ...]] = {}
    for key, column in wanted.columns.items():
        text = source.columns.get(key, None if column.optional else quoted(key))
        if text is None:
            continue
        if source.is_default:
            columns[key], used[key] = quoted(key), (quoted(key),)
            continue
        expression = read(text, source.schema or host_schema, source.table)
        columns[key], used[key] = typed(expression, column.kind), expression.used
    where = source.where if source.has_own_rule else wanted.where
    if where is not None:
        expression = read(where, source.schema or host_schema, source.table)
        where, used["where"] = printed(with_safe_dates(expression.tree)), expression.used
    return BoundSource(
        source.name, wanted.view, source.schema or host_schema, source.table, columns, used, where, source.is_default
    )


def typed(expression: Expression, kind: Kind) -> str:
    """Return an expression as SQL that gives the type of a kind of column."""
    text = expression.sql if expression.is_column else printed(with_safe_dates(expression.tree))
    return f"({text})::{_TYPES[kind]}" if kind in _TYPES else text
