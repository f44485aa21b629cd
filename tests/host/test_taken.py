"""install beside other roles: names that are in use, locks that are held, default privileges, Citus, publications."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install.installation import LOCK_KEY, install, uninstall
from orchestrator.install.script import psql as script
from orchestrator.install.status import status
from tests.support import psql
from tests.support.catalog import describe
from tests.support.command_line import run
from tests.support.properties import first_of
from tests.support.sessions import connect

EDGES = "connection_paths.contact_connections"
INDEX = "idx_experiences_by_contact"


@pytest.fixture
def role(server: str) -> Iterator[str]:
    """A role that may only log in."""
    name = f"connection_paths_stranger_{os.getpid()}"
    with connect(server) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name
        for (database,) in connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn AND datname LIKE %s",
            (f"connection_paths_test_{os.getpid()}_%",),
        ).fetchall():
            with connect(make_conninfo(server, dbname=database)) as each:
                each.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


TAKEN = {
    "an index": (f"CREATE INDEX {INDEX} ON contact_work_experiences (id)", INDEX),
    "a table": (f"CREATE TABLE {INDEX} ()", INDEX),
    "a trigger": (
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER connection_paths_deleted AFTER DELETE ON contacts EXECUTE FUNCTION theirs()",
        "connection_paths_deleted",
    ),
    "a schema with a table": ("CREATE SCHEMA connection_paths CREATE TABLE t ()", "contains relation t"),
    "a schema with a function": (
        "CREATE SCHEMA connection_paths;"
        "CREATE FUNCTION connection_paths.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "contains function f",
    ),
}


@pytest.mark.parametrize("what", TAKEN)
def test_a_name_that_is_taken_is_refused_and_left_alone(host: str, what: str) -> None:
    statements, said = TAKEN[what]
    with connect(host) as connection:
        connection.execute(statements.encode())
    before = describe(host)
    for call in (install, uninstall):
        if call is install or "schema" in what:
            with pytest.raises(OrchestratorError, match=said):
                call(host)
        else:
            assert call(host) == []
    refused = psql.run(host, script())
    assert refused.returncode != 0
    assert said in refused.stderr
    assert describe(host) == before


def test_an_empty_schema_is_taken_over(host: str) -> None:
    with connect(host) as connection:
        connection.execute("CREATE SCHEMA connection_paths")
    install(host)
    assert status(host).healthy


def test_a_later_index_with_our_name_belongs_to_the_application(installed_host: str) -> None:
    with connect(installed_host) as connection:
        connection.execute(f"DROP INDEX {INDEX}; CREATE INDEX {INDEX} ON contact_work_experiences (id)")
        (finding,) = [each for each in diagnose(installed_host).findings if each.check == "indexes"]
        assert "connection_paths did not create" in finding.what
        with pytest.raises(OrchestratorError, match=f"{INDEX} exists that connection_paths did not create"):
            install(installed_host)
        assert finding.repair is not None
        connection.execute(finding.repair.splitlines()[0].encode())
        install(installed_host)
        assert status(installed_host).healthy
        uninstall(installed_host)
        rows = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%pkey'"
        )
        assert rows.fetchall() == [(f"{INDEX}_of_the_application",)]


def test_a_role_with_our_name_is_not_taken_over(host: str, server: str) -> None:
    prefix = f"connection_paths_taken_{os.getpid()}"
    reader = sql.Identifier(f"{prefix}_reader")
    with connect(server) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(reader))
        try:
            with pytest.raises(
                OrchestratorError, match=f"{prefix}_reader exists and connection_paths did not create it"
            ):
                install(host, roles=prefix)
            assert not status(host).applied
            connection.execute(sql.SQL("COMMENT ON ROLE {} IS 'connection_paths: taken over'").format(reader))
            install(host, roles=prefix)
            assert status(host).healthy
            uninstall(host)
        finally:
            for kind in ("reader", "operator", "owner"):
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(f"{prefix}_{kind}")))


@pytest.mark.parametrize("schema", ["connection_paths", "pg_catalog", "information_schema", "pg_toast"])
def test_a_schema_without_host_tables_is_refused(host: str, schema: str) -> None:
    result = run("--dsn", host, "install", "--host-schema", schema)
    assert result.exit_code == 1
    assert "not a schema for tables of an application" in result.output
    refused = psql.run(host, script(), "-v", f"host_schema={schema}")
    assert (refused.returncode != 0, "not a schema for tables" in refused.stderr) == (True, True)


# Locks.


def test_a_role_without_rights_cannot_block_an_install(host: str, role: str) -> None:
    """The role holds the advisory lock of installation scripts. It may not take the lock of the table."""
    with connect(make_conninfo(host, user=role)) as stranger:
        stranger.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        install(host)
        with pytest.raises(errors.InsufficientPrivilege), stranger.transaction():
            stranger.execute("LOCK TABLE connection_paths.installation IN ACCESS SHARE MODE")
        done = psql.run(host, script())
        assert done.returncode == 0, done.stderr
        assert "may not install holds the lock" in done.stderr
        assert uninstall(host)
        done = psql.run(host, script())
        assert done.returncode == 0, done.stderr
        assert uninstall(host)


@pytest.mark.parametrize("call", ["install", "uninstall"])
def test_installs_run_one_after_another(installed_host: str, call: str) -> None:
    """An install waits for another one and for a running script, and holds up neither readers nor VACUUM."""
    told: list[str] = []
    with psycopg.connect(installed_host) as other, connect(installed_host) as observer:
        other.execute("LOCK TABLE connection_paths.installation IN SHARE UPDATE EXCLUSIVE MODE")
        call_of = install if call == "install" else uninstall
        waiting = threading.Thread(target=lambda: call_of(installed_host, progress=told.append))
        waiting.start()
        while "waiting for another install or uninstall" not in told:
            time.sleep(0.02)
        refused = psql.run(installed_host, script())
        assert (refused.returncode != 0, "under way" in refused.stderr) == (True, True)
        rows = observer.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orchestrator'"
            " AND datname = current_database() AND state <> 'idle' AND backend_xmin IS NOT NULL"
        )
        assert rows.fetchone() == (0,)
        other.rollback()
        waiting.join()
    assert status(installed_host).installed == (call == "install")


def test_uninstall_drops_no_partition_of_the_application(installed_host: str) -> None:
    with connect(installed_host) as connection:
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
        connection.execute(
            f"CREATE TABLE friends (LIKE {EDGES} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);"
            "INSERT INTO friends VALUES (1, 2, 'friend');"
            f"ALTER TABLE {EDGES} ATTACH PARTITION friends FOR VALUES IN ('friend')"
        )
        result = run("--dsn", installed_host, "uninstall", "--yes")
        assert result.exit_code == 1
        detach = f"ALTER TABLE {EDGES} DETACH PARTITION public.friends;"
        assert "public.friends would be dropped with its rows" in " ".join(result.output.split())
        assert detach in " ".join(result.output.split())
        assert status(installed_host).healthy
        connection.execute(detach.encode())
        with pytest.raises(OrchestratorError, match=r"column kind of table public\.friends depends on"):
            uninstall(installed_host)
        connection.execute("ALTER TABLE friends DROP CONSTRAINT contact_connections_work_overlap_dated")
        connection.execute("ALTER TABLE friends ALTER kind TYPE text")
        uninstall(installed_host)
        assert connection.execute("SELECT count(*) FROM friends").fetchone() == (1,)


# Rights.


@pytest.mark.parametrize("by", first_of(2, ["script", "install"]))
def test_default_privileges_give_no_rights(host: str, role: str, by: str) -> None:
    with connect(host) as connection:
        for what in ("TABLES", "SEQUENCES", "FUNCTIONS", "TYPES", "SCHEMAS"):
            connection.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {what} TO PUBLIC".encode())
        if by == "install":
            install(host)
        else:
            assert psql.run(host, script()).returncode == 0
        assert status(host).public == []
        with connect(make_conninfo(host, user=role)) as stranger, pytest.raises(errors.InsufficientPrivilege):
            stranger.execute("DELETE FROM connection_paths.do_not_ask")
        connection.execute(
            "GRANT DELETE ON connection_paths.do_not_ask TO PUBLIC; GRANT USAGE ON SCHEMA connection_paths TO PUBLIC"
        )
        assert status(host).public == [
            "PUBLIC has USAGE on schema connection_paths",
            "PUBLIC has DELETE on table connection_paths.do_not_ask",
        ]
        assert "PUBLIC has DELETE on table" in run("--dsn", host, "status").output


# Surroundings.


def test_tables_of_citus_are_refused(host: str) -> None:
    fake = 'CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char", repmodel "char")'
    with connect(host) as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(fake.encode())
        kinds = {"h": "distributed", "n": "reference"}
        for method, kind in kinds.items():
            connection.execute("TRUNCATE pg_catalog.pg_dist_partition")
            connection.execute("INSERT INTO pg_catalog.pg_dist_partition VALUES ('contacts', %s, 't')", (method,))
            with pytest.raises(OrchestratorError, match=f"public.contacts is a {kind} table of Citus"):
                install(host)
        connection.execute("TRUNCATE pg_catalog.pg_dist_partition")
        install(host)
        for table in ("organizations", EDGES):
            connection.execute("INSERT INTO pg_catalog.pg_dist_partition VALUES (%s, 'h', 's')", (table,))
            for command in (("backfill",), ("sync",), ("plan",), ("verify",), ("doctor",), ("install",)):
                result = run("--dsn", host, *command)
                assert (result.exit_code, "table of Citus" in " ".join(result.output.split())) == (1, True), command
            connection.execute("TRUNCATE pg_catalog.pg_dist_partition")


@pytest.mark.parametrize("table", first_of(2, ["contacts", "organizations"]))
def test_a_repeated_id_is_reported_before_a_run(host: str, table: str) -> None:
    with connect(host) as connection:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
        connection.execute(f"INSERT INTO {table} VALUES (7, ''), (7, '')".encode())
        told: list[str] = []
        install(host, progress=told.append)
        assert any(f"warning: table public.{table} has no key on id, and id 7" in line for line in told)
        result = run("--dsn", host, "backfill", "--no-throttle")
        assert (result.exit_code, "id 7 is in several rows" in " ".join(result.output.split())) == (1, True)
        assert connection.execute("SELECT count(*) FROM connection_paths.backfill_runs").fetchone() == (0,)
        connection.execute(f"DELETE FROM {table} WHERE ctid = '(0,1)'".encode())
        assert run("--dsn", host, "backfill", "--no-throttle").exit_code == 0


@pytest.mark.parametrize("when", first_of(2, ["before", "after"]))
def test_a_publication_of_all_tables_stops_no_install(host: str, when: str) -> None:
    with connect(host) as connection:
        if when == "before":
            connection.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        install(host)
        if when == "after":
            connection.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        connection.execute("DROP VIEW connection_paths.live_contacts CASCADE")
        install(host)  # this install also writes to the queue
        install(host, triggers=False)
        assert uninstall(host)


@pytest.mark.parametrize("encoding", first_of(5, ["SQL_ASCII", "LATIN1", "LATIN9", "EUC_JP", "WIN1252"]))
def test_databases_of_any_encoding_and_odd_settings(server: str, encoding: str) -> None:
    name = f"connection_paths_test_{os.getpid()}_{encoding.lower()}"
    with connect(server) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode())
        for setting in (
            "DateStyle = 'German'",
            "quote_all_identifiers = on",
            "statement_timeout = '1s'",
            "lock_timeout = '1s'",
            "default_transaction_read_only = on",
            "default_transaction_isolation = 'serializable'",
            "search_path = pg_temp",
            "bytea_output = 'escape'",
            "IntervalStyle = 'iso_8601'",
        ):
            connection.execute(f"ALTER DATABASE {name} SET {setting}".encode())
        dsn = make_conninfo(server, dbname=name)
        try:
            with connect(dsn) as host:
                host.execute(
                    "SET default_transaction_read_only = off; SET statement_timeout = 0; SET lock_timeout = 0;"
                    "SET search_path = public; SET DateStyle = ISO"
                )
                host.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
                host.execute(sqlfiles.query("install/demo_tables"))
            done = psql.run(dsn, script())
            assert (done.returncode, done.stderr) == (0, "")
            assert status(dsn).healthy
            assert install(dsn).repaired == []
            uninstall(dsn)
            install(dsn)
            assert status(dsn).problems == []
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
