"""The mapping: which table of the application each source is, which expression each column is, and which rows count.

:func:`load` reads it from a TOML file, :func:`check` compares it with the catalog of a database, and :func:`bound`
gives the SQL that views, indexes and triggers are made of.
"""

from __future__ import annotations

from orchestrator.host.mapping_catalog import check, completed, placed
from orchestrator.host.mapping_expressions import Expression, printed, read, with_safe_dates
from orchestrator.host.mapping_file import load, load_partly
from orchestrator.host.mapping_types import DEFAULT, TYPES, WANTED, BoundSource, Kind, Source, SourceMapping

__all__ = [
    "DEFAULT",
    "BoundSource",
    "Source",
    "SourceMapping",
    "bound",
    "check",
    "completed",
    "load",
    "load_partly",
    "placed",
]


def bound(mapping: SourceMapping, host_schema: str) -> dict[str, BoundSource]:
    """Return each source of *mapping* with the SQL that reads it. *host_schema* is not quoted. Needs no connection.

    Raises :class:`BadExpressionError` for an expression that :func:`load` would refuse.
    """
    return {name: _bound(source, host_schema) for name, source in mapping.sources.items()}


def _bound(source: Source, host_schema: str) -> BoundSource:
    wanted = WANTED[source.name]
    schema = source.schema or host_schema
    columns: dict[str, str] = {}
    used: dict[str, tuple[str, ...]] = {}
    for key in source.keys:
        expression = read(source.text(key), schema, source.table)
        used[key] = expression.used
        if key == "where":
            columns[key] = printed(with_safe_dates(expression.tree))
        else:
            columns[key] = _typed(expression, wanted.columns[key].kind, is_default=source.is_default)
    where = columns.pop("where", None)
    return BoundSource(source.name, wanted.view, schema, source.table, columns, used, where, source.is_default)


def _typed(expression: Expression, kind: Kind, *, is_default: bool) -> str:
    """Return an expression as SQL that gives the type of a kind of column.

    A default source has the types already. PostgreSQL drops a cast to the type that an expression has.
    """
    text = expression.sql if expression.is_column else printed(with_safe_dates(expression.tree))
    return text if kind == "any" or (is_default and kind != "number") else f"({text})::{TYPES[kind]}"
