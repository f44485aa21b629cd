"""Searches that read the table of a rebuild whose process was killed: what undoes that, and what is left of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from psycopg import sql

from orchestrator.core.database import Connection, connect
from orchestrator.core.schema import DEFAULT, schema_of, with_schema
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from tests.support.properties import first_of
from tests.support.rebuilds import swap
from tests.support.sessions import value

REDIRECT = "SELECT connection_paths.redirect_searches(true)"
UNDO = "SELECT connection_paths.redirect_searches(false)"
#: Rights that a role may have to the edges, and rights to the partition itself, which a rebuild does not use.
RIGHTS = {
    "the table": "GRANT SELECT ON connection_paths.contact_connections TO {}",
    "columns": "GRANT SELECT (contact_a_id, date_to) ON connection_paths.contact_connections TO {}",
    "everybody": "GRANT SELECT ON connection_paths.contact_connections TO PUBLIC",
    "all tables": "GRANT SELECT ON ALL TABLES IN SCHEMA connection_paths TO {}",
}
READ = "SELECT has_any_column_privilege(%s, to_regclass(%s), 'SELECT')"


IN_TWO_SCHEMAS = pytest.mark.parametrize("where", [DEFAULT, "cp_team1"], indirect=True)


@pytest.fixture
def where(request: pytest.FixtureRequest, installed_host: str) -> str:
    """The connection string of an installation, in the schema of the parameter."""
    dsn = with_schema(installed_host, getattr(request, "param", DEFAULT))
    if schema_of(dsn) != DEFAULT:
        install(dsn)
    return dsn


@pytest.fixture
def primary(where: str) -> Iterator[Connection]:
    """A session with a rebuild in the phase indexing."""
    with closing(connect(where)) as connection:
        connection.execute("SELECT connection_paths.create_run('rebuild')")
        connection.execute("UPDATE connection_paths.backfill_runs SET phase = 'indexing'")
        connection.execute("DELETE FROM connection_paths.backfill_batches")
        yield connection


@pytest.fixture(params=first_of(2, RIGHTS))
def role(request: pytest.FixtureRequest, primary: Connection) -> Iterator[str]:
    """A role with one of those rights."""
    name = f"connection_paths_{os.getpid()}_redirected"
    identifier = sql.Identifier(name).as_string()
    primary.execute(f"CREATE ROLE {identifier}".encode())
    primary.execute(RIGHTS[request.param].format(identifier).encode())
    yield name
    primary.execute(f"DROP OWNED BY {identifier}; DROP ROLE {identifier}".encode())


def may_read(connection: Connection, role: str, table: str) -> bool | None:
    found: bool | None = value(connection, READ, role, f"{schema_of(connection)}.contact_connections_{table}")
    return found


def cancel(connection: Connection, where: str) -> None:
    connection.execute("SELECT connection_paths.cancel_run(r.run_id) FROM connection_paths.backfill_runs AS r")


def repair(connection: Connection, where: str) -> None:
    """Let install restore the functions, which takes no rights away; then undo the redirection."""
    assert install(where).repaired
    connection.execute(UNDO.encode())


@pytest.mark.parametrize("end", [cancel, repair])
def test_a_redirection_that_is_undone_takes_only_its_own_rights_away(
    where: str, primary: Connection, role: str, end: Callable[[Connection, str], None]
) -> None:
    before = may_read(primary, role, "live")
    assert value(primary, REDIRECT) is True
    assert may_read(primary, role, "next") is True
    end(primary, where)
    assert not may_read(primary, role, "next")
    assert may_read(primary, role, "live") is before
    assert status(where).healthy


def test_an_exchange_leaves_no_rights_to_the_partition(where: str, primary: Connection, role: str) -> None:
    assert value(primary, REDIRECT) is True
    assert install(where).repaired
    swap(primary, value(primary, "SELECT run_id FROM connection_paths.backfill_runs"))
    assert may_read(primary, role, "live") is False
    assert status(where).healthy


@IN_TWO_SCHEMAS
def test_doctor_says_that_searches_are_redirected(where: str, primary: Connection) -> None:
    assert value(primary, REDIRECT) is True
    (found,) = [each for each in diagnose(where).findings if each.check == "functions"]
    assert "searches read the table of a rebuild (contact_edges, neighbours, pair_edges)" in found.what
    assert "backfill" in (found.repair or "")
    primary.execute(UNDO.encode())
    assert [each for each in diagnose(where).findings if each.check == "functions"] == []


@IN_TWO_SCHEMAS
def test_uninstall_removes_a_redirection(where: str, primary: Connection) -> None:
    assert value(primary, REDIRECT) is True
    schema = schema_of(primary)
    assert uninstall(where)
    assert value(primary, "SELECT to_regnamespace(%s)", schema) is None
