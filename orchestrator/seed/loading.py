"""Filling demo host tables: the loading that every source of rows shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg import sql

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError

#: Blocks of lines in COPY's text format, each line ended, columns in the order of :data:`TABLES`.
Blocks = Iterator[bytes]

#: For each table a function that starts its rows from the beginning.
Tables = Mapping[str, Callable[[], Blocks]]

#: Called now and then with a table and its rows so far.
Progress = Callable[[str, int], None]

_BLOCK = 64 * 1024  # bytes: fewer, larger writes gain nothing more
_LOCK_TIMEOUT = "5s"  # a lock request that waits makes everyone behind it wait too


@dataclass(frozen=True)
class Column:
    """A column of a host table."""

    name: str
    kind: Literal["bigint", "smallint", "text", "date"]
    required: bool = False


#: What is loaded, in this order; ``demo_tables.sql`` makes the tables.
TABLES: Mapping[str, tuple[Column, ...]] = {
    "contacts": (Column("id", "bigint", required=True), Column("name", "text")),
    "organizations": (Column("id", "bigint", required=True), Column("name", "text")),
    "contact_work_experiences": (
        Column("id", "bigint", required=True),
        Column("contact_id", "bigint", required=True),
        Column("organization_id", "bigint"),
        Column("company_name", "text"),
        Column("date_from", "date"),
        Column("date_to", "date"),
    ),
    "user_contact_collections": (
        Column("user_id", "bigint"),
        Column("contact_id", "bigint", required=True),
        Column("collection_id", "bigint", required=True),
        Column("source", "smallint"),
    ),
}


def blocks(lines: Iterable[str]) -> Blocks:
    """Join *lines* into blocks fit for :func:`load`."""
    pending: list[str] = []
    size = 0
    for line in lines:
        pending.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield "".join(pending).encode()
            pending.clear()
            size = 0
    if pending:
        yield "".join(pending).encode()


def load(
    connection: Connection,
    host_schema: str,
    tables: Tables,
    *,
    replace: bool,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Load all of *tables* into *host_schema*, or nothing; returns the rows per table.

    The schema and the tables are made when absent. Tables that hold rows are refused, unless
    *replace*, which empties them first. *connection* must be in autocommit mode with no transaction
    open: the load is one transaction, and a vacuum follows it. Readers of the tables are shut out
    only under *replace*.

    Raises :class:`OrchestratorError` when tables hold rows, are in use or are another role's and the session is a
    superuser's; whatever *tables* raises, and :class:`psycopg.Error` for what the server refuses.
    """
    if not host_schema or "\0" in host_schema:
        raise OrchestratorError(f"{host_schema!r} cannot be the name of a schema")
    names = {table: sql.Identifier(host_schema, table) for table in TABLES}
    everything = sql.SQL(", ").join(names.values())
    try:
        with connection.transaction():
            _make_tables(connection, host_schema)
            _refuse_strangers(connection, names)
            if replace:
                _refuse_references(connection, host_schema)
                connection.execute(sql.SQL("TRUNCATE {}").format(everything))
            else:
                lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE")
                connection.execute(lock.format(everything))
                _refuse_rows(connection, names)
            rows = {table: _copy(connection, table, name, tables[table](), progress) for table, name in names.items()}
    except psycopg.errors.LockNotAvailable as error:
        raise OrchestratorError(
            f"somebody else is using the tables in {host_schema}; nothing loaded, try again later"
        ) from error
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(everything))
    return rows


def filled(connection: Connection, host_schema: str) -> dict[str, int]:
    """Return the tables of *host_schema* that hold rows, which *replace* would empty, with their numbers of rows."""
    found = {}
    for table in TABLES:
        name = sql.Identifier(host_schema, table)
        there = connection.execute("SELECT to_regclass(%s)", (name.as_string(connection),)).fetchone() != (None,)
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone() if there else None
        if row is not None and row[0]:
            found[table] = row[0]
    return found


def _refuse_references(connection: Connection, host_schema: str) -> None:
    """Tell which other tables' foreign keys refuse TRUNCATE; to empty those, too, nobody has asked."""
    keys = connection.execute(
        sqlfiles.query("seed/seed_references"), {"host_schema": host_schema, "tables": list(TABLES)}
    ).fetchall()
    if keys:
        shown = ", ".join(f"{name} of {schema}.{table} (to {target})" for name, schema, table, target in keys)
        raise OrchestratorError(
            f"--replace cannot empty the tables: foreign keys of other tables refer to them: {shown};"
            " drop these keys, or load without --replace into a schema of its own"
        )


def _make_tables(connection: Connection, host_schema: str) -> None:
    """Make what is absent, with the settings the whole transaction needs."""
    # A stricter level would keep one snapshot, from before the locks, and miss rows just committed.
    connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
    connection.execute("SET LOCAL client_encoding TO 'UTF8'")
    # IF NOT EXISTS does not stop two sessions from colliding in the catalogs; this does.
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
        (f"orchestrator seed {host_schema}",),
    )
    schema = sql.Identifier(host_schema)
    exists = "SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %s"
    # Asked first: IF NOT EXISTS wants the right to create schemas even when there is nothing to do.
    if connection.execute(exists, (host_schema,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    connection.execute(sqlfiles.demo_tables(schema.as_string(connection)))


def _refuse_strangers(connection: Connection, names: Mapping[str, sql.Identifier]) -> None:
    """Refuse to load as a superuser what somebody else owns: the triggers and defaults of a table run as who writes."""
    owner = (
        "SELECT r.rolname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner"
        " WHERE c.oid = %s::regclass AND NOT r.rolsuper AND current_setting('is_superuser') = 'on'"
    )
    for name in names.values():
        quoted = name.as_string(connection)
        found = connection.execute(owner, (quoted,)).fetchone()
        if found is not None:
            raise OrchestratorError(
                f"table {quoted} belongs to role {found[0]}, whose triggers would run with the rights of a superuser;"
                f" connect as {found[0]} to load it"
            )


def _refuse_rows(connection: Connection, names: Mapping[str, sql.Identifier]) -> None:
    some_row = sql.SQL("SELECT 1 FROM {} LIMIT 1")
    filled = [
        table for table, name in names.items() if connection.execute(some_row.format(name)).fetchone() is not None
    ]
    if filled:
        verb = "holds" if len(filled) == 1 else "hold"
        raise OrchestratorError(f"{', '.join(filled)} already {verb} rows; --replace empties all four tables first")


def _copy(
    connection: Connection,
    table: str,
    name: sql.Identifier,
    rows: Blocks,
    progress: Progress | None,
) -> int:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in TABLES[table])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in rows:
            copy.write(block)
            count += block.count(b"\n")  # one a row: COPY's text format escapes those inside values
            if progress is not None:
                progress(table, count)
    return count
