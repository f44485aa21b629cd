"""What a migration may say: install a function file, an index of our own, an index of the host's.

Each call adds one yoyo step. Files are executed whole: a server reads a file's statements better than a splitter
does, which matters for function bodies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import psycopg
from yoyo import step

from orchestrator import sqlfiles
from orchestrator.database import Connection

log = logging.getLogger(__name__)

SCHEMA = "connection_paths"


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


def _build(name: str) -> Callable[[Connection], None]:
    def build(connection: Connection) -> None:
        valid = _is_valid(connection, name)
        if valid:
            return
        if valid is False:
            _drop(name)(connection)
        log.info("building %s; writers go on, but it waits for transactions that are open now", name)
        connection.execute(sqlfiles.read("indexes", f"{name}.sql"))
        if not _is_valid(connection, name):
            raise psycopg.errors.ObjectNotInPrerequisiteState(f"index {name} was built but is not valid")

    return build


def _drop(name: str) -> Callable[[Connection], None]:
    def drop(connection: Connection) -> None:
        connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())

    return drop


def _is_valid(connection: Connection, name: str) -> bool | None:
    """Whether the index that the search path finds is valid; None when there is none."""
    row = connection.execute(
        "SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = to_regclass(%s)", (name,)
    ).fetchone()
    return None if row is None else bool(row[0])
