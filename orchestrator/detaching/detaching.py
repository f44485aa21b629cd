"""Detaches tables of the application, so that a migration can alter their columns, and attaches them again.

The SQL functions ``detach_source`` and ``attach_source`` do the work. This module calls them without blocking other
sessions for long, and builds the indexes that ``attach_source`` returns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.host.installed import require_installed
from orchestrator.host.sources import TABLES

log = logging.getLogger(__name__)


def detach(dsn: str, tables: Sequence[str] = TABLES, *, progress: Callable[[str], None] = log.info) -> list[str]:
    """Detach some tables of the application; returns those that were attached before.

    Edges and triggers stay. Until the tables are attached, reading them through the package raises SQLSTATE CP010.
    Raises :class:`OrchestratorError` for a table that is none of :data:`TABLES`.
    """
    _check(tables)
    with connect(dsn) as connection:
        require_installed(connection)
        return [
            table
            for table in tables
            if _call(connection, "SELECT connection_paths.detach_source(%s)", table, progress) == [True]
        ]


def attach(dsn: str, tables: Sequence[str] = (), *, progress: Callable[[str], None] = log.info) -> list[str]:
    """Attach tables again (none given: all that are detached); returns those that were detached.

    Builds indexes of the package that were dropped with a column or with a table, without blocking writers. Every
    contact is queued for ``sync``, unless only memberships were detached. Raises :class:`OrchestratorError` for a
    table that is none of :data:`TABLES`, and the server's error for one that is not what the package needs.
    """
    _check(tables)
    with connect(dsn) as connection:
        require_installed(connection)
        detached = connection.execute("SELECT table_name FROM connection_paths.detached_sources ORDER BY 1").fetchall()
        found = [table for (table,) in detached if not tables or table in tables]
        for table in found:
            statements = _call(connection, "SELECT s FROM connection_paths.attach_source(%s) AS s", table, progress)
            for statement in statements:
                progress(str(statement))
                connection.execute(str(statement).encode())
        return found


def _call(connection: Connection, call: str, table: str, progress: Callable[[str], None]) -> list[object]:
    """Call a function for a table, and repeat until it gets its locks; returns the first column of its rows."""
    return retry_while_locked(
        connection,
        lambda: [row[0] for row in connection.execute(call.encode(), (table,))],
        waiting=lambda message: progress(f"{table}: {message}; trying again"),
    )


def _check(tables: Sequence[str]) -> None:
    unknown = [table for table in tables if table not in TABLES]
    if unknown:
        raise OrchestratorError(f"{unknown[0]} is not one of the tables that the package reads: {', '.join(TABLES)}")
