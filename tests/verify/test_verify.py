"""verify finds every fault, and nothing in a correct database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from orchestrator.verify.comparison import Difference
from orchestrator.verify.verification import Verdict, verify
from tests.support.command_line import run
from tests.support.properties import first_of, long

CONTACTS = 40


@pytest.fixture(scope="module")
def dsn(new_installed: Callable[[], str]) -> str:
    return new_installed()


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    """Forty contacts in teams of five; the last ten have no work experiences. The edges are up to date."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE contacts, organizations, contact_work_experiences, user_contact_collections")
        connection.execute("TRUNCATE connection_paths.contact_connections")
        connection.execute("TRUNCATE connection_paths.contact_changes, connection_paths.due_changes")
        connection.execute("TRUNCATE connection_paths.backfill_runs CASCADE")
        connection.execute("INSERT INTO contacts SELECT g, '' FROM generate_series(1, %s) AS g", (CONTACTS,))
        connection.execute("INSERT INTO organizations SELECT g, '' FROM generate_series(1, 6) AS g")
        connection.execute(
            "INSERT INTO contact_work_experiences SELECT g, g, 1 + g / 5, '', date '2010-01-01' + g"
            " FROM generate_series(1, %s - 11) AS g",
            (CONTACTS,),
        )
        connection.execute(
            "INSERT INTO user_contact_collections SELECT 1 + g %% 3, g, 7, 1 FROM generate_series(1, %s) AS g",
            (CONTACTS,),
        )
        sync(dsn)
        yield connection


@contextmanager
def uncaptured(connection: Connection) -> Iterator[None]:
    """Disable the triggers on work experiences."""
    connection.execute("ALTER TABLE contact_work_experiences DISABLE TRIGGER USER")
    try:
        yield
    finally:
        connection.execute("ALTER TABLE contact_work_experiences ENABLE TRIGGER USER")


def sole_finding(verdict: Verdict) -> str:
    assert not verdict.ok
    (finding,) = verdict.findings
    return finding


