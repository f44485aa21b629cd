"""Install and uninstall are complete or refused, can run again after a kill, beside writers, and in any schema."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from yoyo.backends import PostgresqlBackend

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.install.installation import Installed, install, uninstall
from orchestrator.install.status import status
from tests.support.catalog import describe as catalog
from tests.support.index_builds import interrupted_build
from tests.support.properties import first_of
from tests.support.sessions import connect

HOSTILE = 'we"ird; schema --'

#: Sessions of the database that wait to build an index concurrently.
WAITING_BUILDS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%CREATE INDEX CONCURRENTLY%'
    AND pid <> pg_backend_pid()
"""

Role = Callable[[], str]


def nothing_done(done: Installed) -> bool:
    """Whether an install found nothing to apply and nothing to repair."""
    return done.applied == done.repaired == []


def start(dsn: str, *command: str) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "--dsn", dsn, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 60) -> tuple[int, str]:
    """Wait for a process; return its exit status and its standard error."""
    try:
        _, said = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, said


def kill_after(process: subprocess.Popen[str], lines: int, seconds: float) -> None:
    """Kill a process a random time after it has printed some lines of progress."""
    assert process.stderr is not None
    for _ in range(lines):
        process.stderr.readline()
    time.sleep(seconds)
    process.kill()
    process.communicate()


def wait_for_build(connection: psycopg.Connection[Any]) -> None:
    """Wait until a concurrent build waits for a transaction."""
    deadline = time.monotonic() + 30
    while connection.execute(WAITING_BUILDS).fetchone() == (0,):
        assert time.monotonic() < deadline, "no build came to wait"
        time.sleep(0.02)


@contextmanager
def old_transaction(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """Hold a transaction that wrote to a host table: a concurrent build of its indexes waits for its end."""
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO user_contact_collections VALUES (1, 1, 1, 1)")
        yield connection
        connection.rollback()


@pytest.fixture
def new_role(server: str) -> Iterator[Role]:
    """A function that creates roles that may only log in."""
    made: list[sql.Identifier] = []

    def make() -> str:
        name = f"connection_paths_role_{os.getpid()}_{len(made)}"
        with connect(server) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        made.append(sql.Identifier(name))
        return name

    yield make
    with connect(server) as connection:
        databases = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", (f"connection_paths_test_{os.getpid()}_%",)
        ).fetchall()
    for (database,) in databases:
        with connect(make_conninfo(server, dbname=database)) as connection:
            for role in made:
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
    with connect(server) as connection:
        for role in made:
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture(scope="session")
def clean(new_database: Callable[[], str]) -> list[str]:
    """The catalog after one install without interruption."""
    dsn = new_database()
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
    install(dsn)
    return catalog(dsn)


def refusal(dsn: str, host_schema: str = "public") -> str:
    """Return the message with which install refuses, and check that it left nothing behind."""
    before = catalog(dsn, "connection_paths", "public", host_schema)
    with pytest.raises((OrchestratorError, psycopg.Error)) as caught:
        install(dsn, host_schema)
    assert catalog(dsn, "connection_paths", "public", host_schema) == before
    return str(caught.value)


def test_install_makes_a_healthy_database_and_again_does_nothing(host: str) -> None:
    applied = install(host).applied
    found = status(host)
    assert applied == found.applied
    assert found.healthy
    assert found.host_schema == "public"
    once = catalog(host)
    assert nothing_done(install(host))
    assert catalog(host) == once


@pytest.mark.parametrize("number", first_of(2, [3, 20]))
def test_many_installs_at_once_make_one(host: str, clean: list[str], number: int) -> None:
    processes = [start(host, "install") for _ in range(number)]
    ends = [finish(process, 120) for process in processes]
    assert [end for end in ends if end[0] != 0] == []
    assert status(host).healthy
    assert catalog(host) == clean


@pytest.mark.parametrize("lines", first_of(6, [3, 0, 1, 2, 4, 5]))
def test_an_install_killed_anywhere_is_completed_by_the_next(host: str, clean: list[str], lines: int) -> None:
    for _ in range(2):
        kill_after(start(host, "install"), lines, random.uniform(0, 0.05))
    install(host)
    assert status(host).healthy
    assert catalog(host) == clean


def test_an_install_killed_while_its_index_build_waits_is_completed_by_the_next(host: str, clean: list[str]) -> None:
    with old_transaction(host) as blocker, connect(host) as observer:
        first = start(host, "install")
        wait_for_build(observer)
        first.kill()
        first.communicate()
        second = start(host, "install")  # the server still builds the index for the first process, which was killed
        time.sleep(1.5)
        blocker.rollback()
        code, said = finish(second)
    assert code == 0, said
    assert status(host).healthy
    assert catalog(host) == clean


