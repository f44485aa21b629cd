"""Triggers queue every change, or record that they could not, and never make a statement of a writer fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.embedded import serve_temporarily
from orchestrator.core.errors import OrchestratorError
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host import binding, sources
from orchestrator.install.installation import install
from orchestrator.verify.verification import verify
from tests.support import oracle
from tests.support.changes import fill, queue_length
from tests.support.copies import copied
from tests.support.edges import edges, right_edges
from tests.support.psql import binaries
from tests.support.servers import SETTINGS
from tests.support.sessions import connect, value
from tests.support.waiting import eventually
from tests.support.world import world_of

TABLES = {
    "contacts": ("live_contacts", "name"),
    "organizations": ("known_organizations", "name"),
    "contact_work_experiences": ("work_experiences", "company_name"),
}
ISOLATION = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


@pytest.fixture(scope="module")
def dsn(new_installed: Callable[[], str]) -> str:
    given = new_installed()
    with connect(given) as connection:
        fill(connection)
        while value(connection, "SELECT taken FROM connection_paths.sync_changes()"):
            pass
    return given


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    """A connection to it. A test that breaks something rolls it back or repairs it."""
    with connect(dsn) as connection:
        yield connection
        assert sources.problems(connection, "public") == [], "a test has left something broken"


def failures(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT table_name, error FROM connection_paths.capture_failures ORDER BY failed_at"
    ).fetchall()


def write(connection: Connection, table: str) -> Iterator[str]:
    """Write one row of a table by each kind of statement, for any columns; returns the kinds that were run."""
    name = TABLES[table][1]
    connection.execute(f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1".encode())
    yield "INSERT"
    connection.execute(f"UPDATE {table} SET {name} = 'another' WHERE ctid = (SELECT min(ctid) FROM {table})".encode())
    yield "UPDATE"
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY (SELECT * FROM {table} LIMIT 1) TO STDOUT".encode()) as out:
            row = b"".join(bytes(piece) for piece in out)
        with cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            copy.write(row)
    yield "COPY"
    connection.execute(f"DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})".encode())
    yield "DELETE"
    connection.execute(f"UPDATE {table} SET {name} = 'nobody''s' WHERE false".encode())
    yield "UPDATE of no row"
    connection.execute(f"TRUNCATE {table}".encode())
    yield "TRUNCATE"


def broken_columns() -> Iterator[tuple[str, str, str]]:
    """Changes that a migration may make to a column that a trigger reads: a name, the table, the statements."""
    for table, columns in (
        ("contacts", ("id",)),
        ("organizations", ("id",)),
        ("contact_work_experiences", ("contact_id", "organization_id", "date_from", "date_to")),
    ):
        for column in columns:
            yield f"rename {table}.{column}", table, f"ALTER TABLE {table} RENAME {column} TO another_name"
            yield f"drop {table}.{column}", table, f"ALTER TABLE {table} DROP COLUMN {column} CASCADE"
    for table in TABLES:
        column = "contact_id" if table == "contact_work_experiences" else "id"
        yield (
            f"retype {table}.{column}",
            table,
            f"SELECT connection_paths.detach_source('{table}');"
            f" ALTER TABLE {table} ALTER {column} TYPE uuid USING lpad({column}::text, 32, '0')::uuid",
        )


@pytest.mark.parametrize(
    ("table", "change"), [(t, c) for _, t, c in broken_columns()], ids=[n for n, *_ in broken_columns()]
)
def test_a_changed_column_makes_no_statement_of_the_application_fail(db: Connection, table: str, change: str) -> None:
    with db.transaction(force_rollback=True):
        db.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
        db.execute(change.encode())
        for done in write(db, table):
            (failed,) = failures(db) or [("", "")]
            if table == "contact_work_experiences" and "contact_id" not in change and done in ("INSERT", "UPDATE"):
                assert failed[0] == ("public.contact_work_experiences" if done == "UPDATE" else ""), done
            else:
                assert failed[0] == f"public.{table}", done
            assert value(db, "SELECT count(*) FROM connection_paths.contact_changes WHERE contact_id IS NULL") == (
                done == "TRUNCATE"
            )


BROKEN_QUEUES = {
    "dropped": "DROP TABLE connection_paths.contact_changes",
    "a column renamed": "ALTER TABLE connection_paths.contact_changes RENAME organization_id TO another_name",
    "a column of another type": "ALTER TABLE connection_paths.contact_changes ALTER contact_id TYPE date USING NULL",
    "all of it dropped": "DROP TABLE connection_paths.contact_changes, connection_paths.capture_failures",
    "no right to write": "CREATE ROLE nobody_s; GRANT USAGE ON SCHEMA connection_paths TO nobody_s;"
    " GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths TO nobody_s; @owner@",
    "no right in the schema": "CREATE ROLE nobody_s; GRANT CREATE ON SCHEMA connection_paths TO nobody_s; @owner@"
    " REVOKE CREATE ON SCHEMA connection_paths FROM nobody_s",
    "no function to wake with": "DROP FUNCTION connection_paths.wake_listener",
    "no function to ask": "DROP TABLE connection_paths.contact_changes; DROP FUNCTION connection_paths.capture_works",
    "no function to record with": "DROP TABLE connection_paths.contact_changes;"
    " DROP FUNCTION connection_paths.record_capture_failure",
}
_OWNED = "; ".join(
    f"ALTER FUNCTION connection_paths.{name}() OWNER TO nobody_s"
    for name in ("queue_added_or_removed", "queue_changed_experiences", "queue_replicated_row")
)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("how", BROKEN_QUEUES)
def test_a_queue_that_cannot_be_written_makes_no_statement_of_the_application_fail(
    db: Connection, how: str, table: str
) -> None:
    if how == "a column renamed" and table == "contact_work_experiences":
        pytest.skip("its trigger does not use that column")
    with db.transaction(force_rollback=True):
        db.execute("GRANT CREATE ON SCHEMA connection_paths TO CURRENT_USER")
        db.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
        db.execute(BROKEN_QUEUES[how].replace("@owner@", f"{_OWNED};").encode())
        told: list[str] = []
        db.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        assert [done for done in write(db, table)][-1] == "TRUNCATE"
        recorded = db.execute("SELECT to_regclass('connection_paths.capture_failures') IS NOT NULL").fetchone()
        if how in (
            "dropped",
            "no function to ask",
            "a column renamed",
            "a column of another type",
            "no function to wake with",
        ):
            assert [row[0] for row in failures(db)] == [f"public.{table}"]
        else:  # the table of failures does not exist, so the client gets a warning
            assert any(f"cannot queue a change of public.{table}" in each for each in told), (told, recorded)
        found = {problem.kind for problem in sources.problems(db, "public")}
        assert found & {"queue", "capture"}


def test_a_writer_waits_for_a_locked_queue_until_its_lock_timeout(db: Connection, dsn: str) -> None:
    with connect(dsn) as other:
        with other.transaction():
            other.execute("LOCK TABLE connection_paths.contact_changes")
            db.execute("SET lock_timeout = '50ms'")
            db.execute("UPDATE contact_work_experiences SET date_to = '2031-01-01' WHERE id = 1")
            ((table, error),) = failures(db)
            assert table == "public.contact_work_experiences"
            assert "55P03" in error
        db.execute("RESET lock_timeout")
    sync(dsn)
    assert failures(db) == []
    assert edges(db) == right_edges(db)


@pytest.mark.parametrize("isolation", ISOLATION)
def test_many_failed_captures_are_recorded_once(db: Connection, isolation: str) -> None:
    with db.transaction(force_rollback=True):
        db.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}".encode())
        db.execute("ALTER TABLE contact_work_experiences RENAME contact_id TO person")
        for _ in range(70):
            db.execute("UPDATE contact_work_experiences SET date_to = date_to WHERE id = 1")
        assert len(failures(db)) == (70 if isolation == "SERIALIZABLE" else 1)


def test_a_transaction_of_many_statements_takes_one_transaction_id(db: Connection) -> None:
    """The server keeps 64 subtransactions of a transaction in memory; with more, every session becomes slower."""
    for broken in (False, True):
        with db.transaction(force_rollback=True):
            if broken:
                db.execute("ALTER TABLE contact_work_experiences RENAME contact_id TO person")
                db.execute("UPDATE contact_work_experiences SET company_name = 'first' WHERE id = 1")
            first = value(db, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            for number in range(100):
                db.execute("UPDATE contact_work_experiences SET company_name = %s WHERE id = 1", (str(number),))
                db.execute("UPDATE contacts SET id = id WHERE id = 1")
            db.execute("SAVEPOINT ours")
            last = value(db, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            assert last - first < 20


@pytest.mark.parametrize("table", TABLES)
def test_missed_changes_are_refreshed_when_the_column_is_repaired(db: Connection, dsn: str, table: str) -> None:
    column = "date_from" if table == "contact_work_experiences" else "id"
    db.execute(f"ALTER TABLE {table} RENAME {column} TO another_name".encode())
    try:
        if table == "contact_work_experiences":
            db.execute(f"UPDATE {table} SET another_name = '2000-01-01', date_to = '2000-01-02' WHERE id < 4".encode())
        else:
            db.execute(f"DELETE FROM {table} WHERE another_name = 2".encode())
        renamed, problem = sources.problems(db, "public")
        assert (renamed.kind, renamed.remedy) == ("column", "person")
        assert f"ALTER TABLE public.{table} RENAME " in renamed.problem
        assert (problem.kind, problem.remedy) == ("capture", "repair")
        assert "another_name" not in problem.object
        said = verify(dsn, sample=50)
        assert not said.ok
        assert any(f"changes of public.{table} have not been captured" in each for each in said.findings)
        if table == "contact_work_experiences":  # its view finds the column by number
            assert [each.split(":")[0] for each in said.unfinished] == [f"the rows of public.{table} cannot be counted"]
        findings = [each for each in diagnose(dsn).findings if each.check == "bindings"]
        assert {each.severity for each in findings} == {"wrong"}
        assert "orchestrator sync" in [each.repair for each in findings]
        assert sync(dsn).changes == 0  # it does not wait for a repair by a person
    finally:
        db.execute(f"ALTER TABLE {table} RENAME another_name TO {column}".encode())
    (problem,) = sources.problems(db, "public")
    assert "not captured" in problem.problem
    sync(dsn)
    assert failures(db) == []
    assert edges(db) == right_edges(db)
    assert queue_length(db) == 0
    db.execute(f"TRUNCATE {table}".encode())
    db.execute("TRUNCATE contacts, organizations, contact_work_experiences")
    fill(db)
    sync(dsn)


@pytest.mark.parametrize("isolation", ISOLATION)
def test_a_refresh_after_a_capture_failure_waits_for_open_writers(db: Connection, dsn: str, isolation: str) -> None:
    """Its change is not visible yet; perhaps only the failure of another writer shows that changes were missed."""
    before = edges(db)
    with connect(dsn) as writer, connect(dsn) as other:
        with writer.transaction():
            writer.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}".encode())
            writer.execute("SELECT count(*) FROM contacts")  # this takes the snapshot
            db.execute("ALTER TABLE connection_paths.contact_changes RENAME contact_id TO another_name")
            other.execute(
                "UPDATE contact_work_experiences SET date_to = COALESCE(date_to, '2032-01-01') + 1 WHERE id = 2"
            )  # recorded
            writer.execute("UPDATE contact_work_experiences SET date_from = date_from + 100 WHERE contact_id = 6")
            db.execute("ALTER TABLE connection_paths.contact_changes RENAME another_name TO contact_id")
            for _ in range(6):
                db.execute("SELECT connection_paths.recover_capture()")
            if isolation == "READ COMMITTED":
                assert len(failures(db)) == 1
                assert queue_length(db) == 0
            while value(db, "SELECT taken FROM connection_paths.sync_changes()"):
                pass
        sync(dsn)
    assert failures(db) == []
    assert before != edges(db) == right_edges(db)
    assert {pair for pair in before if 6 in pair and before[pair] != edges(db).get(pair)}


@pytest.mark.parametrize("isolation", ISOLATION)
def test_a_writer_that_still_sees_an_old_failure_records_its_own(db: Connection, dsn: str, isolation: str) -> None:
    def broken(is_broken: bool) -> None:
        old, new = ("contact_id", "another_name") if is_broken else ("another_name", "contact_id")
        db.execute(f"ALTER TABLE connection_paths.contact_changes RENAME {old} TO {new}".encode())

    before = edges(db)
    with connect(dsn) as writer:
        broken(True)
        db.execute("UPDATE contact_work_experiences SET date_to = COALESCE(date_to, '2034-01-01') + 1 WHERE id = 2")
        with writer.transaction():
            writer.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}".encode())
            writer.execute("SELECT count(*) FROM contacts")  # it sees the failure, and has no transaction id
            broken(False)
            for _ in range(2):
                db.execute("SELECT connection_paths.recover_capture()")
            broken(True)
            writer.execute("UPDATE contact_work_experiences SET date_from = date_from + 100 WHERE contact_id = 6")
            broken(False)
            while value(db, "SELECT taken + connection_paths.recover_capture() FROM connection_paths.sync_changes()"):
                pass
            assert failures(db) == []  # its record is not visible to others until it ends
    sync(dsn)
    assert failures(db) == []
    assert before != edges(db) == right_edges(db)
    assert {pair for pair in before if 6 in pair and before[pair] != edges(db).get(pair)}


def test_a_writer_needs_no_rights_when_the_capture_fails(db: Connection) -> None:
    with db.transaction(force_rollback=True):
        db.execute("CREATE ROLE writes; GRANT ALL ON ALL TABLES IN SCHEMA public TO writes")
        db.execute("ALTER TABLE contact_work_experiences RENAME date_to TO until")
        db.execute("SET ROLE writes")
        db.execute("UPDATE contact_work_experiences SET until = '2033-01-01'")
        db.execute("RESET ROLE")
        assert len(failures(db)) == 1


def test_changes_are_queued_by_hand(db: Connection, dsn: str) -> None:
    def noted(call: str) -> Any:
        with db.transaction(force_rollback=True):
            returned = value(db, f"SELECT connection_paths.{call}")
            found = db.execute(
                "SELECT contact_id, organization_id FROM connection_paths.contact_changes ORDER BY 1, 2"
            ).fetchall()
            return returned, found

    assert noted("queue_changes()") == (0, [])
    assert noted("queue_changes(NULL, NULL)") == (0, [])
    assert noted("queue_changes('{NULL}', '{NULL, NULL}')") == (0, [])
    assert noted("queue_changes('{3, 1, NULL, 3}', '{2}')") == (3, [(1, None), (3, None), (None, 2)])
    assert noted("queue_changes(organization_ids => '{7, 7}')") == (1, [(None, 7)])
    assert noted("queue_everyone()") == ("", [(None, None)])
    with db.transaction(force_rollback=True):
        db.execute("CREATE ROLE writes; GRANT USAGE ON SCHEMA connection_paths TO writes")
        for may in (False, True):
            with db.transaction():
                db.execute("SET LOCAL ROLE writes")
                if may:
                    assert value(db, "SELECT connection_paths.queue_changes('{1}')") == 1
                else:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction():
                        db.execute("SELECT connection_paths.queue_changes('{1}')")
                db.execute("RESET ROLE")
            db.execute("GRANT EXECUTE ON FUNCTION connection_paths.queue_changes TO writes")


# Faults of bindings and triggers.

PROBLEMS: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    **{
        f"{table} exchanged": (
            f"ALTER TABLE {table} RENAME TO old; CREATE TABLE {table} (LIKE old)",
            [
                *([("stray trigger", "public.old", "install")] if table in TABLES else []),
                *([("trigger", f"public.{table}", "install")] if table in TABLES else []),
                ("view", f"connection_paths.{view}", "install"),
            ],
        )
        for table, view in (
            *((t, v) for t, (v, _) in TABLES.items()),
            ("user_contact_collections", "collection_members"),
        )
    },
    "contacts moved": (
        "CREATE SCHEMA elsewhere; ALTER TABLE contacts SET SCHEMA elsewhere",
        [
            ("stray trigger", "elsewhere.contacts", "install"),
            ("table", "public.contacts", "person"),
            ("view", "connection_paths.live_contacts", "person"),
        ],
    ),
    "a table dropped": (
        "DROP TABLE organizations CASCADE",
        [("table", "public.organizations", "person"), ("view", "connection_paths.known_organizations", "person")],
    ),
    "a table dropped and created": (
        "DROP TABLE contacts CASCADE; CREATE TABLE contacts (id bigint PRIMARY KEY, name text)",
        [("trigger", "public.contacts", "install"), ("view", "connection_paths.live_contacts", "install")],
    ),
    "a view dropped": (
        "DROP VIEW connection_paths.collection_members CASCADE",
        [("view", "connection_paths.collection_members", "install")],
    ),
    "a view of nothing": (
        "CREATE OR REPLACE VIEW connection_paths.live_contacts AS SELECT 1::bigint AS id, 'x'::text AS name",
        [("view", "connection_paths.live_contacts", "install")],
    ),
    "a trigger disabled": (
        "ALTER TABLE organizations DISABLE TRIGGER connection_paths_deleted",
        [("trigger", "public.organizations", "install")],
    ),
    "all triggers disabled": (
        "ALTER TABLE contact_work_experiences DISABLE TRIGGER ALL",
        [("trigger", "public.contact_work_experiences", "install")],
    ),
    "a trigger for replicas only": (
        "ALTER TABLE contacts ENABLE REPLICA TRIGGER connection_paths_inserted",
        [("trigger", "public.contacts", "install")],
    ),
    "a trigger dropped": (
        "DROP TRIGGER connection_paths_truncated ON contacts",
        [("trigger", "public.contacts", "install")],
    ),
    "another function": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE OR REPLACE TRIGGER connection_paths_deleted AFTER DELETE ON contacts EXECUTE FUNCTION f()",
        [("trigger", "public.contacts", "install")],
    ),
    "a child": (
        "CREATE TABLE kid () INHERITS (contact_work_experiences)",
        [("inheritance", "public.contact_work_experiences", "person")],
    ),
    "a parent": (
        "CREATE TABLE parent (LIKE organizations); ALTER TABLE organizations INHERIT parent",
        [("inheritance", "public.organizations", "person")],
    ),
    "a partition": (
        "CREATE TABLE whole (LIKE user_contact_collections) PARTITION BY LIST (source);"
        " ALTER TABLE whole ATTACH PARTITION user_contact_collections DEFAULT",
        [("inheritance", "public.user_contact_collections", "person")],
    ),
    "row triggers on one table only": (
        "@replicated contacts@",
        [
            ("trigger", "public.contact_work_experiences", "replicated"),
            ("trigger", "public.organizations", "replicated"),
        ],
    ),
    "a row trigger that fires for nobody": (
        "@replicated contacts@; @replicated organizations@; @replicated contact_work_experiences@;"
        " ALTER TABLE contacts DISABLE TRIGGER connection_paths_replicated",
        [("trigger", "public.contacts", "replicated")],
    ),
}


def for_replicas(table: str) -> str:
    return str(binding.default("public").fill(sqlfiles.read("triggers", "replicated", f"{table}.sql")))


@pytest.mark.parametrize("what", PROBLEMS)
def test_problems_are_found(db: Connection, what: str) -> None:
    change, expected = PROBLEMS[what]
    for table in TABLES:
        change = change.replace(f"@replicated {table}@", for_replicas(table))
    with db.transaction(force_rollback=True):
        db.execute(change.encode())
        found = sources.problems(db, "public")
        assert [(each.kind, each.object, each.remedy) for each in found] == expected
        assert all(each.sentence for each in found)


def test_install_refuses_tables_whose_writes_triggers_do_not_see(host: str) -> None:
    with connect(host) as connection:
        for what in ("a child", "a parent", "a partition"):
            connection.execute(PROBLEMS[what][0].encode())
            with pytest.raises(OrchestratorError, match=r"(has child tables|is a (child table|partition) of)"):
                install(host)
            assert value(connection, "SELECT to_regnamespace('connection_paths')") is None
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            connection.execute(sqlfiles.query("install/demo_tables"))


def test_verify_and_doctor_report_uncaptured_tables(server: str, dsn: str) -> None:
    for what in ("a view dropped", "contacts exchanged", "a child", "a trigger disabled"):
        with copied(server, dsn) as copy, connect(copy) as connection:
            connection.execute(PROBLEMS[what][0].encode())
            (finding,) = [each for each in diagnose(copy).findings if each.object == PROBLEMS[what][1][-1][1]][-1:]
            assert finding.severity == "wrong", what
            said = verify(copy, sample=10)
            assert not said.ok, what
            assert said.findings[-1].startswith(sources.problems(connection, "public")[-1].problem[:20]), what


# Rows written in a session of replication.


@pytest.mark.parametrize("role", ["origin", "replica", "local"])
def test_row_triggers_queue_what_statement_triggers_miss(db: Connection, role: str) -> None:
    def noted() -> list[tuple[Any, ...]]:
        return db.execute(
            "DELETE FROM connection_paths.contact_changes RETURNING contact_id, organization_id"
        ).fetchall()

    with db.transaction(force_rollback=True):
        for table in TABLES:
            db.execute(for_replicas(table).encode())
        assert sources.problems(db, "public") == []
        db.execute(f"SET LOCAL session_replication_role = {role}".encode())
        noting: dict[str, list[tuple[Any, ...]]] = {
            "INSERT INTO contacts VALUES (100, 'x'), (101, 'y')": [(100, None), (101, None)],
            "UPDATE contacts SET name = 'z' WHERE id = 100": [],
            "UPDATE contacts SET id = 102 WHERE id = 101": [(101, None), (102, None)],
            "DELETE FROM contacts WHERE id = 102": [(102, None)],
            "INSERT INTO organizations VALUES (100, 'x')": [(None, 100)],
            "UPDATE organizations SET id = 101 WHERE id = 100": [(None, 100), (None, 101)],
            "DELETE FROM organizations WHERE id = 101": [(None, 101)],
            "INSERT INTO contact_work_experiences VALUES (100, 5, 1, 'x', '2020-01-01')": [(5, None)],
            "UPDATE contact_work_experiences SET company_name = 'z' WHERE id = 100": [],
            "UPDATE contact_work_experiences SET date_to = '2021-01-01' WHERE id = 100": [(5, None)],
            "UPDATE contact_work_experiences SET contact_id = 6 WHERE id = 100": [(5, None), (6, None)],
            "DELETE FROM contact_work_experiences WHERE id = 100": [(6, None)],
            "TRUNCATE organizations": [(None, None)],
            "TRUNCATE contacts, contact_work_experiences": [(None, None), (None, None)],
        }
        for change, expected in noting.items():
            db.execute(change.encode())
            assert sorted(noted(), key=str) == sorted(expected, key=str), change


@pytest.mark.parametrize(
    ("table", "change"), [(t, c) for n, t, c in broken_columns() if "rename" in n or "retype" in n]
)
def test_a_replicated_write_never_fails(db: Connection, table: str, change: str) -> None:
    with db.transaction(force_rollback=True):
        db.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
        for each in TABLES:
            db.execute(for_replicas(each).encode())
        db.execute(change.encode())
        db.execute("SET LOCAL session_replication_role = replica")
        assert list(write(db, table))[-1] == "TRUNCATE"
        assert [row[0] for row in failures(db)] == [f"public.{table}"]


@contextmanager
def logical_server() -> Iterator[str]:
    settings = {**SETTINGS, "wal_level": "logical", "max_logical_replication_workers": "8"}
    with serve_temporarily(binaries=Path(binaries()), settings=settings) as (_, dsn):
        yield dsn


def test_writes_of_logical_replication_are_queued() -> None:
    with logical_server() as server:
        with connect(server) as connection:
            connection.execute("CREATE DATABASE there")
            connection.execute("CREATE DATABASE here")
        there_dsn, here_dsn = make_conninfo(server, dbname="there"), make_conninfo(server, dbname="here")
        with connect(there_dsn) as there, connect(here_dsn) as here:
            for each in (there, here):
                each.execute(sqlfiles.query("install/demo_tables"))
            there.execute("INSERT INTO contacts SELECT i, 'c' FROM generate_series(1, 8) AS i")
            there.execute("INSERT INTO organizations SELECT i, 'o' FROM generate_series(1, 3) AS i")
            there.execute(
                "INSERT INTO contact_work_experiences"
                " SELECT i, 1 + i % 8, 1 + i * i % 3, 'x', '2010-01-01' FROM generate_series(0, 15) AS i"
            )
            there.execute(f"CREATE PUBLICATION p FOR TABLE {', '.join(TABLES)}".encode())
            there.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
            install(here_dsn)
            here.execute(
                f"CREATE SUBSCRIPTION s CONNECTION '{there_dsn}' PUBLICATION p"
                " WITH (create_slot = false, enabled = false)".encode()
            )
            found = sources.problems(here, "public")
            assert {(each.kind, each.remedy) for each in found} == {("subscription", "replicated")}
            assert len(found) == 3
            for table in TABLES:
                here.execute(for_replicas(table).encode())
            assert sources.problems(here, "public") == []
            here.execute("ALTER SUBSCRIPTION s ENABLE")

            def follow() -> None:
                count = "SELECT count(*) || ' ' || COALESCE(max(date_to)::text, '') FROM contact_work_experiences"
                others = "SELECT (SELECT count(*) FROM contacts) || ' ' || (SELECT count(*) FROM organizations)"
                for each in (count, others):
                    eventually(here, f"SELECT ({each}) = %s", value(there, each))
                sync(here_dsn)
                assert edges(here) == right_edges(here) == oracle.edges(world_of(there))

            try:
                follow()  # existing rows are copied
                assert edges(here)
                there.execute("UPDATE contact_work_experiences SET date_to = '2034-01-01' WHERE id < 5")
                follow()
                there.execute("DELETE FROM contacts WHERE id = 3")
                follow()
                there.execute(
                    "INSERT INTO contact_work_experiences VALUES (1000, 1, 3, 'x', '2001-01-01', '2035-01-01')"
                )
                follow()
                there.execute("TRUNCATE contact_work_experiences")
                follow()
            finally:
                here.execute("ALTER SUBSCRIPTION s DISABLE")
                here.execute("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
                here.execute("DROP SUBSCRIPTION s")


# Citus.

CITUS = {
    "distributed": ("public.contacts", "h", "s"),
    "distributed by range": ("public.contact_work_experiences", "r", "c"),
    "reference": ("public.organizations", "n", "t"),
    "local": ("public.user_contact_collections", "n", "s"),
    "of the package": ("connection_paths.contact_connections_live", "h", "s"),
}


@pytest.mark.parametrize("how", CITUS)
def test_tables_that_citus_manages_are_refused(db: Connection, how: str) -> None:
    table, method, replication = CITUS[how]
    with db.transaction(force_rollback=True):
        db.execute("SET LOCAL allow_system_table_mods = on")
        db.execute(
            'CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char", repmodel "char")'
        )
        db.execute("CREATE TABLE another (id bigint)")
        db.execute("INSERT INTO pg_dist_partition VALUES ('another', 'h', 's')")
        assert sources.citus_tables(db, binding.default("public")) == []
        db.execute("SELECT connection_paths.require_sources()")
        db.execute("INSERT INTO pg_dist_partition VALUES (%s, %s, %s)", (table, method, replication))
        assert [row[0] for row in sources.citus_tables(db, binding.default("public"))] == [table]
        for call in (
            "sync_changes()", "backfill_contact(1)", "write_edges('{1}')",
            "create_run('in_place')", "create_run('rebuild')", "refresh_range(NULL, NULL)", "rebuild_range(1, 2)",
        ):  # fmt: skip
            with pytest.raises(psycopg.Error, match=f"managed by Citus: {table}") as raised, db.transaction():
                db.execute(f"SELECT connection_paths.{call}".encode())
            assert raised.value.sqlstate == "CP011"
