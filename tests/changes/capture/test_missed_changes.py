"""Changes that were not queued are refreshed later."""

from __future__ import annotations

import pytest

from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host import sources
from orchestrator.verify.verification import verify
from tests.support.capture import ISOLATION, TABLES, failures
from tests.support.changes import fill, queue_length
from tests.support.edges import edges, right_edges
from tests.support.sessions import connect, value


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


def test_calls_until_nothing_is_taken_finish_the_recovery(db: Connection) -> None:
    before = edges(db)
    db.execute("ALTER TABLE connection_paths.contact_changes RENAME contact_id TO another_name")
    db.execute("UPDATE contact_work_experiences SET date_from = date_from + 100 WHERE contact_id = 6")
    db.execute("ALTER TABLE connection_paths.contact_changes RENAME another_name TO contact_id")
    assert len(failures(db)) == 1
    assert queue_length(db) == 0
    while value(db, "SELECT taken FROM connection_paths.sync_changes()"):
        pass
    assert failures(db) == []
    assert before != edges(db) == right_edges(db)


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
