"""Work whose commits a crash or a restore has lost is done again."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.database import Connection, connect
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.runs.driver import RunDriver
from tests.support.application_rule import RULE, wrong
from tests.support.command_line import run
from tests.support.properties import first_of
from tests.support.runs import LEFT_THERE, WAITING, begin, check_books, claimed, create, do, each_strategy, work
from tests.support.sessions import dsn_of, refused, value
from tests.support.waiting import until
from tests.support.world import office

#: Commits that a crash or a failover may undo after all batches were done.
LOST = {
    "batches": """
        SET session_replication_role = replica; -- a crash meets no trigger
        UPDATE connection_paths.backfill_batches SET status = 'claimed', worker_id = 0, finished_at = NULL,
            edges_changed = NULL
        WHERE above_contact_id IS NULL OR upto_contact_id IS NULL;
        RESET session_replication_role""",
    "edges": """
        DELETE FROM {table} AS c USING connection_paths.backfill_batches AS b
        WHERE b.status = 'claimed' AND (b.above_contact_id IS NULL OR c.contact_a_id > b.above_contact_id)
            AND (b.upto_contact_id IS NULL OR c.contact_a_id <= b.upto_contact_id)""",
    "run": "SELECT connection_paths.drop_rebuild(); DELETE FROM connection_paths.backfill_runs",
    "table": "DROP TABLE IF EXISTS connection_paths.contact_connections_next",
}


@pytest.mark.parametrize("when", first_of(2, ["filling", "ending"]))
@pytest.mark.parametrize(
    ("strategy", "lost"),
    [("in_place", "batches"), ("rebuild", "batches"), ("in_place", "run"), ("rebuild", "run"), ("rebuild", "table")],
)
def test_lost_commits_are_done_again(
    ruled: Connection, monkeypatch: pytest.MonkeyPatch, strategy: str, lost: str, when: str
) -> None:
    begin(ruled, office(12))
    there = ruled.execute(LEFT_THERE).fetchall()
    lose = [LOST[lost]] if lost != "batches" else [LOST["batches"], LOST["edges"]]
    table = "connection_paths.contact_connections" + ("_next" if strategy == "rebuild" else "")
    method = {"filling": "_show", "ending": "_complete"}[when]
    real = getattr(RunDriver, method)
    seen: list[int] = []

    def once(driver: RunDriver, *arguments: Any) -> None:
        if not seen:
            seen.append(driver.run.run_id)
            with connect(dsn_of(ruled)) as other, other.transaction():
                if (lost, when) == ("table", "filling"):  # a worker that has found the table waits for its lock
                    other.execute(f"LOCK TABLE {table}".encode())
                    until(lambda: value(ruled, WAITING) > 0)
                for statement in lose:
                    other.execute(statement.format(table=table).encode())
        real(driver, *arguments)

    monkeypatch.setattr(RunDriver, method, once)
    if when == "filling" and lost != "run":  # so there are batches to do for long enough
        ruled.execute(RULE.format("PERFORM pg_sleep(0.01);").encode())
    done = backfill(dsn_of(ruled), BackfillOptions(2, strategy, batch_edges=11, limits=None))
    assert (done.run.status, wrong(ruled, 12)) == ("succeeded", {})
    assert len(seen) == 1
    assert (done.run.run_id > seen[0]) == (lost in ("run", "table"))
    check_books(ruled, done.run.run_id)
    assert ruled.execute(LEFT_THERE).fetchall() == there


@pytest.mark.parametrize("phase", ["filling", "indexing"])
@pytest.mark.parametrize("way", ["backfill", "cancel", "in SQL"])
def test_a_rebuild_restored_without_its_table(ruled: Connection, phase: str, way: str) -> None:
    """After a restore of pg_dump --data-only: there are rows but no table, and worker numbers start at 1 again."""
    begin(ruled, office(8))
    run_id = create(ruled, "rebuild", 5)
    batch = claimed(ruled, run_id)
    if phase == "indexing":
        do(ruled, run_id, batch)
        work(ruled, run_id)
        ruled.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
    ruled.execute("SELECT pg_advisory_unlock_all()")
    ruled.execute("DROP TABLE connection_paths.contact_connections_next")
    ruled.execute("ALTER SEQUENCE connection_paths.backfill_worker_ids RESTART")
    if way == "in SQL":
        with refused(runs.REBUILD_LOST):
            if phase == "filling":
                do(ruled, run_id, claimed(ruled, run_id))
            ruled.execute("SELECT connection_paths.require_rebuild(%s)", (run_id,))
        assert value(ruled, "SELECT connection_paths.cancel_run(%s)", run_id) is True
    elif way == "cancel":
        assert run("--dsn", dsn_of(ruled), "runs", "cancel", str(run_id)).stdout == f"Run {run_id} is cancelled.\n"
    done = backfill(dsn_of(ruled), BackfillOptions(2, limits=None))
    assert (done.run.run_id > run_id, done.run.status, wrong(ruled, 8)) == (True, "succeeded", {})
    assert runs.read(ruled, run_id).status == "cancelled"


@each_strategy
def test_a_run_restored_without_its_sequences(ruled: Connection, strategy: str) -> None:
    """The number of a new worker may be that of an old claim."""
    begin(ruled, office(8))
    run_id = create(ruled, strategy, 5)
    for _ in range(3):
        claimed(ruled, run_id)
    ruled.execute("UPDATE connection_paths.backfill_runs SET finishing_worker_id = 2")
    ruled.execute("UPDATE connection_paths.backfill_batches SET worker_id = batch_id WHERE status = 'claimed'")
    ruled.execute("SELECT pg_advisory_unlock_all()")
    ruled.execute("ALTER SEQUENCE connection_paths.backfill_worker_ids RESTART")
    done = backfill(dsn_of(ruled), BackfillOptions(2, limits=None))
    assert (done.run.run_id, done.run.status, wrong(ruled, 8)) == (run_id, "succeeded", {})
