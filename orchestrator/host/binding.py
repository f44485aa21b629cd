"""Binds a mapping to the tables of a database, and fills the placeholders of SQL files from it.

The files of views, indexes, triggers and trigger functions name the application's tables and columns by placeholders
``:SOURCE.WORD``; :class:`Binding` lists the words. ``sql/views/README.md`` describes them for a reader of the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import LiteralString

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.host.mapping import DEFAULT, BoundSource, SourceMapping, bound
from orchestrator.host.mapping_expressions import quoted
from orchestrator.host.mapping_types import TABLES, TYPES, WANTED, Kind

#: In place of a name of the host schema: a script of psql fills it when it runs.
LATER = ':"host_schema"'
#: The sources without which nothing is installed, in the order of the documents.
REQUIRED = tuple(name for name, wanted in WANTED.items() if not wanted.optional)
#: The sources whose changes triggers capture.
CAPTURED = tuple(sorted(name for name, wanted in WANTED.items() if wanted.is_captured))
#: The binding view of each source.
VIEW_OF = {name: wanted.view for name, wanted in WANTED.items()}
SOURCE_OF = {view: name for name, view in VIEW_OF.items()}

_PLACEHOLDER = re.compile(rf"[ ]*:({'|'.join(WANTED)})\.(\w+)")
_KEYS = re.compile(r"\.(?:key|bare)_(\w+)")
_INTEGERS = "{smallint,integer,bigint}"
#: The types that a column may have where nothing but a cast is applied to it.
_ALLOWED: dict[Kind, list[str]] = {
    "id": ["bigint", "integer", "smallint"],
    "day": ["date"],
    "name": ["text", "character varying"],
}

#: The columns that the package's indexes on a source contain, and those whose changes its triggers capture.
_INDEXED = {
    "contacts": ("id",),
    "organizations": ("id",),
    "contact_work_experiences": ("contact_id", "organization_id", "date_from", "date_to"),
    "user_contact_collections": ("collection_id", "contact_id", "user_id"),
}
#: The columns that the indexes of company names contain.
_OF_NAMES = ("contact_id", "date_from", "date_to", "company_name")
#: The column of the id that a trigger queues.
_QUEUED = {"contacts": "id", "organizations": "id", "contact_work_experiences": "contact_id"}

#: What the other kinds of relations (``pg_class.relkind``) are called in messages.
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


@dataclass(frozen=True)
class HostTable:
    """A relation that exists: its ``pg_class.relkind``, and the type of each column."""

    kind: str
    types: Mapping[str, str]


@dataclass(frozen=True)
class Binding:
    """Each source with its table. ``tables`` has those that exist; it is empty where no database was asked.

    The words of placeholders, after the name of a source:

    * ``table`` and ``schema``: the names of the table and of its schema; for a source that is not mapped, ``table`` is
      a query without rows;
    * the name of a column: its expression, cast to the type of the package;
    * ``key_COLUMN``: the same expression, as a key of an index; ``include``: the INCLUDE clause with the columns that a
      query of the view reads and that are not keys;
    * ``bare_COLUMN``: a key of an index, where a column of the table has no cast; ``include_names``: the INCLUDE clause
      of an index of company names;
    * ``where``: a WHERE clause with the rule of the mapping, or nothing; ``where_and``: the rule and AND, or nothing;
    * ``rule``: the rule of the mapping as an expression that is true or false;
    * ``captured``: the columns of the table whose changes count; ``captured_values``: the same with values that can be
      compared; ``captured_id``: the id that a trigger queues; ``captured_types``: a row of VALUES for each captured
      column. ``captured_old`` and ``captured_new`` are ``captured_values``, and ``captured_old_id`` and
      ``captured_new_id`` are the id, of the rows of a row trigger.
    """

    mapping: SourceMapping
    host_schema: str
    sources: Mapping[str, BoundSource]
    tables: Mapping[str, HostTable] = field(default_factory=dict)

    def fill(self, text: LiteralString) -> LiteralString:
        """Return the *text* of an SQL file with its placeholders filled."""
        keys = _KEYS.findall(text)
        filled: LiteralString = _PLACEHOLDER.sub(lambda found: self._filled(found, keys), text)
        return filled

    def table(self, name: str) -> str:
        """Return the name of a source's table, quoted for SQL."""
        source = self.sources[name]
        schema = source.schema if source.schema == LATER else quoted(source.schema)
        return f"{schema}.{quoted(source.table)}"

    def shown(self, name: str) -> str:
        """Return the name of a source's table for a message."""
        source = self.sources[name]
        return f"{source.schema}.{source.table}"

    def at(self, name: str, schema: str, table: str) -> Binding:
        """Return the same binding with another table for one source, such as a partition of its table."""
        return replace(self, sources={**self.sources, name: replace(self.sources[name], schema=schema, table=table)})

    def is_partitioned(self, name: str) -> bool:
        """Whether the table of a source is partitioned."""
        return name in self.tables and self.tables[name].kind == "p"

    def takes_objects(self, name: str) -> bool:
        """Whether the table of a source can have triggers and indexes of the package; True for an unknown table."""
        return name in self.sources and (name not in self.tables or self.tables[name].kind in TABLES)

    def kind(self, name: str) -> str | None:
        """Return the words for a source that cannot have triggers and indexes, such as "a view"; None for a table."""
        return _KINDS.get(self.tables[name].kind) if name in self.tables else None

    def costs(self) -> list[str]:
        """Return a sentence for each source that is not a table: what the package cannot do for it."""
        found = []
        for name in self.sources:
            kind = self.kind(name)
            if kind is not None and name in REQUIRED:
                cost = "every look-up runs its query, because it has no index of connection_paths"
                if name in CAPTURED:
                    cost += ", and its changes are not captured: run orchestrator backfill after they change"
                found.append(f"{self.shown(name)} is {kind}: {cost}")
        return found

    def needs_id_index(self, name: str) -> bool:
        """Whether contacts or organizations need an index of the package, because their id is an expression."""
        return self.takes_objects(name) and not self.is_plain(name, "id")

    def is_plain(self, name: str, column: str) -> bool:
        """Whether a column of a view is a column of the table, without a cast or another expression."""
        source = self.sources[name]
        return source.columns.get(column) in source.used_columns.get(column, ())

    def raw(self, name: str, column: str) -> str | None:
        """Return the column of the table that a column of the view is, at most with a cast; None for an expression."""
        source = self.sources[name]
        return unquoted(source.used_columns[column][0]) if _is_column(source, column) else None

    def required_types(self, name: str) -> dict[str, list[str] | None]:
        """Return the columns that a source's table must have, each with the types it may have; None: any type."""
        source = self.sources[name]
        found: dict[str, list[str] | None] = {
            unquoted(each): None for each in self._used(name, (*source.used_columns,))
        }
        if source.is_default:
            for column in source.columns:
                found[column] = _ALLOWED.get(WANTED[name].columns[column].kind)
        return found

    def indexed(self, name: str, *, of_names: bool = False) -> tuple[str, ...]:
        """Return the columns of a source's table that its indexes contain, as keys or included, quoted.

        ``of_names``: the indexes that exist only while company names are resolved.
        """
        return self._used(name, _OF_NAMES if of_names else _INDEXED[name])

    def key_types(self, name: str, text: str) -> dict[str, str]:
        """Return the type of each key of the index in *text* that is a column of the table, perhaps with a cast."""
        found = {}
        for key in _KEYS.findall(text):
            raw, kind = self.raw(name, key), WANTED[name].columns[key].kind
            if raw is not None:
                found[raw] = TYPES[kind]
        return found

    def captured(self, name: str) -> tuple[str, ...]:
        """Return the columns of a source's table whose changes count, quoted."""
        return self._used(name, (*_INDEXED[name], "company_name", "where"))

    def _filled(self, found: re.Match[str], keys: list[str]) -> str:
        name, word = found[1], found[2]
        space = found[0][: found[0].index(":")]
        value = self._word(name, word, keys)
        return space + value if value else ""

    def _word(self, name: str, word: str, keys: list[str]) -> str:
        if name not in self.sources:
            return _without_rows(name) if word == "table" else word if word in WANTED[name].columns else ""
        source = self.sources[name]
        words = {
            "table": self.table(name),
            "schema": self.table(name).removesuffix(f".{quoted(source.table)}"),
            "where": f"WHERE ({source.where})" if source.where else "",
            "where_and": f"({source.where}) AND" if source.where else "",
            "rule": f"(({source.where}) IS TRUE)" if source.where else "true",
        }
        if word in words:
            return words[word]
        if word in WANTED[name].columns:
            return source.columns.get(word) or self._optional(name, word)
        if word.startswith("key_"):
            column = word.removeprefix("key_")
            return source.columns[column] if self.is_plain(name, column) else f"({source.columns[column]})"
        if word.startswith("bare_"):
            column = word.removeprefix("bare_")
            raw = self.raw(name, column)
            return quoted(raw) if raw else f"({source.columns.get(column) or self._optional(name, column)})"
        of_keys = {
            "include": lambda: self._include(self.indexed(name), name, keys),
            "include_names": lambda: self._include(self.indexed(name, of_names=True), name, keys),
            "captured": lambda: ", ".join(self.captured(name)),
            "captured_id": lambda: self._captured_id(name),
            "captured_old_id": lambda: self._captured_id(name, "OLD"),
            "captured_new_id": lambda: self._captured_id(name, "NEW"),
            "captured_values": lambda: ", ".join(self._comparable(name)),
            "captured_old": lambda: ", ".join(self._comparable(name, "OLD")),
            "captured_new": lambda: ", ".join(self._comparable(name, "NEW")),
            "captured_types": lambda: self._captured_types(name),
        }
        return of_keys[word]()

    def _optional(self, name: str, column: str) -> str:
        """Return the expression of a column that is not mapped; the default rule of memberships reads ``source``."""
        raw = quoted(column)
        is_read = raw in self.sources[name].used_columns.get("where", ())
        return raw if is_read else f"NULL::{TYPES.get(WANTED[name].columns[column].kind, 'text')}"

    def _include(self, columns: tuple[str, ...], name: str, keys: list[str]) -> str:
        plain = [self.sources[name].used_columns[key][0] for key in keys if self.is_plain(name, key)]
        others = ", ".join(each for each in columns if each not in plain)
        return f"INCLUDE ({others})" if others else ""

    def _used(self, name: str, columns: tuple[str, ...]) -> tuple[str, ...]:
        used = self.sources[name].used_columns
        return tuple(dict.fromkeys(each for column in columns for each in used.get(column, ())))

    def _comparable(self, name: str, row: str = "") -> Iterator[str]:
        """Yield the values of the captured columns, so that PostgreSQL can compare them: of most columns, their text.

        PostgreSQL cannot compare json and some other types. Ids and dates that are columns are compared as they are.
        ``format`` makes the text without a cast, which the owner of a type may have created.
        """
        source = self.sources[name]
        plain = [source.used_columns[key][0] for key in _INDEXED[name] if self.raw(name, key) is not None]
        for column in self.captured(name):
            value = f"{row}.{column}" if row else column
            if source.is_default or column in plain:
                yield value
            else:
                yield f"format('%L', {value})" + ("" if row else f" AS {column}")

    def _captured_id(self, name: str, row: str = "") -> str:
        """Return the id that a trigger queues, from the columns in scope or from the variable *row* of a row trigger.

        COALESCE with a bigint keeps PostgreSQL from calling a cast that the owner of the table has created.
        """
        column = _QUEUED[name]
        if _is_column(self.sources[name], column):
            return f"COALESCE({row and f'{row}.'}{self.sources[name].used_columns[column][0]}, NULL::bigint)"
        expression = self.sources[name].columns[column]
        return f"(SELECT {expression} FROM (SELECT {row}.*) AS r)" if row else expression

    def _captured_types(self, name: str) -> str:
        """Return a row for each column that the triggers read: the source, the column, and the types it may have."""
        key = self.raw(name, _QUEUED[name])
        columns = [unquoted(each) for each in self.captured(name)]
        rows = ((each, f"'{_INTEGERS}'::text[]" if each == key else "NULL::text[]") for each in columns)
        return ", ".join(f"('{name}'::text, {_literal(each)}::text, {types})" for each, types in rows)


