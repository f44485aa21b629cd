"""What a migration may say: a function file, an index of our own or of the host's, triggers on a table of the host's.

Each call adds one yoyo step. Files are executed whole: a server reads a file's statements better than a splitter
does, which matters for function bodies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import LiteralString

import psycopg
from yoyo import step

from orchestrator import sqlfiles
from orchestrator.database import Connection, patiently

_ATTEMPTS = 5
log = logging.getLogger(__name__)

SCHEMA = "connection_paths"

#: The host's tables whose changes are captured, and the triggers that each has for it.
CAPTURED = sorted(path.stem for path in (sqlfiles.ROOT / "triggers").glob("*.sql"))
TRIGGERS = tuple(f"connection_paths_{event}" for event in ("inserted", "updated", "deleted", "truncated"))
#: Settings of the session that migrates: the schema of the host's tables; and, on, that triggers are left out.
HOST_SCHEMA = "connection_paths.host_schema"
WITHOUT_TRIGGERS = "connection_paths.without_triggers"


def view(name: str) -> None:
    """Create the binding view ``sql/views/NAME.sql`` over a table of the host's."""

    def create(connection: Connection) -> None:
        connection.execute(_for_host(connection, "views", f"{name}.sql"))

    step(create, f"DROP VIEW IF EXISTS {SCHEMA}.{name}")


def function(name: str, version: str) -> None:
    """Install ``sql/functions/NAME/VERSION.sql``; rolled back, drop what it made.

    A file ``vN`` makes ``NAME_vN`` where versions live side by side (the folder then has an alias), else ``NAME``.
    """
    folder = sqlfiles.ROOT / "functions" / name
    has_alias = any(folder.glob("alias_*.sql"))
    made = f"{name}_{version}" if has_alias and not version.startswith("alias_") else name
    step(
        sqlfiles.read("functions", name, f"{version}.sql"),
        f"DROP FUNCTION IF EXISTS {SCHEMA}.{made}",
    )


def index(name: str) -> None:
    """Create an index of one of our own tables from ``sql/indexes/NAME.sql``; it goes when its table goes."""
    step(sqlfiles.read("indexes", f"{name}.sql"))


def host_index(name: str) -> None:
    """Build an index of a host table from ``sql/indexes/NAME.sql`` without blocking writers.

    A ``CREATE INDEX CONCURRENTLY`` that was interrupted leaves an invalid index behind, and a migration that was
    killed after its work leaves a valid one: the first is dropped and built again, the second is left alone.
    """
    step(_build(name), _drop(name))


def host_triggers(table: str) -> None:
    """Capture changes of a host table by the triggers of ``sql/triggers/TABLE.sql``, unless they are left out."""

    def create(connection: Connection) -> None:
        left_out = connection.execute("SELECT current_setting(%s, true)", (WITHOUT_TRIGGERS,)).fetchone()
        if left_out != ("on",):
            create_triggers(connection, table)

    step(create, lambda connection: drop_triggers(connection, table))


def create_triggers(connection: Connection, table: str) -> None:
    """Make the triggers on a table of the host's; waits for writers, never long in their way."""
    patiently(
        connection,
        lambda: connection.execute(_for_host(connection, "triggers", f"{table}.sql")),
        waiting=lambda message: log.info("triggers on %s: %s; trying again", table, message),
    )


def drop_triggers(connection: Connection, table: str) -> None:
    """Remove them, where they are."""

    def drop() -> None:
        for trigger in TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {_host(connection)}.{table}".encode())

    patiently(connection, drop)


def _build(name: str) -> Callable[[Connection], None]:
    def build(connection: Connection) -> None:
        if _is_valid(connection, name):
            return
        log.info("building %s; writers go on, but it waits for transactions that are open now", name)
        for attempt in range(_ATTEMPTS, 0, -1):
            try:
                _drop(name)(connection)
                connection.execute(_for_host(connection, "indexes", f"{name}.sql"))
            except psycopg.errors.DeadlockDetected:  # with a build that an install left behind when it died
                if attempt == 1:
                    raise
            else:
                break
        if not _is_valid(connection, name):
            raise psycopg.errors.ObjectNotInPrerequisiteState(f"index {name} was built but is not valid")

    return build


def _drop(name: str) -> Callable[[Connection], None]:
    def drop(connection: Connection) -> None:
        connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_host(connection)}.{name}".encode())

    return drop


def _is_valid(connection: Connection, name: str) -> bool | None:
    """Whether the index in the host's schema is valid; None when there is none."""
    row = connection.execute(
        "SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = to_regclass(%s)", (f"{_host(connection)}.{name}",)
    ).fetchone()
    return None if row is None else bool(row[0])


def _host(connection: Connection) -> str:
    """Return the quoted name of the host's schema, which the session that migrates knows."""
    row = connection.execute("SELECT quote_ident(current_setting(%s))", (HOST_SCHEMA,)).fetchone()
    assert row is not None
    return str(row[0])


def _for_host(connection: Connection, *parts: str) -> LiteralString:
    return sqlfiles.for_host(sqlfiles.read(*parts), _host(connection))
