"""Comparing a mapping with the catalog of a database: its tables, its columns, their types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches

from psycopg import errors

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.schema import schema_of
from orchestrator.core.text import shortened
from orchestrator.host.mapping_expressions import Expression, identifier, quoted, read
from orchestrator.host.mapping_probe import ACCEPTED, empty_copy, problem_of
from orchestrator.host.mapping_types import TABLES, WANTED, WHOLE, Kind, Place, Source, SourceMapping

_SYSTEM = ("connection_paths", "pg_catalog", "information_schema", "pg_toast")

#: The types of each kind of column that need no cast, so that a default source can be read as it is.
_EXACT: Mapping[Kind, tuple[str, ...]] = {"id": ("bigint",), "day": ("date",), "number": WHOLE}


@dataclass(frozen=True)
class _Relation:
    """A table or view: its kind in ``pg_class``, whether this role may read it, the type of each column."""

    kind: str
    is_readable: bool
    columns: Mapping[str, str]


def check(connection: Connection, mapping: SourceMapping, host_schema: str) -> list[str]:
    """Return every problem of *mapping* in this database, each with its line in the file when it is known."""
    found = placed(connection, mapping, host_schema)
    return [problem for _, problem in sorted(found, key=lambda each: mapping.line(*each[0]))]


def placed(connection: Connection, mapping: SourceMapping, host_schema: str) -> list[tuple[Place, str]]:
    """Return every problem of *mapping* in this database, each with its place in the file.

    A place that could not be read is left out. Nothing is written, and the package need not be installed. On a standby,
    and for a role that may not make temporary tables, only the names of tables and columns are checked.
    """
    problems: list[tuple[Place, str]] = []
    completed_mapping = completed(connection, mapping, host_schema)
    for name, source in completed_mapping.sources.items():
        unread = {key for each, key in mapping.unread if each == name and key is not None}
        for key, problem in _source_problems(connection, source, host_schema, unread):
            problems.append(((name, key), f"{mapping.at(name, key)}{problem}"))
    for name, problem in _shared_tables(completed_mapping, host_schema):
        problems.append(((name, "table"), f"{mapping.at(name, 'table')}{problem}"))
    return problems


def completed(connection: Connection, mapping: SourceMapping, host_schema: str) -> SourceMapping:
    """Return *mapping* with what the catalog adds to it.

    An optional column that the file does not name is added if the table has a column of the default name. A column of a
    default source gets a cast if its type differs from the type in the view, so that its ids may be ``integer``.
    """
    sources = {name: _completed(connection, source, host_schema) for name, source in mapping.sources.items()}
    return replace(mapping, sources=sources)


def _completed(connection: Connection, source: Source, host_schema: str) -> Source:
    relation = _relation(connection, source.schema or host_schema, source.table)
    if relation is None:
        return source
    added = {}
    for key, column in WANTED[source.name].columns.items():
        kind = relation.columns.get(key)
        if key in source.columns or kind is None:
            continue
        is_exact = column.kind not in ACCEPTED or _base(kind) in _EXACT[column.kind]
        if source.is_default and not is_exact and _base(kind) in ACCEPTED[column.kind]:
            added[key] = f"{quoted(key)}::{_EXACT[column.kind][0]}"
        elif column.optional:
            added[key] = quoted(key)
    return replace(source, columns={**source.columns, **added}) if added else source


def _base(type_name: str) -> str:
    """Return the name of a type without its length: ``character varying(80)`` is ``character varying``."""
    return re.sub(r"\(\d+(,\d+)?\)", "", type_name)


def _relation(connection: Connection, schema: str, name: str) -> _Relation | None:
    rows = connection.execute(sqlfiles.query("host/mapping_columns"), {"schema": schema, "name": name}).fetchall()
    if not rows:
        return None
    _, kind, is_readable, *_ = rows[0]
    return _Relation(kind, is_readable, {row[3]: row[4] for row in rows if row[3] is not None})


def _shared_tables(mapping: SourceMapping, host_schema: str) -> Iterator[tuple[str, str]]:
    """Yield the sources that read the table of another source, where only one of the two names the host schema.

    Reading the file finds the other cases.
    """
    first: dict[tuple[str, str], Source] = {}
    for name, source in mapping.sources.items():
        other = first.setdefault((source.schema or host_schema, source.table), source)
        if other is not source and other.schema != source.schema and WANTED[name].is_captured:
            yield name, f"{other.name} and {name} read the same table; write a view as the table of one of them"


def _source_problems(
    connection: Connection, source: Source, host_schema: str, unread: Set[str]
) -> Iterator[tuple[str | None, str]]:
    """Yield the problems of a source, each with the key that it is about; *unread* keys are left out."""
    schema = source.schema or host_schema
    shown = f"{identifier(schema)}.{identifier(source.table)}"
    if schema in (*_SYSTEM, schema_of(connection)):
        yield "table", f"{shown} is no table of an application; write the name of a table of yours"
        return
    relation = _relation(connection, schema, source.table)
    if relation is None:
        yield "table", f"there is no table {shown}; {_other_table(connection, source, schema)}"
        return
    if not relation.is_readable:
        yield "table", f"this role may not read {shown}; grant USAGE on the schema and SELECT, or connect as the owner"
        return
    found = [each for each in _missing_columns(source, schema, relation, shown) if each[0] not in unread]
    yield from found
    missing = {key for key, _ in found} | unread
    expressions = {key: each for key, each in _expressions(source, schema) if key not in missing}
    yield from _computed(connection, schema, source, relation, expressions)


def _other_table(connection: Connection, source: Source, schema: str) -> str:
    if source.table == source.name:
        return "say in a mapping which table it is; orchestrator map --suggest proposes one"
    every = connection.execute(sqlfiles.query("host/mapping_tables")).fetchall()
    same = [row for row in every if row[1].lower() == source.table.lower()]
    near = get_close_matches(source.table.lower(), [row[1].lower() for row in every], n=1)
    same += [row for row in every if near and row[1].lower() == near[0]]
    if same:
        other_schema, name = same[0]
        prefix = "" if source.schema is None and other_schema == schema else f"{identifier(other_schema)}."
        return f"did you mean table = '{prefix}{identifier(name)}'?"
    return "write its name, with its schema if it is another one: table = 'crm.people'"


def _missing_columns(source: Source, schema: str, relation: _Relation, shown: str) -> Iterator[tuple[str | None, str]]:
    for key, expression in _expressions(source, schema):
        for name in expression.columns:
            if name not in relation.columns:
                is_written = key in source.columns or key == "where"
                advice = _other_column(key, name, list(relation.columns), is_written=is_written)
                yield key, f"{shown} has no column {identifier(name)}; {advice}"


def _other_column(key: str, name: str, present: list[str], *, is_written: bool) -> str:
    """Return what to write instead of a column that does not exist; a key that is not written has its default."""
    near = get_close_matches(name.lower(), [each.lower() for each in present], n=1)
    meant = next((identifier(each) for each in present if each.lower() in near), None)
    if not is_written:
        return f"write {key} = the column or expression that it is" + (f", perhaps '{meant}'" if meant else "")
    if meant is not None:
        return f"did you mean {meant}?"
    return f"it has {', '.join(identifier(each) for each in present[:12])}"


def _expressions(source: Source, schema: str) -> Iterator[tuple[str, Expression]]:
    for key in source.keys:
        yield key, read(source.text(key), schema, source.table)


def _computed(
    connection: Connection, schema: str, source: Source, relation: _Relation, expressions: Mapping[str, Expression]
) -> Iterator[tuple[str | None, str]]:
    """Yield the problems that the server finds in expressions whose columns all exist."""
    found: list[tuple[str | None, str]] = []
    is_indexed = relation.kind in TABLES
    impossible = (errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege)
    with suppress(*impossible), empty_copy(connection, schema, source.table):
        for key, expression in expressions.items():
            kind = "rule" if key == "where" else WANTED[source.name].columns[key].kind
            problem = problem_of(connection, expression, kind, is_indexed=is_indexed)
            if problem is not None:
                found.append((key, f"{key} = {shortened(' '.join(source.text(key).split()), 60)} {problem}"))
    yield from found
