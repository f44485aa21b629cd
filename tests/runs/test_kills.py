"""Runs survive kills of processes and of the server."""

from __future__ import annotations

import random
import time

import pytest

from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.kills import (
    BATCHES,
    ROWS,
    SEED,
    STRATEGIES,
    Server,
    begin,
    check_edges,
    check_run,
    check_succeeds,
    until_filling,
)
from tests.support.properties import first_of, long
from tests.support.sessions import connect, value
from tests.support.waiting import until

each_strategy = pytest.mark.parametrize("strategy", first_of(2, reversed(STRATEGIES)))

# Processes


@each_strategy
def test_three_processes_share_a_run(private_world: str, strategy: str) -> None:
    ours = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'orchestrator' AND pid <> pg_backend_pid()"
    )
    with connect(private_world) as connection:
        connection.execute("SELECT connection_paths.create_run(%s, 100)", (strategy,))
        connection.execute(
            "SELECT connection_paths.pause_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'running'"
        )
        processes = [begin(private_world, workers=workers) for workers in (1, 2, 3)]
        until(lambda: value(connection, ours) == 3 + 6, 30)
        connection.execute(
            "SELECT connection_paths.resume_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'paused'"
        )
        printed = [check_succeeds(process) for process in processes]
        assert {each["run_id"] for each in printed} == {1}
        check_run(connection, 1)
        assert len({row[5] for row in connection.execute(BATCHES, (1,))}) > 3  # workers of at least two processes
        assert runs.read(connection, 1).failures == 0
        assert value(connection, ROWS) == runs.read(connection, 1).edges_changed
        check_edges(connection)


@each_strategy
def test_a_killed_process_loses_only_its_open_batches(private_world: str, strategy: str) -> None:
    rng = random.Random(SEED)
    words = ("--strategy", strategy, "--batch-edges", "30")
    shares = sorted(rng.uniform(0.0, 0.8) for _ in range(3))
    for share in shares:
        process = begin(private_world, *words, workers=3)
        until_filling(private_world, share, process)
        process.kill()
        process.communicate()
    assert check_succeeds(begin(private_world, *words, workers=3))["run_id"] == 1, f"seed {SEED}"
    with connect(private_world) as connection:
        check_run(connection, 1, lost_claims=3 * 3)
        assert value(connection, ROWS) == runs.read(connection, 1).edges_changed
        check_edges(connection)


@pytest.mark.parametrize("phase", first_of(4, ["indexing", "swapped", "carried", "indexed"]))
def test_a_process_killed_near_the_end_of_a_rebuild(private_world: str, phase: str) -> None:
    """Each step after the last batch is done once, by the next process that comes."""
    with connect(private_world) as connection:
        # An index that waits at each row makes this step slow enough to kill the process in it.
        connection.execute(
            "DELETE FROM public.contacts WHERE id > 100;"
            "CREATE FUNCTION public.slowly(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
            " 'BEGIN IF n % 3 = 0 THEN PERFORM pg_sleep(0.002); END IF; RETURN n; END';"
            "CREATE INDEX app_slow ON connection_paths.contact_connections (public.slowly(contact_a_id))"
        )
        holder = connect(private_world)
        if phase == "swapped":
            pass  # killed as soon as the tables are exchanged
        elif phase == "indexed":  # a reader prevents the exchange
            holder.execute("BEGIN; SELECT FROM connection_paths.contact_connections LIMIT 1")
        process = begin(private_world, "--strategy", "rebuild")
        reached = {
            "carried": "SELECT count(*) FROM connection_paths.backfill_runs WHERE phase = 'indexing'",
            "indexing": "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
            " AND command = 'CREATE INDEX'",
            "indexed": "SELECT count(*) FROM pg_locks AS l WHERE NOT granted AND mode = 'AccessExclusiveLock'",
            "swapped": "SELECT count(*) FROM connection_paths.backfill_runs WHERE phase = 'exchanged'",
        }[phase]
        until(lambda: value(connection, reached) > 0 or process.poll() is not None, 30)
        process.kill()
        process.communicate()
        holder.close()
        assert check_succeeds(begin(private_world))["run_id"] == 1 or phase == "swapped"
        check_run(connection, 1)
        connection.execute("DROP INDEX connection_paths.app_slow")
        check_edges(connection)


# The server


@pytest.mark.parametrize(("strategy", "death"), [long("in_place", "postmaster"), long("rebuild", "crash")])
def test_a_process_outlives_its_server(private_server: Server, private_world: str, strategy: str, death: str) -> None:
    process = begin(private_world, "--strategy", strategy, "--batch-edges", "30", workers=2)
    until_filling(private_world, 0.2, process)
    if death == "postmaster":
        private_server.kill()
    else:
        private_server.crash(private_world)
    assert check_succeeds(process)["run_id"] == 1
    with connect(private_world) as connection:
        check_run(connection, 1, lost_claims=2)
        assert value(connection, ROWS) == runs.read(connection, 1).edges_changed
        check_edges(connection)


@pytest.mark.long
def test_a_process_outlives_its_server_while_it_builds_indexes(private_server: Server, private_world: str) -> None:
    with connect(private_world) as connection:
        connection.execute(
            "DELETE FROM public.contacts WHERE id > 100;"
            "CREATE FUNCTION public.slowly(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
            " 'BEGIN PERFORM pg_sleep(0.002); RETURN n; END';"
            "CREATE INDEX app_slow ON connection_paths.contact_connections (public.slowly(contact_a_id))"
        )
        process = begin(private_world, "--strategy", "rebuild")
        building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
        until(lambda: value(connection, building) > 0)
    private_server.kill()
    assert check_succeeds(process)["run_id"] == 1
    with connect(private_world) as connection:
        check_run(connection, 1)
        connection.execute("DROP INDEX connection_paths.app_slow")
        check_edges(connection)


@each_strategy
def test_a_run_reported_as_succeeded_survives_a_crash(
    private_server: Server, private_world: str, strategy: str
) -> None:
    """Batches are committed without waiting for the disk. The success of a run waits for it."""
    with connect(private_world) as connection:
        connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)
    done = backfill(private_world, BackfillOptions(2, strategy, limits=None))
    private_server.kill()
    with connect(private_world) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")
        check_run(connection, done.run.run_id)
        assert value(connection, ROWS) == done.run.edges_changed
        check_edges(connection)


@each_strategy
def test_batches_lost_in_a_crash_are_done_again(private_server: Server, private_world: str, strategy: str) -> None:
    """Workers do not wait for the disk, so batches that were done may be pending again after a crash."""
    with connect(private_world) as connection:
        connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        connection.execute("ALTER SYSTEM SET wal_writer_flush_after = '1GB'")
        connection.execute("SELECT pg_reload_conf()")
        open_batches = "SELECT count(*) FROM connection_paths.backfill_batches WHERE status <> 'done'"
        process = begin(private_world, "--strategy", strategy, "--batch-edges", "2000", workers=2)
        until(lambda: runs.active(connection) is not None, 30)
        while value(connection, open_batches) > 0 and process.poll() is None:
            time.sleep(0.002)
    private_server.kill()
    with connect(private_world) as connection:
        print(value(connection, open_batches), "batches were lost")
    assert check_succeeds(process)["run_id"] == 1
    with connect(private_world) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")
        check_run(connection, 1, lost_claims=1000)
        assert value(connection, ROWS) == runs.read(connection, 1).edges_changed
        check_edges(connection)
