"""Only the contacts whose edges raise an error are set aside, whatever the error is."""

from __future__ import annotations

from itertools import pairwise

import psycopg
import pytest
from psycopg import sql

from orchestrator.core.database import Connection, connect
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.application_rule import RULE, wrong
from tests.support.properties import first_of, long
from tests.support.runs import (
    STRATEGIES,
    WAITING,
    batches,
    begin,
    check_books,
    check_partition,
    claim,
    claimed,
    create,
    each_strategy,
    end,
    fail,
    work,
)
from tests.support.sessions import dsn_of, value
from tests.support.waiting import in_the_background, until
from tests.support.world import office


def _die(connection: Connection, run_id: int, number: int) -> None:
    """Let the worker of a batch die for the fifth time."""
    connection.execute(
        "UPDATE connection_paths.backfill_batches SET deaths = 4, worker_id = 0 WHERE run_id = %s AND batch_id = %s",
        (run_id, number),
    )


@pytest.mark.parametrize("splits", ["fail", "die"])
@pytest.mark.parametrize("first", [0, 1])
def test_neighbours_are_split_one_after_the_other(db: Connection, dsn: str, splits: str, first: int) -> None:
    begin(db, office(24))
    run_id = create(db, "in_place", 60)
    with connect(dsn, autocommit=False) as one, connect(dsn) as other:
        mine = [claimed(other, run_id), claimed(other, run_id)]
        assert mine[0].upto == mine[1].above
        fail(one, run_id, mine[first])
        if splits == "die":
            _die(other, run_id, mine[1 - first].batch_id)

        def split() -> None:
            if splits == "fail":
                fail(other, run_id, mine[1 - first])
            else:
                while claim(other, run_id):
                    pass

        with in_the_background(split) as splitting:
            until(lambda: value(db, WAITING) == 1)
            one.commit()
            splitting.result()
    until(lambda: value(db, "SELECT count(*) FROM connection_paths.lock_holders('worker')") == 0)  # both have ended
    check_partition(batches(db, run_id))
    assert runs.read(db, run_id).failures == 2
    work(db, run_id)
    end(db, run_id, "in_place")
    assert wrong(db, 24) == {}


@pytest.mark.parametrize(("strategy", "workers"), [long("in_place", 4), ("rebuild", 4), long("in_place", 20)])
def test_only_the_failing_contacts_of_many_are_set_aside(ruled: Connection, strategy: str, workers: int) -> None:
    begin(ruled, office(40))
    ruled.execute(RULE.format("IF contact_a_id % 4 = 0 THEN RAISE 'no'; END IF;").encode())
    bad = {number for number in range(1, 40) if number % 4 == 0}
    done = backfill(dsn_of(ruled), BackfillOptions(workers, strategy, batch_edges=80, limits=None))
    assert done.run.status == "succeeded with exceptions"
    assert {row["contact_id"] for row in done.set_aside} == bad
    assert wrong(ruled, 40, bad) == {}
    check_books(ruled, done.run.run_id)
    split = sum(row.batch_id > following.batch_id for row, following in pairwise(batches(ruled, done.run.run_id)))
    assert done.run.failures >= len(bad) + split


def test_large_batches_that_take_too_long_are_split_by_all_workers_at_once(ruled: Connection) -> None:
    begin(ruled, office(24))
    ruled.execute(RULE.format("PERFORM pg_sleep(0.006);").encode())  # 276 edges
    done = backfill(dsn_of(ruled), BackfillOptions(4, "in_place", batch_edges=60, batch_timeout=0.3, limits=None))
    assert (done.run.status, done.set_aside, wrong(ruled, 24)) == ("succeeded", [], {})
    assert done.run.failures > 0


#: SQLSTATEs that triggers of an application may raise, among them those that the orchestrator treats specially.
STATES = (
    "55000", "55006", "42501", "42883", "42P01", "42P07", "3F000", "25006", "02000", "23505", "57014",
    "57P01", "40001", "40P01", "55P03", "P0001", "XX000", "08006", "CP000",
)  # fmt: skip


@pytest.mark.parametrize("strategy", first_of(2, STRATEGIES))
def test_any_error_for_one_contact_sets_it_aside(ruled: Connection, strategy: str) -> None:
    size = 2 * len(STATES) + 2
    begin(ruled, office(size))
    states = sql.Literal(list(STATES)).as_string(ruled)
    ruled.execute(
        RULE.format(
            f"IF contact_a_id % 2 = 0 AND contact_a_id <= {2 * len(STATES)} THEN"
            f" RAISE 'no' USING ERRCODE = ({states}::text[])[contact_a_id / 2]; END IF;"
        ).encode()
    )
    bad = {2 * number for number in range(1, len(STATES) + 1)}
    done = backfill(dsn_of(ruled), BackfillOptions(4, strategy, batch_edges=60, limits=None))
    assert {row["contact_id"] for row in done.set_aside} == bad
    assert (done.run.status, wrong(ruled, size, bad)) == ("succeeded with exceptions", {})


@each_strategy
def test_an_error_of_every_batch_sets_no_contact_aside(db: Connection, strategy: str) -> None:
    begin(db, office(6))
    create(db, strategy)
    db.execute("ALTER FUNCTION connection_paths.require_sources RENAME TO renamed")
    try:
        with pytest.raises(psycopg.errors.UndefinedFunction):
            backfill(dsn_of(db), BackfillOptions(2, strategy, limits=None))
    finally:
        db.execute("ALTER FUNCTION connection_paths.renamed RENAME TO require_sources")
    (left,) = runs.listed(db)
    assert (left.status, left.batches_set_aside) == ("running", 0)
    assert backfill(dsn_of(db), BackfillOptions(2, limits=None)).run.status == "succeeded"
    assert wrong(db, 6) == {}


def test_an_error_of_an_index_expression_is_not_taken_for_an_existing_index(own: Connection) -> None:
    own.execute(
        "CREATE FUNCTION public.f(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN RAISE 'mine' USING ERRCODE = '42P07'; END $$;"
        "CREATE INDEX app ON connection_paths.contact_connections (public.f(contact_a_id))"
    )
    begin(own, office(3))
    with pytest.raises(psycopg.errors.DuplicateTable, match="mine"):
        backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None))
