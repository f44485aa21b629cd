"""A database in which company names are resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from orchestrator.names import legal_forms
from tests.support.changes import HOSTS
from tests.support.names import TABLES


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    given = new_database()
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(given, names=True)
        legal_forms.fill(connection)
    return given


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    """A connection to it; everything is empty."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {HOSTS}, connection_paths.contact_connections, {TABLES}".encode())
        connection.execute("TRUNCATE connection_paths.contact_changes, connection_paths.due_changes")
        connection.execute("TRUNCATE connection_paths.name_changes, connection_paths.name_decision_history")
        yield connection
