"""Row security policies whose functions depend on the search path are found, with a repair that works."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install.installation import install
from tests.support.properties import first_of

MAY_SEE = "CREATE FUNCTION may_see(bigint) RETURNS boolean STABLE LANGUAGE"
LOOKS_UP = "EXISTS (SELECT FROM app_users WHERE id = $1)"
POLICY = "CREATE POLICY seen ON user_contact_collections USING (may_see(user_id))"
SCHEMAS = ("public", "connection_paths", '"my app"')
HELPERS = {
    "sql": ((f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'", POLICY), "wrong"),
    "of another schema": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'", "ALTER FUNCTION may_see SET SCHEMA \"my app\"",
         POLICY.replace("may_see", '"my app".may_see')), "wrong",
    ),
    "plpgsql": ((f"{MAY_SEE} plpgsql AS 'BEGIN RETURN {LOOKS_UP}; END'", POLICY), "advice"),
    "called by a body that is bound": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'",
         "CREATE FUNCTION outer_one(bigint) RETURNS boolean STABLE LANGUAGE sql RETURN may_see($1)",
         POLICY.replace("may_see", "outer_one")), "wrong",
    ),
    "behind an operator": (
        ("CREATE FUNCTION may_see(bigint, bigint) RETURNS boolean STABLE LANGUAGE sql"
         f" AS 'SELECT $2 = 0 OR {LOOKS_UP}'",
         "CREATE OPERATOR <=>> (FUNCTION = may_see, LEFTARG = bigint, RIGHTARG = bigint)",
         POLICY.replace("may_see(user_id)", "user_id <=>> 1")), "wrong",
    ),
    "behind a view": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'",
         "CREATE VIEW seen_users AS SELECT id FROM app_users WHERE may_see(id)",
         POLICY.replace("may_see(user_id)", "user_id IN (SELECT id FROM seen_users)")), "wrong",
    ),
    "of do_not_ask": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'", "ALTER TABLE connection_paths.do_not_ask ENABLE ROW LEVEL SECURITY",
         "CREATE POLICY all_of_it ON user_contact_collections USING (true)",
         POLICY.replace("user_contact_collections", "connection_paths.do_not_ask").replace("user_id", "contact_id")),
        "wrong",
    ),
    "that names nothing": ((f"{MAY_SEE} sql AS 'SELECT $1 > 0'", POLICY), None),
    "with its own path": ((f"{MAY_SEE} sql SET search_path = public AS 'SELECT {LOOKS_UP}'", POLICY), None),
    "that is bound": ((f"{MAY_SEE} sql RETURN {LOOKS_UP}", POLICY), None),
    "of writers": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'", "CREATE POLICY all_of_it ON user_contact_collections USING (true)",
         POLICY.replace("USING", "FOR INSERT WITH CHECK")), None,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def asker(new_database: Callable[[], str]) -> Iterator[tuple[Connection, str]]:
    """A superuser's connection to a database with one path in it, and the connection string of a role that may read."""
    dsn = new_database()
    role = f"connection_paths_policy_{os.getpid()}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn)
        for statement in (
            "INSERT INTO contacts VALUES (1, ''), (2, '')",
            "INSERT INTO organizations VALUES (1, '')",
            "INSERT INTO contact_work_experiences VALUES"
            " (1, 1, 1, '', '2010-01-01', NULL), (2, 2, 1, '', '2010-01-01', NULL)",
            "INSERT INTO user_contact_collections VALUES (1, 2, 1, 1)",
            "INSERT INTO connection_paths.do_not_ask (collection_id, contact_id) VALUES (1, 7)",
            "SELECT connection_paths.write_edges(ARRAY[1, 2])",
            "CREATE TABLE app_users AS SELECT 1::bigint AS id",
            'CREATE SCHEMA "my app"',
            f"CREATE ROLE {role} LOGIN",
            *(f"GRANT USAGE ON SCHEMA {schema} TO {role}" for schema in SCHEMAS),
            *(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}" for schema in SCHEMAS),
            f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths TO {role}",
            f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}",
        ):
            connection.execute(statement.encode())
        yield connection, make_conninfo(dsn, user=role)
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("name", first_of(4, HELPERS))
def test_a_policy_whose_function_depends_on_search_path(asker: tuple[Connection, str], name: str) -> None:
    connection, poor = asker
    dsn = make_conninfo(poor, user=connection.info.user)
    statements, severity = HELPERS[name]
    tables = ("user_contact_collections", "connection_paths.do_not_ask")
    try:
        connection.execute("ALTER TABLE user_contact_collections ENABLE ROW LEVEL SECURITY")
        for statement in statements:
            connection.execute(statement.encode())
        found = [finding for finding in diagnose(dsn).findings if finding.check == "policies"]
        assert [finding.severity for finding in found] == ([severity] if severity else [])
        assert _asks(poor) is not bool(severity)
        for finding in found:
            assert any(f"policy seen of {table}" in finding.what.replace("public.", "") for table in tables)
            connection.execute((finding.repair or "").encode())
        assert not [finding for finding in diagnose(dsn).findings if finding.check == "policies"]
        assert _asks(poor)
    finally:
        for schema in ("public", '"my app"'):
            for arguments in ("bigint", "bigint, bigint"):
                connection.execute(f"DROP FUNCTION IF EXISTS {schema}.may_see({arguments}) CASCADE".encode())
        for table in tables:
            connection.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY".encode())
        connection.execute("DROP POLICY IF EXISTS all_of_it ON user_contact_collections")


def _asks(dsn: str) -> bool:
    """Whether find_paths succeeds; its answer must have the only path."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            row = connection.execute("SELECT connection_paths.find_paths(1, 1, 1)").fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction):
            return False
    assert row is not None
    assert len(row[0]["paths"]) == 1
    return True