def test_an_invalid_index_of_an_interrupted_build_is_replaced(host: str, clean: list[str]) -> None:
    with connect(host) as connection:
        for statement in ("SET lock_timeout = '200ms'", "SET search_path = public"):
            connection.execute(statement)
        with old_transaction(host), pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute(interrupted_build())
    assert any("idx_members_by_collection" in line and "INVALID" in line for line in catalog(host, "public"))
    install(host)
    assert catalog(host) == clean


def test_a_stale_lock_row_of_yoyo_does_no_harm(host: str) -> None:
    kill_after(start(host, "install"), 2, 0)
    with connect(host) as connection:
        connection.execute(
            "INSERT INTO connection_paths.yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1) ON CONFLICT DO NOTHING"
        )
    install(host)
    assert status(host).healthy
    with connect(host) as connection:
        connection.execute("INSERT INTO connection_paths.yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    assert nothing_done(install(host))
    assert uninstall(host)


def test_install_does_not_make_writers_wait(host: str) -> None:
    """An old transaction holds up the builds longer than a blocked writer would wait."""
    failures: list[psycopg.Error] = []
    stop = threading.Event()
    written = itertools.count()

    def write() -> None:
        with connect(host, settings={"lock_timeout": "1s"}) as writer:
            for number in written:
                if stop.is_set():
                    return
                try:
                    writer.execute("INSERT INTO contacts VALUES (%s, 'x')", (number,))
                    writer.execute("INSERT INTO organizations VALUES (%s, 'x')", (number,))
                    writer.execute(
                        "INSERT INTO contact_work_experiences VALUES (%s, 1, 1, 'x', '2020-01-01')", (number,)
                    )
                    writer.execute("INSERT INTO user_contact_collections VALUES (1, %s, 1, 1)", (number,))
                except psycopg.Error as error:
                    failures.append(error)
                    return
                time.sleep(0.005)  # leaves the processor to the install

    writer = threading.Thread(target=write)
    with old_transaction(host) as blocker, connect(host) as observer:
        blocker.execute("INSERT INTO contact_work_experiences VALUES (-1, 1, 1, 'x', '2020-01-01')")
        writer.start()
        process = start(host, "install")
        wait_for_build(observer)
        time.sleep(2)  # twice the lock timeout of the writer
        blocker.rollback()
        code, said = finish(process)
    stop.set()
    writer.join()
    assert code == 0, said
    assert failures == []
    assert status(host).healthy


def test_uninstall_leaves_the_host_as_it_was_and_again_does_nothing(host: str) -> None:
    before = catalog(host)
    applied = install(host).applied
    assert sorted(uninstall(host)) == applied
    assert catalog(host) == before
    assert uninstall(host) == []


def test_uninstall_removes_an_unfinished_rebuild(host: str) -> None:
    before = catalog(host)
    install(host)
    with connect(host) as connection:
        connection.execute("SELECT connection_paths.create_run('rebuild')")
    uninstall(host)
    assert catalog(host) == before


@pytest.mark.parametrize("lines", first_of(6, [3, 0, 1, 2, 4, 5]))
def test_an_uninstall_killed_anywhere_is_completed_by_the_next(host: str, lines: int) -> None:
    before = catalog(host)
    install(host)
    kill_after(start(host, "uninstall", "--yes"), lines, random.uniform(0, 0.03))
    uninstall(host)
    assert catalog(host) == before


@pytest.mark.parametrize(
    "last", first_of(4, ["0004_host_indexes", "0005_functions", "0002_tables", "0001_binding_views"])
)
def test_an_uninstall_killed_anywhere_is_undone_by_an_install(
    installed_host: str, clean: list[str], monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """Stopped at the worst moment: the objects of a migration are dropped, and yoyo has not recorded it yet."""

    def stop(backend: PostgresqlBackend, migration: Any, direction: str) -> None:
        if migration.id == last:
            raise KeyboardInterrupt

    monkeypatch.setattr(PostgresqlBackend, "log_migration", stop)
    with pytest.raises(KeyboardInterrupt):
        uninstall(installed_host)
    monkeypatch.undo()
    install(installed_host)
    assert catalog(installed_host) == clean


def test_uninstall_removes_an_install_that_was_killed_in_an_index_build(host: str) -> None:
    before = catalog(host)
    with old_transaction(host), connect(host) as observer:
        process = start(host, "install")
        wait_for_build(observer)
        process.kill()
        process.communicate()
        observer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE '%CREATE INDEX%' AND pid <> pg_backend_pid()"
        )
    assert any("INVALID" in line for line in catalog(host))
    uninstall(host)
    assert catalog(host) == before


@pytest.mark.parametrize(
    "view",
    first_of(
        3,
        [
            "SELECT connection_paths.find_paths(1, 1, 1) AS answer",
            "SELECT * FROM connection_paths.contact_connections",
            "SELECT * FROM connection_paths.work_experiences",
        ],
    ),
)
def test_uninstall_refuses_while_the_application_uses_the_package(installed_host: str, view: str) -> None:
    with connect(installed_host) as connection:
        connection.execute(f"CREATE VIEW their_own AS {view}".encode())
        connection.execute(
            "INSERT INTO connection_paths.contact_connections VALUES"
            " (1, 2, 'work_overlap', 50, 1, 1, '2020-01-01', NULL, 0, 2)"
        )
        before = catalog(installed_host)
        code, said = finish(start(installed_host, "uninstall", "--yes"))
        assert code == 1
        (error,) = [line for line in said.splitlines() if line.startswith("Error: ")]
        assert "their_own" in error
        assert catalog(installed_host) == before
        assert connection.execute("SELECT count(*) FROM connection_paths.contact_connections").fetchone() == (1,)
        connection.execute("DROP VIEW their_own")
    assert uninstall(installed_host)


@pytest.mark.parametrize("schema", first_of(3, [HOSTILE, "crm", "100% MiXed?&=ü"]))
def test_any_host_schema_works_end_to_end(database: str, schema: str) -> None:
    with connect(database) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute("INSERT INTO contacts VALUES (1, 'Ana'), (2, 'Ben')")
        connection.execute("INSERT INTO organizations VALUES (1, 'Acme')")
        connection.execute(
            "INSERT INTO contact_work_experiences VALUES (1, 1, 1, 'Acme', '2020-01-01'), (2, 2, 1, '', '2020-01-01')"
        )
        connection.execute("INSERT INTO user_contact_collections VALUES (7, 1, 9, 1)")
    before = catalog(database, schema)
    install(database, schema)
    found = status(database)
    assert (found.healthy, found.host_schema) == (True, schema)
    assert nothing_done(install(database, schema))
    code, said = finish(start(database, "backfill"))
    assert code == 0, said
    with connect(database) as connection:
        rows = connection.execute("SELECT user_id, contact_ids FROM connection_paths.deep_finder(2, 9, 7)")
        assert rows.fetchall() == [(7, [1, 2])]
    uninstall(database)
    assert catalog(database, schema) == before


def test_another_host_schema_than_the_installed_is_refused(installed_host: str) -> None:
    with connect(installed_host) as connection:
        connection.execute("CREATE SCHEMA other; SET search_path TO other")
        connection.execute(sqlfiles.query("install/demo_tables"))
    said = refusal(installed_host, "other")
    assert "'public'" in said
    assert "'other'" in said


def test_all_problems_of_the_host_are_reported_at_once(host: str) -> None:
    with connect(host) as connection:
        connection.execute(
            "DROP TABLE organizations;"
            "ALTER TABLE contacts DROP COLUMN name;"
            "ALTER TABLE contact_work_experiences ALTER COLUMN date_to TYPE timestamptz;"
            "ALTER TABLE user_contact_collections ALTER COLUMN user_id TYPE text;"
            "CREATE TABLE child () INHERITS (contacts)"
        )
    said = refusal(host)
    for problem in (
        "organizations is missing",
        "contacts.name is missing",
        "contact_work_experiences.date_to is timestamp with time zone",
        "user_contact_collections.user_id is text",
        "contacts has child tables",
    ):
        assert problem in said
    code, printed = finish(start(host, "install"))
    assert (code, printed.count("\n")) == (1, 1)


def test_a_missing_host_schema_is_refused(host: str) -> None:
    said = refusal(host, "nowhere")
    assert "schema 'nowhere' cannot be the host: there is no such schema. Nothing was installed." in said
    assert (said.count("is missing"), said.count("orchestrator map --suggest")) == (0, 1)
    with connect(host) as connection:
        connection.execute("CREATE SCHEMA empty")
    said = refusal(host, "empty")
    assert (said.count("is missing"), said.count("orchestrator map --suggest")) == (4, 1)
    install(host)
    assert "there is no such schema" in refusal(host, "nowhere")


def test_host_tables_of_another_owner_are_refused(host: str, new_role: Role) -> None:
    role = new_role()
    with connect(host) as connection:
        name = connection.info.dbname
        connection.execute(
            sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(role))
        )
    said = refusal(make_conninfo(host, user=role))
    assert said.count("the rights of the owner of public.") == 4
    assert f"CREATE ON SCHEMA public TO {role};" in said


@pytest.mark.parametrize("lacking", ["database", "schema"])
def test_a_missing_right_to_create_leaves_nothing_behind(host: str, new_role: Role, lacking: str) -> None:
    name = new_role()
    role = sql.Identifier(name)
    with connect(host) as connection:
        for table in ("contacts", "organizations", "contact_work_experiences", "user_contact_collections"):
            connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(table), role))
        connection.execute("REVOKE CREATE ON SCHEMA public FROM public")
        if lacking == "database":
            connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(role))
        else:
            database = sql.Identifier(connection.info.dbname)
            connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, role))
    dsn = make_conninfo(host, user=name)
    said = refusal(dsn)
    assert f"to install, role {name} needs CREATE on {lacking} " in said
    code, printed = finish(start(dsn, "install"))
    assert (code, printed.count("\n"), "Error: " in printed) == (1, 1, True)
