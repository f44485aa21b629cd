"""One run is created at a time, and its batches cover each contact once."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from orchestrator.core.database import Connection
from orchestrator.runs import runs
from tests.support.edges import edges
from tests.support.runs import (
    RESET,
    STRATEGIES,
    batches,
    begin,
    briefly,
    check_books,
    check_partition,
    claim,
    create,
    each_strategy,
    end,
    work,
)
from tests.support.sessions import connect, refused, value
from tests.support.waiting import all_at_once
from tests.support.world import World, office, worlds


@briefly
@given(world=worlds(), strategy=st.sampled_from(STRATEGIES), batch_edges=st.sampled_from((1, 2, 5, 20, None)))
def test_batches_cover_every_bigint_once(db: Connection, world: World, strategy: str, batch_edges: int | None) -> None:
    begin(db, world)
    run_id = create(db, strategy, batch_edges)
    rows = batches(db, run_id)
    check_books(db, run_id)
    assert {(row.status, row.attempts, row.failures) for row in rows} == {("pending", 0, 0)}
    assert all(row.predicted_edges >= 0 for row in rows)


def test_batches_have_the_requested_size(db: Connection) -> None:
    begin(db, office(40))
    rows = batches(db, create(db, "in_place", 100))
    assert 6 <= len(rows) <= 12  # 780 edges
    assert all(row.predicted_edges <= 200 for row in rows)
    db.execute(RESET)
    assert len(batches(db, create(db, "in_place", 1))) == 40


@pytest.mark.parametrize(
    ("edit", "refusal"),
    [
        ("INSERT (5, 15)", errors.ForeignKeyViolation),
        ("INSERT (10, 15)", errors.UniqueViolation),
        ("INSERT (20, 25)", errors.UniqueViolation),
        ("INSERT (15, 20)", errors.UniqueViolation),
        ("INSERT (NULL, 5)", errors.UniqueViolation),
        ("INSERT (25, NULL)", errors.UniqueViolation),
        ("INSERT (NULL, NULL)", errors.UniqueViolation),
        ("INSERT (25, 25)", errors.CheckViolation),
        ("INSERT (30, 25)", errors.CheckViolation),
        ("DELETE WHERE above_contact_id = 10", errors.ForeignKeyViolation),
        ("DELETE WHERE above_contact_id IS NULL", errors.ForeignKeyViolation),
        ("UPDATE SET upto_contact_id = 15 WHERE upto_contact_id = 20", errors.ForeignKeyViolation),
        ("UPDATE SET upto_contact_id = 25 WHERE upto_contact_id = 20", errors.ForeignKeyViolation),
        ("UPDATE SET above_contact_id = 15 WHERE above_contact_id = 20", errors.ForeignKeyViolation),
        ("UPDATE SET above_contact_id = NULL WHERE above_contact_id = 20", errors.UniqueViolation),
    ],
)
def test_a_gap_or_an_overlap_cannot_be_committed(
    db: Connection, edit: str, refusal: type[psycopg.errors.Error]
) -> None:
    begin(db, World(frozenset()))
    run_id = create(db, "in_place")
    db.execute("UPDATE connection_paths.backfill_batches SET upto_contact_id = 10 WHERE run_id = %s", (run_id,))
    add = (
        "INSERT INTO connection_paths.backfill_batches"
        " (run_id, above_contact_id, upto_contact_id, predicted_edges) VALUES"
    )
    db.execute(f"{add} ({run_id}, 10, 20, 0), ({run_id}, 20, NULL, 0)".encode())
    what, rest = edit.split(" ", 1)
    statement = {
        "INSERT": f"{add} ({run_id}, {rest[1:-1]}, 0)",
        "DELETE": f"DELETE FROM connection_paths.backfill_batches {rest} AND run_id = {run_id}",
        "UPDATE": f"UPDATE connection_paths.backfill_batches {rest} AND run_id = {run_id}",
    }[what]
    with pytest.raises(refusal):
        db.execute(statement.encode())
    check_partition(batches(db, run_id))


@each_strategy
def test_an_empty_database_can_have_a_run(db: Connection, strategy: str) -> None:
    begin(db, World(frozenset()))
    run_id = create(db, strategy)
    (batch,) = batches(db, run_id)
    assert (batch.above_contact_id, batch.upto_contact_id, batch.predicted_edges) == (None, None, 0)
    assert work(db, run_id) == 0
    assert end(db, run_id, strategy) == "succeeded"
    assert edges(db) == {}


@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        ("create_run('sideways')", "22023"),
        ("create_run(NULL)", "22023"),
        ("create_run('in_place', 0)", "22023"),
        ("create_run('rebuild', -5)", "22023"),
        ("do_batch(-1, 1, 1)", runs.CLAIM_LOST),
        ("do_batch(NULL, NULL, NULL)", runs.CLAIM_LOST),
        ("fail_batch(-1, 1, 1, 'no', true)", runs.CLAIM_LOST),
        ("finish_run(-1)", "02000"),
        ("copy_remaining_edges(-1)", "02000"),
        ("require_batches_done(-1)", "02000"),
    ],
)
def test_bad_arguments(db: Connection, call: str, refusal: str) -> None:
    with refused(refusal):
        db.execute(f"SELECT connection_paths.{call}".encode())
    assert runs.listed(db) == []


def test_an_unknown_run_cannot_be_claimed_cancelled_or_exchanged(db: Connection) -> None:
    assert claim(db, -1) is None
    assert value(db, "SELECT connection_paths.cancel_run(-1)") is False
    assert value(db, "SELECT connection_paths.exchange_rebuild(-1)") is False


@each_strategy
def test_there_is_one_run_at_a_time(db: Connection, strategy: str) -> None:
    begin(db, office(3))
    run_id = create(db, strategy)
    for function in ("resume_run", "pause_run"):
        db.execute(f"SELECT connection_paths.{function}(%s)".encode(), (run_id,))
        for other in STRATEGIES:
            with refused(runs.UNDER_WAY, f"run {run_id} is under way"):
                create(db, other)
    db.execute("SELECT connection_paths.resume_run(%s)", (run_id,))
    work(db, run_id)
    end(db, run_id, strategy)
    assert create(db, strategy) > run_id


@each_strategy
def test_one_of_twenty_simultaneous_calls_creates_the_run(db: Connection, dsn: str, strategy: str) -> None:
    begin(db, office(10))
    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(dsn)) for _ in range(20)]
        outcomes = all_at_once([lambda each=each: create(each, strategy, 5) for each in sessions])  # type: ignore[misc]
    begun = [each for each in outcomes if isinstance(each, int)]
    assert [each.sqlstate for each in outcomes if not isinstance(each, int)] == [runs.UNDER_WAY] * 19
    assert [each.run_id for each in runs.listed(db)] == begun
    check_books(db, begun[0])


def test_the_sample_is_counted_once_whatever_the_planner_expects(db: Connection) -> None:
    """In tables that were never analysed it may expect one contact, and count the sample again for each contact."""
    plan = db.execute("EXPLAIN SELECT p.contact_id, p.edges FROM connection_paths.predicted_edges() AS p").fetchall()
    assert [line.strip() for (line,) in plan if "CTE sample" in line] == ["CTE sample"]
