"""Loading rows into demo host tables, wherever the rows come from."""

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

#: For each table, a function that returns its rows from the beginning.
Tables = Mapping[str, Callable[[], Blocks]]

#: Called with a table and the number of its rows that have been loaded so far.
Progress = Callable[[str, int], None]

_BLOCK = 64 * 1024  # bytes; larger blocks are not faster
_LOCK_TIMEOUT = "5s"  # every later request for a lock waits behind ours


@dataclass(frozen=True)
class Column:
    """A column of a host table."""

    name: str
    kind: Literal["bigint", "smallint", "text", "date"]
    required: bool = False


#: The host tables, in the order of loading; ``demo_tables.sql`` creates them.
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

#: The table with the meaning of company names; only `seed synthetic --truth` makes it.
TRUTH = "seed_company_names"
_COLUMNS = {**TABLES, TRUTH: (Column("company_name", "text", required=True), Column("organization_id", "bigint"))}

#: What stands for the characters that separate values and lines in COPY's text format.
COPY_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def blocks(lines: Iterable[str]) -> Blocks:
    """Join *lines* into blocks of a size that :func:`load` writes fast."""
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
    """Load all *tables* into *host_schema*, in one transaction; returns the number of rows of each table.

    *tables* has the host tables, and may have :data:`TRUTH`. A table of that name from before is always emptied.

    Creates the schema and the tables that do not exist. With *replace*, tables that hold rows are emptied first, and
    readers wait; without it, they are an error. A VACUUM follows the transaction, so *connection* must be in autocommit
    mode, with no transaction open.

    Raises :class:`OrchestratorError` when tables hold rows or are in use, or when another role owns them and the
    session is a superuser's. Errors of *tables* and of the server (:class:`psycopg.Error`) are raised as they are.
    """
    if not host_schema or "\0" in host_schema:
        raise OrchestratorError(f"{host_schema!r} cannot be the name of a schema")
    names = {table: sql.Identifier(host_schema, table) for table in TABLES}
    everything = sql.SQL(", ").join(names.values())
    truth = {TRUTH: sql.Identifier(host_schema, TRUTH)}
    try:
        with connection.transaction():
            _make_tables(connection, host_schema)
            if TRUTH in tables or _exists(connection, truth[TRUTH]):
                connection.execute(sqlfiles.company_names(sql.Identifier(host_schema).as_string(connection)))
                _refuse_strangers(connection, truth)
                connection.execute(sql.SQL("TRUNCATE {}").format(truth[TRUTH]))
            _refuse_strangers(connection, names)
            if replace:
                _refuse_references(connection, host_schema)
                connection.execute(sql.SQL("TRUNCATE {}").format(everything))
            else:
                lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE")
                connection.execute(lock.format(everything))
                _refuse_rows(connection, names)
            rows = {
                table: _copy(connection, table, name, tables[table](), progress)
                for table, name in {**names, **truth}.items()
                if table in tables
            }
    except psycopg.errors.LockNotAvailable as error:
        raise OrchestratorError(
            f"another session is using the tables in {host_schema}; nothing was loaded; try again later"
        ) from error
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(everything))
    return rows


def filled(connection: Connection, host_schema: str) -> dict[str, int]:
    """Return the host tables of *host_schema* that hold rows, each with its number of rows."""
    found = {}
    for table in TABLES:
        name = sql.Identifier(host_schema, table)
        exists = _exists(connection, name)
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone() if exists else None
        if row is not None and row[0]:
            found[table] = row[0]
    return found


def _exists(connection: Connection, name: sql.Identifier) -> bool:
    return connection.execute("SELECT to_regclass(%s)", (name.as_string(connection),)).fetchone() != (None,)


def _refuse_references(connection: Connection, host_schema: str) -> None:
    """Raise an error if foreign keys of other tables would prevent TRUNCATE; those tables are not ours to empty."""
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
    """Create the schema and the tables that do not exist; before that, set what the whole transaction needs."""
    # At a stricter level the snapshot would be older than our locks, and would miss rows that were just committed.
    connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
    connection.execute("SET LOCAL client_encoding TO 'UTF8'")
    # Two sessions that run CREATE ... IF NOT EXISTS at the same time can fail; this lock prevents that.
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
        (f"orchestrator seed {host_schema}",),
    )
    schema = sql.Identifier(host_schema)
    exists = "SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %s"
    # CREATE SCHEMA IF NOT EXISTS needs the right to create schemas even where the schema exists.
    if connection.execute(exists, (host_schema,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    connection.execute(sqlfiles.demo_tables(schema.as_string(connection)))


def _refuse_strangers(connection: Connection, names: Mapping[str, sql.Identifier]) -> None:
    """Raise an error if a superuser would load into a table of another role.

    The triggers and defaults of a table run with the rights of the role that writes.
    """
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
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in _COLUMNS[table])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in rows:
            copy.write(block)
            count += block.count(b"\n")  # one for each row; COPY's text format escapes line ends in values
            if progress is not None:
                progress(table, count)
    return count
