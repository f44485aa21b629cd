"""A database for the tests of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from orchestrator.core.database import Connection
from tests.support.changes import GATE, HOSTS, gate


@pytest.fixture(scope="module")
def dsn(new_installed: Callable[[], str]) -> str:
    """A database with the package and a gate: sessions may be stopped between computing edges and writing them."""
    given = new_installed()
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(
            f"""
            CREATE FUNCTION public.stop_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF current_setting('test.gate', true) = 'on' THEN
                    PERFORM pg_advisory_xact_lock({GATE});
                END IF;
                RETURN COALESCE(NEW, OLD);
            END
            $$
            """
        )
        gate(connection)
    return given


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    """A connection to it; everything is empty."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {HOSTS}, connection_paths.contact_connections")
        connection.execute("DELETE FROM connection_paths.organization_policy")
        connection.execute("DELETE FROM connection_paths.organization_sizes")
        connection.execute("TRUNCATE connection_paths.contact_changes, connection_paths.due_changes")
        yield connection
