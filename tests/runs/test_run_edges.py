"""A run of either strategy makes the edges of the oracle, also beside a refresh."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.database import Connection
from orchestrator.runs import runs
from tests.support import oracle
from tests.support.edges import edges, stored, wrong_edges
from tests.support.properties import repeatable
from tests.support.runs import STRATEGIES, WAITING, begin, check_books, claimed, create, do, end, friends, work
from tests.support.sessions import connect, value
from tests.support.waiting import in_the_background, until
from tests.support.world import TODAY, WORK_OVERLAP, Edge, Pair, World, office, worlds


@repeatable(20)
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
