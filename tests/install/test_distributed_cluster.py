"""install, uninstall, doctor, roles and the other commands in a Citus cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.conninfo import make_conninfo

from orchestrator.core.errors import OrchestratorError
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install.installation import install, uninstall
from orchestrator.install.script import psql as psql_script
from tests.support import psql
from tests.support.citus import a_world, distributed_database, empty_database, needs_citus, workers
from tests.support.command_line import run
from tests.support.edges import edges, right_edges
from tests.support.roles import answers
from tests.support.sessions import refused, value
from tests.support.world import load

pytestmark = needs_citus


def test_uninstall_leaves_nothing_on_the_workers() -> None:
    with empty_database() as dsn:
        for _ in range(2):  # what is left would be in the way of the second
            install(dsn, distributed=True)
            assert install(dsn).repaired == []
            uninstall(dsn)
        with psycopg.connect(dsn) as connection:
            for worker in (dsn, *workers(connection)):
                with psycopg.connect(worker) as other:
                    assert value(other, "SELECT to_regnamespace('connection_paths') IS NULL"), worker


@pytest.mark.parametrize("how", ["create_distributed_table('contacts', 'id')", "create_reference_table('contacts')"])
def test_distributed_sources_are_refused(how: str) -> None:
    with empty_database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"SELECT {how}".encode())
        with pytest.raises(OrchestratorError, match=r"table public\.contacts is a .* table of Citus"):
            install(dsn, distributed=True)
        connection.execute("SELECT undistribute_table('contacts')")


def test_commands_and_doctor() -> None:
    with distributed_database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        load(connection, replace(a_world(), extra_edges={}))
        commands = (
            ("backfill", "--strategy", "rebuild"), ("backfill", "--strategy", "in_place"), ("sync",), ("verify",),
            ("plan",), ("status",), ("paths", "1", "--collection", "1", "--viewer", "1"), ("organizations", "list"),
            ("install",),
        )  # fmt: skip
        for words in commands:
            result = run("--dsn", dsn, *words)
            assert result.exit_code == 0, (words, result.output)
        assert not [each for each in diagnose(dsn).findings if each.check == "citus"]

        connection.execute("DELETE FROM connection_paths.edge_shards WHERE shard_key = 2")
        connection.execute("INSERT INTO connection_paths.edge_shards VALUES (1000000), (1000001), (1000002)")
        (found,) = [each for each in diagnose(dsn).findings if each.check == "citus"]
        assert "edge_shards" in found.what
        assert found.repair == "orchestrator install"
        assert run("--dsn", dsn, "install").exit_code == 0
        assert not [each for each in diagnose(dsn).findings if each.check == "citus"]


# Roles.

CALLS = [
    "SELECT connection_paths.find_paths(1, 1, 1) #- '{took}'",
    "SELECT connection_paths.find_paths(1, 1, 1, impl => 'v1')",
    "SELECT * FROM connection_paths.deep_finder(1, 1, 1)",
]

PREFIX = f"cp_{os.getpid()}"
GROUPS = [f"{PREFIX}_reader", f"{PREFIX}_operator", f"{PREFIX}_owner"]
LOGINS = [f"{PREFIX}_login_{kind}" for kind in ("reader", "operator", "owner", "late")]
READABLE = "public.contacts, public.contact_work_experiences, public.organizations, public.user_contact_collections"


@pytest.fixture
def database() -> Iterator[str]:
    """A database of the coordinator with host tables; no server keeps a role of this test."""
    with empty_database() as dsn:
        yield dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        servers = (dsn, *workers(connection))
    for server in servers:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("SET citus.enable_ddl_propagation = off")
            for role in (*LOGINS, *GROUPS):
                if value(connection, "SELECT to_regrole(%s) IS NOT NULL", role):
                    connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def only_here(connection: Connection[Any], statement: str) -> None:
    """Execute a statement that Citus does not execute on the workers."""
    with connection.transaction():
        connection.execute("SET LOCAL citus.enable_ddl_propagation = off")
        connection.execute(statement.encode())


def make_groups_before(dsn: str, connection: Connection[Any]) -> None:
    for group in GROUPS:
        only_here(
            connection, f"CREATE ROLE {group}; COMMENT ON ROLE {group} IS 'connection_paths: of another database'"
        )
    install(dsn, distributed=True, roles=PREFIX)


def install_together(dsn: str, _: Connection[Any]) -> None:
    install(dsn, distributed=True, roles=PREFIX)


def roles_later(dsn: str, _: Connection[Any]) -> None:
    install(dsn, distributed=True)
    install(dsn, roles=PREFIX)


def roles_before(dsn: str, _: Connection[Any]) -> None:
    install(dsn, roles=PREFIX)
    install(dsn, distributed=True)


@pytest.mark.parametrize("way", [install_together, roles_later, roles_before, make_groups_before])
def test_group_roles_have_their_rights_on_the_workers(database: str, way: Any) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        way(database, connection)
        load(connection, replace(a_world(), extra_edges={}))
        connection.execute("INSERT INTO user_contact_collections VALUES (1, 2, 1, 1), (2, 3, 1, 1)")
        connection.execute(
            f"GRANT USAGE ON SCHEMA public TO {GROUPS[0]}; GRANT SELECT ON {READABLE} TO {GROUPS[0]}".encode()
        )
        for group, login in zip(GROUPS, LOGINS, strict=False):
            connection.execute(f"CREATE ROLE {login} LOGIN".encode())
            connection.execute(f"GRANT {group} TO {login}".encode())
        reader, operator, owner = (make_conninfo(database, user=login) for login in LOGINS[:3])

        assert run("--dsn", operator, "backfill", "--strategy", "in_place").exit_code == 0
        assert edges(connection) == right_edges(connection) != {}
        result = run("--dsn", operator, "backfill", "--strategy", "rebuild")
        assert (result.exit_code, "only members of the role" in " ".join(result.output.split())) == (1, True)
        for dsn in (owner, database):
            result = run("--dsn", dsn, "backfill", "--strategy", "rebuild")
            assert result.exit_code == 0, result.output
            assert edges(connection) == right_edges(connection) != {}
        for dsn, words in ((operator, "sync"), (operator, "verify"), (operator, "plan"), (reader, "status")):
            assert run("--dsn", dsn, words).exit_code == 0, words
        with psycopg.connect(reader, autocommit=True) as session:
            found = answers(session, CALLS)
            assert found == answers(connection, CALLS)
            assert len(found[2]) > 1
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("DELETE FROM connection_paths.contact_connections")
        assert install(database).repaired == []
        assert not [each for each in diagnose(database).findings if each.check == "citus"]


def test_a_role_that_the_workers_do_not_know(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        install(database, distributed=True, roles=PREFIX)
        load(connection, replace(a_world(), extra_edges={}))
        reader, login = GROUPS[0], LOGINS[3]
        connection.execute(f"GRANT USAGE ON SCHEMA public TO {reader}; GRANT SELECT ON {READABLE} TO {reader}".encode())
        only_here(connection, f"CREATE ROLE {login} LOGIN; GRANT {reader} TO {login}")
        create = "SELECT run_command_on_workers('SET citus.enable_ddl_propagation TO off; {}')"
        steps = (
            (None, "08006", f'role "{login}" does not exist'),
            (f"CREATE ROLE {login} LOGIN", "42501", "permission denied for schema connection_paths"),
            (f"GRANT {reader} TO {login}", None, ""),
        )
        for statement, sqlstate, message in steps:
            if statement is not None:
                connection.execute(create.format(statement).encode())
            found = [each.what for each in diagnose(database).findings if each.check == "citus"]
            with psycopg.connect(make_conninfo(database, user=login), autocommit=True) as session:
                if sqlstate is None:
                    assert found == []
                    session.execute("SELECT connection_paths.find_paths(1, 1, 1)")
                else:
                    assert [f"role {login} cannot search" in each for each in found] == [True, True]
                    with refused(sqlstate, message):
                        session.execute("SELECT connection_paths.find_paths(1, 1, 1)")


# Other ways to install.


def test_a_script_is_refused_where_the_edges_are_distributed(database: str) -> None:
    text = psql_script()
    assert psql.run(database, text).returncode == 0  # creates nothing on the workers
    with psycopg.connect(database, autocommit=True) as connection:
        for worker in workers(connection):
            with psycopg.connect(worker) as other:
                assert value(other, "SELECT to_regnamespace('connection_paths') IS NULL"), worker
        load(connection, replace(a_world(), extra_edges={}))
        install(database, distributed=True)
        assert run("--dsn", database, "backfill").exit_code == 0
        done = psql.run(database, text)
        assert (done.returncode, "are on Citus workers" in done.stderr) == (3, True)
        assert edges(connection) == right_edges(connection) != {}


def test_two_schemas(database: str) -> None:
    other = ("--schema", "cp_acme", "--dsn", database)
    with psycopg.connect(database, autocommit=True) as connection:
        try:
            for words in (("--dsn", database), other):
                assert run(*words, "install", "--distributed").exit_code == 0
                if words is not other:
                    load(connection, replace(a_world(), extra_edges={}))
                for strategy in ("in_place", "rebuild"):
                    assert run(*words, "backfill", "--strategy", strategy).exit_code == 0
                for command in ("sync", "verify", "status", "plan"):
                    assert run(*words, command).exit_code == 0, command
            assert edges(connection) == right_edges(connection) != {}
            counted = "SELECT count(*) FROM {}.contact_connections"
            assert value(connection, counted.format("cp_acme")) == len(edges(connection))
        finally:
            assert run(*other, "uninstall", "--yes").exit_code == 0
        assert run("--dsn", database, "verify").exit_code == 0


def test_a_worker_with_another_function_is_repaired(database: str) -> None:
    install(database, distributed=True)
    with psycopg.connect(database, autocommit=True) as connection:
        worker = workers(connection)[0]
        with psycopg.connect(worker, autocommit=True) as other:
            other.execute("SET citus.enable_ddl_propagation = off")
            other.execute(
                "DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('connection_paths.shard_edges'::regproc),"
                " 'DECLARE', 'DECLARE -- an earlier version'); END $do$"
            )
        (found,) = [each for each in diagnose(database).findings if each.check == "citus"]
        assert "function shard_edges on worker" in found.what
        assert install(database).repaired == ["repaired: function shard_edges differs on a worker"]
        assert not [each for each in diagnose(database).findings if each.check == "citus"]
