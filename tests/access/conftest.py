"""A database with the group roles of an installation; the roles are dropped at the end of a module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.access import roles
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from tests.support.roles import OPERATOR, OWNER, PREFIX, READER, STRANGER, WORLD, Place, identifiers
from tests.support.sessions import connect


@pytest.fixture(scope="module")
def cleaned_up(server: str) -> Iterator[None]:
    """Drop all roles of this module at its end, with everything that they own."""
    yield
    with connect(server) as connection:
        named = connection.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", (PREFIX,)).fetchall()
        databases = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", (f"connection_paths_test_{os.getpid()}_%",)
        ).fetchall()
    for (database,) in databases:
        with connect(make_conninfo(server, dbname=database)) as connection:
            for (role,) in named:
                connection.execute(identifiers("DROP OWNED BY {} CASCADE", role))
    with connect(server) as connection:
        for (role,) in named:
            connection.execute(identifiers("DROP ROLE {}", role))


@pytest.fixture(scope="module")
def place(new_database: Callable[[], str], cleaned_up: None) -> Place:
    found = Place(new_database())
    with connect(found.dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(found.dsn, roles=PREFIX)
        for kind in (READER, OPERATOR, OWNER, STRANGER):
            connection.execute(identifiers("CREATE ROLE {} LOGIN", found.login(kind)))
            if kind != STRANGER:
                connection.execute(identifiers("GRANT {} TO {}", f"{PREFIX}_{kind}", found.login(kind)))
        for statement in roles.host_grants(connection, PREFIX, "public"):
            connection.execute(statement.encode())
        connection.execute(WORLD)
        connection.execute("SELECT connection_paths.write_edges('{1,2,3,4,5}')")
    return found


@pytest.fixture
def superuser(place: Place) -> Iterator[Connection]:
    with connect(place.dsn) as connection:
        yield connection
