"""A connection as an application opens one: with the settings of its role and database, and the default search path."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from orchestrator.core.database import Connection


def connect(dsn: str, *, autocommit: bool = True, settings: Mapping[str, str] | None = None) -> Connection:
    """Open one; ``settings`` are made for its session."""
    connection = psycopg.connect(dsn, autocommit=True)
    for name, value in (settings or {}).items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.autocommit = autocommit
    return connection