def finish_a_run(connection: Connection, status: str = "succeeded") -> int:
    row = connection.execute(
        "INSERT INTO connection_paths.backfill_runs (strategy, status, phase) VALUES ('in_place', %s, 'finished')"
        " RETURNING run_id",
        (status,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_correct_database_has_no_findings(db: Connection, dsn: str) -> None:
    printed: list[str] = []
    verdict = verify(dsn, report=printed.append)
    assert verdict.ok
    assert verdict.findings == []
    assert printed
    assert verdict.run is None
    assert verdict.sample.contacts == CONTACTS
    assert verdict.sample.strata.keys() == {"heavy", "middle", "light", "alone", "edge end"}
    assert verdict.sample.strata["alone"] == CONTACTS - 29
    assert (verdict.sample.wrong, verdict.sample.waiting) == ([], [])
    assert (verdict.queue.waiting, verdict.queue.failed) == (0, [])
    assert verdict.finders.latencies.calls > 0
    assert verdict.finders.incomplete == 0
    finish_a_run(db)
    assert verify(dsn).ok


def test_a_seed_chooses_the_sample(db: Connection, dsn: str) -> None:
    one = verify(dsn, sample=10)
    assert set(one.sample.strata.values()) == {2}
    assert one.sample.contacts <= 10
    db.execute("DELETE FROM connection_paths.contact_connections")
    wrong = [verify(dsn, sample=10, seed=seed).sample.wrong for seed in (1, 1, 2)]
    assert wrong[0] == wrong[1] != wrong[2]


def test_an_empty_database_has_no_findings(db: Connection, dsn: str) -> None:
    db.execute("TRUNCATE contacts, organizations, contact_work_experiences, user_contact_collections")
    sync(dsn)
    verdict = verify(dsn)
    assert verdict.ok
    assert verdict.sample.contacts == verdict.finders.latencies.calls == 0


EDGE = "connection_paths.contact_connections"
WRONG = {
    "missing": f"DELETE FROM {EDGE} WHERE contact_a_id = 11 AND contact_b_id = 12",
    "stale": f"INSERT INTO {EDGE} VALUES (11, 39, 'work_overlap', 50, 1, 3, '2010-01-01', NULL, 0, 2)",
    "another date": f"UPDATE {EDGE} SET date_to = '2020-01-01' WHERE contact_a_id = 11 AND contact_b_id = 12",
    "another organization": f"UPDATE {EDGE} SET organization_id = 1 WHERE contact_a_id = 11 AND contact_b_id = 12",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_edge_is_found(db: Connection, dsn: str, name: str) -> None:
    finish_a_run(db)
    db.execute(WRONG[name].encode())
    verdict = verify(dsn)
    (found,) = verdict.sample.wrong
    assert found.contact_a_id == 11
    assert found.problem == (name if name in ("missing", "stale") else "different")
    assert str(found) in sole_finding(verdict)
    db.execute("SELECT connection_paths.backfill_contact(11)")
    assert verify(dsn).ok


def test_a_wrong_size_is_found_when_its_count_is_overdue(db: Connection, dsn: str) -> None:
    sizes = "connection_paths.organization_sizes"
    assert db.execute(f"SELECT DISTINCT people FROM {sizes} WHERE organization_id < 6".encode()).fetchall() == [(5,)]
    with uncaptured(db):  # every edge is right for the class that its organization has now
        db.execute("DELETE FROM contact_work_experiences WHERE organization_id = 1")
        db.execute(
            "INSERT INTO contact_work_experiences SELECT 1000 + g, g, 6, '', '1990-01-01', '1990-01-01'"
            " FROM generate_series(1, 30) AS g WHERE g NOT BETWEEN 25 AND 29"
        )
        db.execute("SELECT connection_paths.backfill_contact(id) FROM contacts")
    assert verify(dsn).ok
    db.execute(f"UPDATE {sizes} SET counted_at = now() - interval '1 day'".encode())
    db.execute(f"INSERT INTO {sizes} VALUES (77, 5, '2000-01-01')".encode())  # an organization that does not exist
    assert sole_finding(verify(dsn)) == (
        "the size of 2 organizations is wrong, and so is the strength of their edges; for example, organization 6"
        " counts as 5 people and has 30; run orchestrator sync"
    )
    assert run("--dsn", dsn, "verify").exit_code == 3
    sync(dsn)
    assert verify(dsn).ok
    db.execute(f"DELETE FROM {sizes}".encode())


def test_an_edge_of_two_deleted_contacts_is_found_in_any_sample(db: Connection, dsn: str) -> None:
    finish_a_run(db)
    db.execute(f"INSERT INTO {EDGE} VALUES (8000, 9000, 'work_overlap', 50, 1, 3, '2010-01-01', NULL, 0, 2)".encode())
    verdict = verify(dsn, sample=5)
    assert verdict.sample.wrong == [Difference(8000, 9000, "stale", is_waiting=False)]


def test_edges_of_other_kinds_are_not_checked(db: Connection, dsn: str) -> None:
    db.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE IF NOT EXISTS 'friend'")
    db.execute(f"INSERT INTO {EDGE} VALUES (11, 39, 'friend'), (8000, 9000, 'friend')".encode())
    assert verify(dsn).ok


def test_an_uncaptured_change_is_found(db: Connection, dsn: str) -> None:
    with uncaptured(db):
        db.execute("UPDATE contact_work_experiences SET date_from = '2016-01-01' WHERE contact_id = 11")
    verdict = verify(dsn)
    assert {each.problem for each in verdict.sample.wrong} == {"different"}
    assert "no backfill has ever finished" in verdict.findings[0]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE contact_work_experiences SET date_from = '2016-01-01' WHERE contact_id = 11",
        long("UPDATE contact_work_experiences SET organization_id = 1 WHERE contact_id = 11"),
        long("DELETE FROM organizations WHERE id = 3"),
        "DELETE FROM contacts WHERE id IN (11, 12)",
        "TRUNCATE contact_work_experiences",
    ],
)
def test_waiting_changes_are_reported_and_are_not_wrong(db: Connection, dsn: str, change: str) -> None:
    db.execute(change.encode())
    verdict = verify(dsn)
    assert verdict.sample.wrong == []
    assert verdict.sample.waiting != []
    assert verdict.queue.is_behind
    assert verdict.queue.waiting > 0
    assert "orchestrator sync" in sole_finding(verdict)
    sync(dsn)
    assert verify(dsn).ok


def test_changes_during_the_check_are_not_findings(db: Connection, dsn: str) -> None:
    def write(_: str) -> None:
        db.execute("UPDATE contact_work_experiences SET date_from = date_from + 1 WHERE contact_id = 11")

    verdict = verify(dsn, report=write)
    assert verdict.queue.waiting > 0
    assert verdict.ok


def test_contacts_that_could_not_be_refreshed_are_found(db: Connection, dsn: str) -> None:
    db.execute(
        "ALTER TABLE connection_paths.contact_connections_live"
        " ADD CONSTRAINT poison CHECK (11 NOT IN (contact_a_id, contact_b_id)) NOT VALID"
    )
    try:
        db.execute("UPDATE contact_work_experiences SET date_from = '2016-01-01' WHERE contact_id = 11")
        assert sync(dsn).failed == 1
        verdict = verify(dsn)
        assert verdict.sample.wrong == []
        (left,) = verdict.queue.failed
        assert left["contact_id"] == 11
        assert "poison" in left["error"]
        assert "contact 11" in sole_finding(verdict)
        assert "--retry-failed" in sole_finding(verdict)
    finally:
        db.execute("ALTER TABLE connection_paths.contact_connections_live DROP CONSTRAINT poison")
    sync(dsn, retry_failed=True)
    assert verify(dsn).ok


def test_an_active_run_is_found(db: Connection, dsn: str) -> None:
    row = db.execute("SELECT connection_paths.create_run('in_place')").fetchone()
    assert row is not None
    verdict = verify(dsn)
    assert f"run {row[0]} is running" in sole_finding(verdict)
    assert verdict.run is not None
    assert verdict.run.run_id == row[0]
    db.execute("SELECT connection_paths.cancel_run(%s)", row)
    assert verify(dsn).ok


def test_contacts_set_aside_are_compared(db: Connection, dsn: str) -> None:
    run_id = finish_a_run(db, "succeeded with exceptions")
    db.execute(
        "INSERT INTO connection_paths.backfill_batches"
        " (run_id, upto_contact_id, predicted_edges, status, contact_id, error)"
        " VALUES (%s, NULL, 0, 'set aside', 11, 'it would not')",
        (run_id,),
    )
    verdict = verify(dsn)
    assert verdict.ok  # its edges are right again
    assert [each["contact_id"] for each in verdict.set_aside] == [11]
    db.execute(WRONG["missing"].encode())
    verdict = verify(dsn, sample=1)  # for any sample
    assert Difference(11, 12, "missing", is_waiting=False) in verdict.sample.wrong
    assert "set aside" in verdict.findings[0]
    assert "it would not" in verdict.findings[0]


def test_a_range_without_contacts_may_be_set_aside(db: Connection, dsn: str) -> None:
    run_id = finish_a_run(db, "succeeded with exceptions")
    db.execute(
        "INSERT INTO connection_paths.backfill_batches (run_id, upto_contact_id, predicted_edges, status, error)"
        " VALUES (%s, NULL, 0, 'set aside', 'it would not')",
        (run_id,),
    )
    assert verify(dsn).ok


INDEXES = ("idx_members_by_collection", "idx_experiences_by_contact", "idx_cc_walk_a")


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("how", first_of(2, ["not valid", "missing"]))
def test_a_missing_index_prevents_the_expensive_checks(db: Connection, dsn: str, index: str, how: str) -> None:
    """Without one of these indexes, every contact needs a scan of whole tables; the check then took 424 s."""
    row = db.execute(
        "SELECT i.indexrelid::regclass::text FROM pg_index AS i"
        " JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relname = %s",
        (index,),
    ).fetchone()
    assert row is not None
    flag = "UPDATE pg_index SET indisvalid = {} WHERE indexrelid = '{}'::regclass"
    db.execute((f"DROP INDEX {row[0]}" if how == "missing" else flag.format("false", row[0])).encode())
    try:
        verdict = verify(dsn)
        finding = sole_finding(verdict)
        assert f"{index} is {how}" in finding
        assert finding.endswith("; orchestrator doctor shows how to repair it")
        assert verdict.unfinished == [
            "edges were not compared and find_paths was not timed, because indexes are missing"
        ]
        assert (verdict.sample.contacts, verdict.finders.latencies.calls) == (0, 0)
        shown = run("--dsn", dsn, "verify")
        assert shown.exit_code == 3
        assert "NOT CHECKED: edges were not compared" in shown.stdout
    finally:
        if how == "missing":
            install(dsn)
        else:
            db.execute(flag.format("true", row[0]).encode())
    assert verify(dsn).ok


@pytest.mark.parametrize(
    ("query", "left_out"),
    [
        ("edges/verify_sample", "no contacts could be chosen within "),
        ("edges/verify_edges", "0 of 40 contacts were compared within "),
        ("finders/canary_targets", "find_paths was timed 0 times within "),
    ],
)
def test_checks_beyond_the_time_limit_are_left_out(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, query: str, left_out: str
) -> None:
    real = sqlfiles.query
    slow = {query: f"SELECT r.* FROM pg_catalog.pg_sleep(60) CROSS JOIN ({real(query)}) AS r"}
    monkeypatch.setattr(sqlfiles, "query", lambda name: slow.get(name) or real(name))
    verdict = verify(dsn, time_limit=1)
    assert verdict.findings == []
    assert not verdict.ok
    assert verdict.unfinished[0].startswith(left_out)
    shown = run("--dsn", dsn, "verify", "--time-limit", "1")
    assert shown.exit_code == 4, shown.output
    assert shown.stdout.endswith("No problems found in what was checked.\n")


def test_a_statement_cancelled_by_another_session_is_an_error(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlfiles.query
    cancelled = "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(9), %(each)s, %(seed)s"
    monkeypatch.setattr(sqlfiles, "query", lambda name: cancelled if name == "edges/verify_sample" else real(name))
    with pytest.raises(psycopg.errors.QueryCanceled):
        verify(dsn)


def test_slow_or_failing_finders_are_found(db: Connection, dsn: str) -> None:
    verdict = verify(dsn, objective_ms=0.001)
    assert verdict.finders.latencies.p95 is not None
    assert "p95 of find_paths" in sole_finding(verdict)
    db.execute("ALTER FUNCTION connection_paths.find_paths RENAME TO mislaid")
    found = db.execute("SELECT pg_get_function_identity_arguments('connection_paths.mislaid'::regproc)").fetchone()
    assert found is not None
    failing = f"connection_paths.find_paths({found[0]}) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(1 / 0)'"
    db.execute(f"CREATE FUNCTION {failing}".encode())
    try:
        assert "division by zero" in sole_finding(verify(dsn))
    finally:
        db.execute("DROP FUNCTION connection_paths.find_paths")
        db.execute("ALTER FUNCTION connection_paths.mislaid RENAME TO find_paths")


def test_a_reader_may_verify(db: Connection, dsn: str) -> None:
    role = f"connection_paths_test_{os.getpid()}"
    db.execute(f"CREATE ROLE {role}".encode())
    try:
        db.execute(f"GRANT USAGE ON SCHEMA connection_paths TO {role}".encode())
        db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA connection_paths, public TO {role}".encode())
        db.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths TO {role}".encode())
        assert verify(make_conninfo(dsn, options=f"-c role={role}")).ok
    finally:
        db.execute(f"DROP OWNED BY {role}".encode())
        db.execute(f"DROP ROLE {role}".encode())


def test_future_overlaps_are_correct_until_their_first_day(db: Connection, dsn: str) -> None:
    """A change between two time zones that never have the same date makes the first day of an experience come."""
    yesterday, today = (make_conninfo(dsn, options=f"-c timezone={zone}") for zone in ("Etc/GMT+12", "Etc/GMT-14"))
    with psycopg.connect(today) as connection:
        connection.execute(
            "INSERT INTO contact_work_experiences VALUES (900, 39, 1, '', current_date), (901, 39, 2, '', '2999-01-01')"
        )
    sync(yesterday)
    before = verify(yesterday)
    assert (before.queue.waiting, before.sample.wrong, before.sample.waiting) == (0, [], [])
    after = verify(today)
    assert after.queue.waiting == 1
    assert after.queue.is_behind
    assert after.sample.wrong == []
    assert {each.problem for each in after.sample.waiting} == {"missing"}
    sync(today)
    assert verify(today).ok
