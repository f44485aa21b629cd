"""A batch is claimed by one worker, and only the claim of a dead worker is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from orchestrator.core.database import Connection
from orchestrator.runs import runs
from tests.support import oracle
from tests.support.edges import edges
from tests.support.runs import (
    WAITING,
    Claim,
    batches,
    begin,
    check_books,
    claim,
    claimed,
    create,
    do,
    each_strategy,
    fail,
)
from tests.support.sessions import connect, refused, terminate, value
from tests.support.waiting import all_at_once, in_the_background, until
from tests.support.world import office


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