def unbound(mapping: SourceMapping = DEFAULT, host_schema: str = LATER) -> Binding:
    """Return the binding of a mapping to tables that nobody has looked at."""
    return Binding(
        mapping, host_schema, {name: _typed(each, {}) for name, each in _sources(mapping, host_schema).items()}
    )


def default(host_schema: str = LATER) -> Binding:
    """Return the binding of the default mapping to tables whose columns have exactly the types of the package."""
    return Binding(DEFAULT, host_schema, _sources(DEFAULT, host_schema))


def bind(connection: Connection, mapping: SourceMapping, host_schema: str) -> Binding:
    """Return the binding of a mapping to the tables of a database, whether or not they exist."""
    sources = _sources(mapping, host_schema)
    asked = {
        "names": list(sources),
        "schemas": [source.schema for source in sources.values()],
        "tables": [source.table for source in sources.values()],
    }
    rows = connection.execute(sqlfiles.query("host/mapped_tables"), asked).fetchall()
    tables = {name: HostTable(kind, types) for name, kind, types in rows}
    typed = {name: _typed(each, tables[name].types if name in tables else {}) for name, each in sources.items()}
    return Binding(mapping, host_schema, typed, tables)


def has_placeholders(text: str) -> bool:
    """Whether the text of a file depends on the mapping."""
    return _PLACEHOLDER.search(text) is not None


