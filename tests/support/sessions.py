"""Sessions of a test: opens one as an application does, queries one value, ends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from orchestrator.core.database import Connection


def connect(dsn: str, *, autocommit: bool = True, settings: Mapping[str, str] | None = None) -> Connection:
    """Open a session with the settings of its role and database; ``settings`` are made for this session alone."""
    connection = psycopg.connect(dsn, autocommit=True)
    for name, value in (settings or {}).items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.autocommit = autocommit
    return connection


def dsn_of(connection: Connection) -> str:
    return connection.info.dsn


def value(connection: Connection, query: str, *arguments: Any) -> Any:
    """Return the first column of a query's first row. A ``%`` is written ``%%`` only if there are arguments."""
    row = connection.execute(query.encode(), arguments or None).fetchone()
    assert row is not None
    return row[0]


def terminate(connection: Connection, session: Connection) -> None:
    """End another session, and wait until it has ended."""
    assert value(connection, "SELECT pg_terminate_backend(%s, 5000)", session.info.backend_pid) is True


@contextmanager
def refused(sqlstate: str, message: str | None = None) -> Iterator[None]:
    """Expect an error with this SQLSTATE; the package's own SQLSTATEs have no class in psycopg."""
    with pytest.raises(psycopg.Error, match=message) as raised:
        yield
    assert raised.value.sqlstate == sqlstate


def set_for_database(connection: Connection, setting: str, to: str) -> None:
    """Set a setting for all later sessions of the connection's database."""
    connection.execute(
        sql.SQL("ALTER DATABASE {} SET {} = {}").format(
            sql.Identifier(connection.info.dbname), sql.SQL(setting), sql.Literal(to)
        )
    )
