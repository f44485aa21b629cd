"""Runs: batches cover each contact once, claims are fenced, counters are true, edges are the oracle's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors
from psycopg.types.json import Jsonb

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.runs import runs
from tests.support import oracle
from tests.support.edges import edges, stored, wrong_edges
from tests.support.properties import repeatable
from tests.support.runs import (
    RESET,
    STRATEGIES,
    WAITING,
    Claim,
    batches,
    begin,
    briefly,
    check_books,
    check_partition,
    claim,
    claimed,
    create,
    do,
    each_strategy,
    end,
    fail,
    friends,
    work,
)
from tests.support.sessions import connect, refused, terminate, value
from tests.support.waiting import all_at_once, in_the_background, until
from tests.support.world import TODAY, WORK_OVERLAP, Edge, Pair, World, office, worlds

# The plan


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


# Claims


def test_a_lost_claim_cannot_be_used(db: Connection, dsn: str) -> None:
    begin(db, office(4))
    run_id = create(db, "in_place")
    with connect(dsn) as dead:
        old = claimed(dead, run_id)
        terminate(db, dead)
    with connect(dsn) as living:
        new = claimed(living, run_id)
        assert new == old._replace(attempt=2)
        for stale in (old, new._replace(attempt=3)):
            with refused(runs.CLAIM_LOST):
                do(db, run_id, stale)
            with refused(runs.CLAIM_LOST):
                fail(db, run_id, stale)
        assert edges(db) == {}
        assert do(living, run_id, new) == 6
        with refused(runs.CLAIM_LOST):
            do(living, run_id, new)
        with refused(runs.CLAIM_LOST):
            fail(living, run_id, new)
    (batch,) = batches(db, run_id)
    assert (batch.status, batch.attempts, batch.failures, batch.edges_changed) == ("done", 2, 0, 6)


def test_a_claim_from_before_a_split_cannot_be_used(db: Connection, dsn: str) -> None:
    begin(db, office(4))
    run_id = create(db, "in_place")
    with connect(dsn) as one, connect(dsn) as other:
        old = claimed(one, run_id)
        assert fail(one, run_id, old) == "split"
        new = claimed(other, run_id)
        assert new.takes(1)
        with refused(runs.CLAIM_LOST):
            fail(one, run_id, old)
        with refused(runs.CLAIM_LOST):
            do(one, run_id, old)
        assert do(other, run_id, new) > 0


def test_only_dead_workers_lose_their_batches(db: Connection, dsn: str) -> None:
    begin(db, office(6))
    run_id = create(db, "in_place", 1)
    total = len(batches(db, run_id))
    assert total == 6
    with connect(dsn) as dead, connect(dsn) as living, connect(dsn) as third:
        lost = [claimed(dead, run_id) for _ in range(2)]
        kept = claimed(living, run_id)
        assert kept.batch_id not in [each.batch_id for each in lost]
        terminate(db, dead)
        found = []
        while (batch := claim(third, run_id)) is not None:
            found.append((batch.batch_id, batch.attempt))
            do(third, run_id, batch)
        assert found[:2] == [(each.batch_id, 2) for each in lost]
        assert len(found) == total - 1
        assert [each.status for each in batches(db, run_id)].count("claimed") == 1
        do(living, run_id, kept)
    check_books(db, run_id)
    assert edges(db) == oracle.edges(office(6))


@each_strategy
@pytest.mark.parametrize("rival", [do, fail])
def test_one_claim_is_used_once(
    db: Connection, dsn: str, strategy: str, rival: Callable[[Connection, int, Claim], Any]
) -> None:
    """Two sessions have the same claim, as when a connection was wrongly taken for dead."""
    begin(db, office(5))
    run_id = create(db, strategy)
    with connect(dsn) as one, connect(dsn) as other, connect(dsn) as blocker:
        batch = claimed(one, run_id)
        blocker.execute("BEGIN; LOCK TABLE public.contacts IN ACCESS EXCLUSIVE MODE")
        with in_the_background(lambda: do(one, run_id, batch)) as first:
            until(lambda: value(db, WAITING) == 1)
            with in_the_background(lambda: rival(other, run_id, batch)) as second:
                until(lambda: value(db, WAITING) == 2 or second.done())
                blocker.execute("ROLLBACK")
                assert first.result() == 10
                with refused(runs.CLAIM_LOST):
                    second.result()
    check_books(db, run_id)
    table = "contact_connections_next" if strategy == "rebuild" else "contact_connections"
    assert value(db, f"SELECT count(*) FROM connection_paths.{table}") == 10


def test_a_run_has_at_most_max_workers(db: Connection, dsn: str) -> None:
    begin(db, office(20))
    run_id = create(db, "in_place", 1)
    held: dict[Connection, Claim] = {}

    def grab() -> int:
        """Let all sessions without a batch claim at once; returns how many got one."""
        idle = [each for each in sessions if each not in held]
        got = all_at_once([lambda each=each: claim(each, run_id) for each in idle])  # type: ignore[misc]
        found = {session: batch for session, batch in zip(idle, got, strict=True) if batch is not None}
        held.update(found)
        return len(found)

    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(dsn)) for _ in range(10)]
        for most, expected in ((3, 3), (3, 0), (5, 2), (1, 0), (0, 0)):
            db.execute("SELECT connection_paths.set_max_workers(%s, %s)", (run_id, most))
            assert grab() == expected
        db.execute("SELECT connection_paths.set_max_workers(%s, 5)", (run_id,))
        for session in list(held)[:2]:
            do(session, run_id, held.pop(session))
        assert grab() == 2
        victim = next(iter(held))
        lost = held[victim]
        terminate(db, victim)
        sessions.remove(victim)
        del held[victim]
        assert grab() == 1
        assert lost._replace(attempt=2) in held.values()
        db.execute("SELECT connection_paths.set_max_workers(%s, NULL)", (run_id,))
        assert grab() == 4
        assert len({each.batch_id for each in held.values()}) == 9


@pytest.mark.parametrize(
    ("call", "may_end"),
    [("pause_run(%s)", True), ("set_max_workers(%s, 0)", True), ("request_cancel(%s)", False)],
)
@each_strategy
def test_a_paused_cancelled_or_limited_run_gives_no_batch(
    db: Connection, dsn: str, call: str, may_end: bool, strategy: str
) -> None:
    begin(db, office(6))
    run_id = create(db, strategy, 1)
    with connect(dsn) as worker:
        batch = claimed(worker, run_id)
        db.execute(f"SELECT connection_paths.{call}".encode(), (run_id,))
        with connect(dsn) as other:
            assert claim(other, run_id) is None
        if may_end:
            assert do(worker, run_id, batch) > 0
            db.execute(
                "SELECT connection_paths.resume_run(%s), connection_paths.set_max_workers(%s, NULL)", (run_id, run_id)
            )
            assert claim(worker, run_id) is not None
        else:
            with refused(runs.CLAIM_LOST):
                do(worker, run_id, batch)


def test_a_batch_that_kills_its_worker_five_times_is_split(db: Connection, dsn: str) -> None:
    begin(db, office(4))
    run_id = create(db, "in_place")
    for attempt in range(1, 6):
        with connect(dsn) as doomed:
            assert claimed(doomed, run_id).attempt == attempt
            terminate(db, doomed)
    batch = claimed(db, run_id)
    rows = batches(db, run_id)
    check_partition(rows)
    assert [(row.upto_contact_id, row.status) for row in rows] == [(2, "claimed"), (None, "pending")]
    assert "died" in (rows[0].error or "")
    do(db, run_id, batch)
    work(db, run_id)
    assert end(db, run_id, "in_place") == "succeeded"
    assert edges(db) == oracle.edges(office(4))


def test_a_contact_that_kills_every_worker_is_set_aside(db: Connection, dsn: str) -> None:
    begin(db, office(2))
    run_id = create(db, "in_place")
    deaths = 0
    while not runs.set_aside(db, run_id):
        with connect(dsn) as worker:
            batch = claimed(worker, run_id)
            if batch.takes(1):
                deaths += 1
                terminate(db, worker)
            else:
                do(worker, run_id, batch)
        assert deaths <= 10
    assert deaths == 10
    assert [row["contact_id"] for row in runs.set_aside(db, run_id)] == [1]
    work(db, run_id)
    assert end(db, run_id, "in_place") == "succeeded with exceptions"


# Failures


def test_a_transient_failure_is_retried_four_times(db: Connection) -> None:
    begin(db, office(4))
    run_id = create(db, "in_place")
    outcomes = []
    for attempt in range(1, 6):
        batch = claimed(db, run_id)
        assert batch.attempt == attempt
        outcomes.append(fail(db, run_id, batch, "deadlock", passing=True))
    assert outcomes == ["retry"] * 4 + ["split"]
    rows = batches(db, run_id)
    check_partition(rows)
    shown = [(row.status, row.attempts, row.failures, row.error) for row in rows]
    assert shown == [("pending", 5, 5, "deadlock"), ("pending", 0, 0, "deadlock")]
    assert [row.retries for row in rows] == [0, 0]
    assert runs.read(db, run_id).failures == 5


@briefly
@given(data=st.data(), strategy=st.sampled_from(STRATEGIES))
def test_splitting_sets_aside_only_the_failing_contacts(db: Connection, data: st.DataObject, strategy: str) -> None:
    world = data.draw(worlds())
    before = data.draw(wrong_edges())
    poisoned = data.draw(st.sets(st.sampled_from(sorted(world.contacts)), min_size=1, max_size=3))
    begin(db, world, before)
    run_id = create(db, strategy, data.draw(st.sampled_from((1, 5, None))))
    predicted = runs.read(db, run_id).predicted_edges
    work(db, run_id, poisoned)
    check_books(db, run_id)
    assert runs.read(db, run_id).predicted_edges == predicted
    shown = runs.set_aside(db, run_id)
    assert [row["contact_id"] for row in shown] == sorted(poisoned)
    assert {row["error"] for row in shown} == {"no"}
    assert end(db, run_id, strategy) == "succeeded with exceptions"
    expected = {pair: edge for pair, edge in oracle.edges(world).items() if pair[0] not in poisoned}
    kept = {pair: edge for pair, edge in before.items() if pair[0] in poisoned}
    assert edges(db) == {**expected, **kept}


def test_a_range_without_contacts_is_set_aside_too(db: Connection) -> None:
    begin(db, World(frozenset()))
    run_id = create(db, "in_place")
    assert fail(db, run_id, claimed(db, run_id)) == "set aside"
    assert runs.set_aside(db, run_id) == [{"contact_id": None, "error": "no"}]


# Both strategies


@repeatable(40)
@given(
    world=worlds(),
    before=wrong_edges(),
    strategy=st.sampled_from(STRATEGIES),
    batch_edges=st.sampled_from((1, 3, 10, None)),
)
def test_both_strategies_make_the_right_edges(
    db: Connection, world: World, before: dict[Pair, Edge], strategy: str, batch_edges: int | None
) -> None:
    begin(db, world, before)
    others = friends(db)
    right = oracle.edges(world)
    run_id = create(db, strategy, batch_edges)
    changed = work(db, run_id)
    assert end(db, run_id, strategy) == "succeeded"
    assert edges(db) == right
    assert friends(db) == others
    check_books(db, run_id)
    shown = runs.read(db, run_id)
    assert (shown.status, shown.phase, shown.receipt) == ("succeeded", "finished", None)
    assert shown.edges_changed == changed
    assert shown.attempts == shown.batches
    if strategy == "rebuild":
        assert changed == len(right)
    else:
        assert changed == sum(before.get(pair) != right.get(pair) for pair in {*before, *right})
        rows = stored(db)
        again = create(db, strategy, batch_edges)
        assert work(db, again) == 0
        assert end(db, again, strategy) == "succeeded"
        assert stored(db) == rows


def test_a_run_that_is_over_stays_over(db: Connection) -> None:
    begin(db, office(3))
    for last in ("cancelled", "succeeded"):
        run_id = create(db, "in_place")
        work(db, run_id)
        if last == "succeeded":
            end(db, run_id, "in_place")
        else:
            db.execute("SELECT connection_paths.request_cancel(%s)", (run_id,))
        for status in ("running", "paused"):
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match=f"run {run_id} is over: {last}"):
                db.execute("UPDATE connection_paths.backfill_runs SET status = %s WHERE run_id = %s", (status, run_id))
            with pytest.raises(OrchestratorError, match=f"run {run_id} is over: {last}"):
                {"running": runs.resume, "paused": runs.pause}[status](db, run_id)
        if last == "succeeded":
            with pytest.raises(errors.ObjectNotInPrerequisiteState):
                db.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
        assert runs.read(db, run_id).status == last


def test_reporting_progress_waits_for_no_lock(db: Connection, dsn: str) -> None:
    begin(db, office(3))
    shown = {"run_id": create(db, "in_place"), "process": "here:1", "worker": 1, "report": Jsonb({"workers": 2})}
    tell = sqlfiles.query("runs/record_process")
    with connect(dsn, autocommit=False) as holder:
        holder.execute("SELECT connection_paths.set_max_workers(%s, 2)", (shown["run_id"],))
        db.execute("SET lock_timeout = '1s'")
        assert db.execute(tell, shown).rowcount == 0
        holder.rollback()
    db.execute("RESET lock_timeout")
    assert db.execute(tell, shown).rowcount == 1
    assert value(db, "SELECT processes #>> '{here:1,workers}' FROM connection_paths.backfill_runs") == "2"


def test_a_batch_does_not_overwrite_a_later_refresh(db: Connection, dsn: str) -> None:
    """The session has read that contacts 1 and 3 are colleagues, and that changes before it writes the edge."""
    world = office(3)
    begin(db, world, {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None, 50, 1, 0, 1)})
    run_id = create(db, "in_place")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    with connect(dsn) as holder, connect(dsn) as worker, connect(dsn) as follower:
        batch = claimed(worker, run_id)
        holder.execute("BEGIN; SELECT FROM connection_paths.contact_connections FOR UPDATE")
        with in_the_background(lambda: do(worker, run_id, batch)) as doing:
            until(lambda: value(db, WAITING) == 1)
            db.execute("DELETE FROM public.contact_work_experiences WHERE contact_id = 3")
            sync = "SELECT taken FROM connection_paths.sync_changes()"
            with in_the_background(lambda: value(follower, sync)) as syncing:
                until(lambda: syncing.done() or value(db, sleeping) == 1)
                holder.execute("ROLLBACK")
                assert syncing.result() == 1
            doing.result()
    assert list(edges(db)) == [(1, 2)]
