"""Writes to the tables that the triggers capture, and the failures that the triggers record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.host import binding

TABLES = {
    "contacts": ("live_contacts", "name"),
    "organizations": ("known_organizations", "name"),
    "contact_work_experiences": ("work_experiences", "company_name"),
}
ISOLATION = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


def failures(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT table_name, error FROM connection_paths.capture_failures ORDER BY failed_at"
    ).fetchall()


def write(connection: Connection, table: str) -> Iterator[str]:
    """Write one row of a table by each kind of statement, for any columns; returns the kinds that were run."""
    name = TABLES[table][1]
    connection.execute(f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1".encode())
    yield "INSERT"
    connection.execute(f"UPDATE {table} SET {name} = 'another' WHERE ctid = (SELECT min(ctid) FROM {table})".encode())
    yield "UPDATE"
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY (SELECT * FROM {table} LIMIT 1) TO STDOUT".encode()) as out:
            row = b"".join(bytes(piece) for piece in out)
        with cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            copy.write(row)
    yield "COPY"
    connection.execute(f"DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})".encode())
    yield "DELETE"
    connection.execute(f"UPDATE {table} SET {name} = 'nobody''s' WHERE false".encode())
    yield "UPDATE of no row"
    connection.execute(f"TRUNCATE {table}".encode())
    yield "TRUNCATE"


def broken_columns() -> Iterator[tuple[str, str, str]]:
    """Changes that a migration may make to a column that a trigger reads: a name, the table, the statements."""
    for table, columns in (
        ("contacts", ("id",)),
        ("organizations", ("id",)),
        ("contact_work_experiences", ("contact_id", "organization_id", "date_from", "date_to")),
    ):
        for column in columns:
            yield f"rename {table}.{column}", table, f"ALTER TABLE {table} RENAME {column} TO another_name"
            yield f"drop {table}.{column}", table, f"ALTER TABLE {table} DROP COLUMN {column} CASCADE"
    for table in TABLES:
        column = "contact_id" if table == "contact_work_experiences" else "id"
        yield (
            f"retype {table}.{column}",
            table,
            f"SELECT connection_paths.detach_source('{table}');"
            f" ALTER TABLE {table} ALTER {column} TYPE uuid USING lpad({column}::text, 32, '0')::uuid",
        )


def for_replicas(table: str) -> str:
    return str(binding.default("public").fill(sqlfiles.read("triggers", "replicated", f"{table}.sql")))
