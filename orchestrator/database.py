"""Connections: how they are opened, and what is said when they cannot be."""

from __future__ import annotations

from typing import Any

import psycopg

from orchestrator.errors import OrchestratorError, one_line

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(dsn: str, *, autocommit: bool = True, settings: dict[str, str] | None = None) -> Connection:
    """Open a connection to *dsn* (a libpq string or URI; empty means libpq's own environment).

    ``settings`` are applied to the session. Raises :class:`OrchestratorError` when the server cannot be
    reached or refuses.
    """
    try:
        connection = psycopg.connect(dsn, autocommit=autocommit, application_name="orchestrator")
    except psycopg.ProgrammingError as error:  # a connection string that does not parse
        raise OrchestratorError(f"not a connection string: {one_line(error)}") from error
    except psycopg.OperationalError as error:
        raise OrchestratorError(f"cannot connect: {one_line(error)}") from error
    for name, value in (settings or {}).items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    return connection
