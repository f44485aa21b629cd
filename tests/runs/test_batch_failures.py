"""A batch that fails or kills its workers is retried, then split, until one contact is set aside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.database import Connection
from orchestrator.runs import runs
from tests.support import oracle
from tests.support.edges import edges, wrong_edges
from tests.support.runs import (
    STRATEGIES,
    batches,
    begin,
    briefly,
    check_books,
    check_partition,
    claimed,
    create,
    do,
    end,
    fail,
    work,
)
from tests.support.sessions import connect, terminate
from tests.support.world import World, office, worlds


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
