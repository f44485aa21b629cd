"""A change that cannot be queued makes no statement of a writer fail and is recorded."""

from __future__ import annotations

import pytest

from orchestrator.core.database import Connection
from orchestrator.host import sources
from tests.support.capture import ISOLATION, TABLES, broken_columns, failures, write
from tests.support.sessions import value


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


def test_a_writer_needs_no_rights_when_the_capture_fails(db: Connection) -> None:
    with db.transaction(force_rollback=True):
        db.execute("CREATE ROLE writes; GRANT ALL ON ALL TABLES IN SCHEMA public TO writes")
        db.execute("ALTER TABLE contact_work_experiences RENAME date_to TO until")
        db.execute("SET ROLE writes")
        db.execute("UPDATE contact_work_experiences SET until = '2033-01-01'")
        db.execute("RESET ROLE")
        assert len(failures(db)) == 1