def unquoted(identifier: str) -> str:
    """Return the name that an identifier in double quotes stands for."""
    return identifier[1:-1].replace('""', '"')


def _sources(mapping: SourceMapping, host_schema: str) -> dict[str, BoundSource]:
    return _bound(json.dumps(mapping.as_json()), host_schema)


@lru_cache(maxsize=16)
def _bound(mapping: str, host_schema: str) -> dict[str, BoundSource]:
    """Return the sources of a mapping, which is JSON. An install needs them often, and reads the expressions once."""
    return bound(SourceMapping.from_json(json.loads(mapping)), host_schema)


def _typed(source: BoundSource, types: Mapping[str, str]) -> BoundSource:
    """Return the source with each column cast to its type, and without a cast that would change nothing."""
    columns = dict(source.columns)
    for name in columns:
        kind = WANTED[source.name].columns[name].kind
        if kind in TYPES and _is_column(source, name):
            raw = source.used_columns[name][0]
            columns[name] = raw if types.get(unquoted(raw)) == TYPES[kind] else f"({raw})::{TYPES[kind]}"
    return replace(source, columns=columns)


def _is_column(source: BoundSource, column: str) -> bool:
    """Whether a column of a view is a column of the table, perhaps with a cast to the package's type."""
    used = source.used_columns.get(column, ())
    kind = WANTED[source.name].columns[column].kind
    return len(used) == 1 and source.columns[column] in (used[0], f"({used[0]})::{TYPES.get(kind)}")


def _without_rows(name: str) -> str:
    """Return what an optional view reads while no table is mapped to it."""
    columns = (
        f"NULL::{TYPES[column.kind]} AS {each}" for each, column in WANTED[name].columns.items() if column.kind in TYPES
    )
    return f"(SELECT {', '.join(columns)} WHERE false)"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
