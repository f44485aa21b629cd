"""Operators control a run by the command line and by SQL: pause, resume, limit, cancel, and their privileges."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core import database
from orchestrator.core.database import Connection
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support import oracle
from tests.support.command_line import check_failed, finish, run, start
from tests.support.edges import edges
from tests.support.properties import first_of
from tests.support.runs import (
    LEFT_THERE,
    STRATEGIES,
    WAITING,
    batches,
    begin,
    check_books,
    claimed,
    create,
    each_strategy,
    friends,
)
from tests.support.sessions import connect, dsn_of, set_for_database, value
from tests.support.waiting import in_the_background, until
from tests.support.world import FRIEND, TODAY, WORK_OVERLAP, Edge, office

# A contact that fails, by the library and the command line

POISON = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not this one''; END';
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON connection_paths.contact_connections
    FOR EACH ROW WHEN (NEW.contact_a_id = 5 AND NEW.organization_id = 7) EXECUTE FUNCTION public.refuse();
"""
POISON_NEXT = """
ALTER TABLE connection_paths.contact_connections
    ADD CONSTRAINT not_this_one CHECK (contact_a_id <> 5 OR organization_id <> 7) NOT VALID
"""


@each_strategy
def test_a_failing_contact_is_set_aside_and_reported(own: Connection, strategy: str) -> None:
    world = office(12)
    right = oracle.edges(world)
    before = {pair: edge._replace(organization_id=3) for pair, edge in right.items() if pair[0] in (4, 5)}
    begin(own, world, before)
    own.execute((POISON if strategy == "in_place" else POISON_NEXT).encode())
    kept = {pair: edge for pair, edge in before.items() if pair[0] == 5}
    printed = run("--dsn", dsn_of(own), "backfill", "--strategy", strategy, "--no-throttle", "--workers", "2")
    assert printed.exit_code == 1
    assert "succeeded with exceptions" in printed.stdout
    assert "contact 5: " in printed.stdout
    assert "not" in printed.stdout
    assert printed.stdout.count("contact ") == 1
    assert "Traceback" not in printed.stderr
    assert edges(own) == {**{pair: edge for pair, edge in right.items() if pair[0] != 5}, **kept}
    check_books(own, 1)
    (aside,) = [row for row in batches(own, 1) if row.status == "set aside"]
    assert (aside.contact_id, aside.edges_changed) == (5, 0)
    shown = json.loads(run("--dsn", dsn_of(own), "--json", "runs", "show").stdout)
    assert [row["contact_id"] for row in shown["set_aside"]] == [5]
    assert "contact 5: " in run("--dsn", dsn_of(own), "runs", "show", "1").stdout


# Sessions whose settings are not those of our own connections


@each_strategy
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_any_default_isolation_level_works(own: Connection, level: str, strategy: str) -> None:
    begin(own, office(8), {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None, 50, 1, 0, 1)})
    set_for_database(own, "default_transaction_isolation", level)
    done = backfill(dsn_of(own), BackfillOptions(workers=2, strategy=strategy, batch_edges=5, limits=None))
    assert (done.run.status, done.set_aside) == ("succeeded", [])
    assert edges(own) == oracle.edges(office(8))
    with connect(dsn_of(own), settings={"default_transaction_isolation": "read committed"}) as other:
        create(other, strategy)
    assert run("--dsn", dsn_of(own), "runs", "cancel", "2").stdout == "Run 2 is cancelled.\n"
    assert runs.read(own, 2).phase == "finished"


@pytest.mark.parametrize(("given", "idle"), [("", "30"), (" keepalives_idle=7", "7")])
def test_a_silent_network_is_noticed(dsn: str, given: str, idle: str) -> None:
    with database.connect(dsn + given) as connection:
        assert connection.info.get_parameters()["keepalives_idle"] == idle


def test_a_worker_that_cannot_record_a_failure_frees_its_batch(own: Connection) -> None:
    """The batch and the call that records its failure are both cancelled. The worker continues."""
    begin(own, office(6))
    process = start("--dsn", dsn_of(own), "backfill", "--strategy", "in_place", "--no-throttle", "--workers", "1")
    cancel = (
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s"
    )
    with connect(dsn_of(own)) as blocker, connect(dsn_of(own)) as locker:
        blocker.execute("BEGIN; LOCK TABLE public.contacts IN SHARE MODE")
        blocker.execute("LOCK TABLE connection_paths.contact_connections IN SHARE MODE")
        until(lambda: value(own, "SELECT count(*) FROM connection_paths.backfill_batches WHERE status = 'claimed'"))
        until(lambda: value(own, WAITING) == 1)
        # A table lock goes to the session that has waited longest; a row lock to any session.
        lock = "LOCK TABLE connection_paths.backfill_batches IN EXCLUSIVE MODE"
        locker.execute("BEGIN")
        with in_the_background(lambda: locker.execute(lock.encode())) as locked:
            until(lambda: value(own, WAITING) == 2)
            assert value(own, cancel, "%do_batch%") == 1
            locked.result()
        until(lambda: value(own, cancel, "%fail_batch%") == 1)
        locker.execute("ROLLBACK")
        blocker.execute("ROLLBACK")
    code, out, err = finish(process, 15)
    assert (code, "succeeded" in out) == (0, True), err
    assert edges(own) == oracle.edges(office(6))


# An operator and a DBA beside processes

DAWDLE = """
CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.004); RETURN NEW; END';
CREATE TRIGGER dawdle BEFORE INSERT ON connection_paths.contact_connections
    FOR EACH ROW EXECUTE FUNCTION public.dawdle();
"""
SLOWLY = ("--strategy", "in_place", "--no-throttle", "--batch-edges", "20", "--workers", "2")
DONE = "SELECT count(*) FROM connection_paths.backfill_batches WHERE status = 'done'"
AT_IT = "SELECT count(*) FROM connection_paths.backfill_batches WHERE status = 'claimed'"


def test_an_operator_pauses_resumes_and_limits_a_run(own: Connection) -> None:
    begin(own, office(40))
    own.execute(DAWDLE)
    dsn = dsn_of(own)
    process = start("--dsn", dsn, "backfill", *SLOWLY)

    def check_held() -> None:
        until(lambda: value(own, AT_IT) == 0)
        done = value(own, DONE)
        time.sleep(0.6)
        assert (value(own, DONE), value(own, AT_IT)) == (done, 0)

    def check_goes_on() -> None:
        done = value(own, DONE)
        until(lambda: value(own, DONE) > done)

    until(lambda: own.execute("SELECT FROM connection_paths.backfill_batches WHERE status = 'done'").rowcount)
    shown = run("--dsn", dsn, "runs", "show").stdout
    assert "run 1, in_place: running, filling" in shown
    assert "worker" in shown
    working = json.loads(run("--dsn", dsn, "--json", "runs", "show", "1").stdout)
    assert 1 <= len(working["workers"]) <= 2
    assert set(working["workers"][0]) == {"worker_id", "pid", "batch_id", "predicted_edges", "seconds"}

    assert run("--dsn", dsn, "runs", "pause", "1").stdout == "Run 1 is paused.\n"
    check_held()
    assert "run 1, in_place: paused, filling" in run("--dsn", dsn, "runs", "show", "1").stdout
    own.execute(
        "SELECT connection_paths.resume_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'paused'"
    )
    check_goes_on()
    assert run("--dsn", dsn, "runs", "set", "1", "--workers", "0").stdout == "Run 1 may have 0 workers at most.\n"
    check_held()
    own.execute("SELECT connection_paths.set_max_workers(run_id, 1) FROM connection_paths.backfill_runs")
    check_goes_on()
    for _ in range(20):
        assert value(own, AT_IT) <= 1
        time.sleep(0.01)
    own.execute(
        "SELECT connection_paths.pause_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'running'"
    )
    check_held()
    assert run("--dsn", dsn, "runs", "resume", "1").stdout == "Run 1 is running.\n"
    printed = run("--dsn", dsn, "runs", "set", "1", "--any-workers").stdout
    assert printed == "Run 1 may have any number of workers.\n"

    refused = run("--dsn", dsn, "backfill", "--strategy", "rebuild", "--no-throttle")
    check_failed(refused, "run 1 is under way", "orchestrator runs cancel 1")
    code, out, err = finish(process, 30)
    assert (code, "Run 1 succeeded: 780 edges changed" in out) == (0, True), err
    assert value(own, "SELECT count(*) = sum(attempts) FROM connection_paths.backfill_batches") is True

    listed = run("--dsn", dsn, "runs", "list").stdout
    assert "in_place" in listed
    assert "780" in listed
    (row,) = json.loads(run("--dsn", dsn, "--json", "runs", "list").stdout)
    assert (row["run_id"], row["status"], row["edges_changed"]) == (1, "succeeded", 780)
    for name in ("pause", "resume", "cancel"):
        check_failed(run("--dsn", dsn, "runs", name, "1"), "run 1 is over: succeeded")


@pytest.mark.parametrize("strategy", first_of(2, reversed(STRATEGIES)))
def test_a_session_that_is_lost_while_planning(own: Connection, strategy: str) -> None:
    begin(own, office(8))
    dsn = dsn_of(own)
    with connect(dsn, autocommit=False) as writer:
        writer.execute("LOCK TABLE contact_work_experiences")
        process = start("--dsn", dsn, "backfill", "--strategy", strategy, "--no-throttle")
        until(lambda: value(own, WAITING) == 1)
        planner = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        assert value(own, f"SELECT pg_terminate_backend(({planner}), 5000)") is True
    code, out, err = finish(process)
    assert (code, "succeeded" in out) == (0, True), err
    assert edges(own) == oracle.edges(office(8))


def test_planning_that_loses_its_session_every_time_fails(own: Connection) -> None:
    begin(own, office(8))
    own.execute("CREATE SEQUENCE public.app_tries")
    own.execute(
        "CREATE FUNCTION public.deadly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
        " PERFORM nextval(''public.app_tries''), pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'"
    )
    own.execute(
        "CREATE TRIGGER app_deadly BEFORE INSERT ON connection_paths.backfill_runs"
        " FOR EACH ROW EXECUTE FUNCTION public.deadly()"
    )
    check_failed(run("--dsn", dsn_of(own), "backfill", "--no-throttle"), "terminating connection")
    assert value(own, "SELECT last_value FROM public.app_tries") == 10


@each_strategy
@pytest.mark.parametrize("by_command", first_of(2, [True, False]))
def test_an_operator_cancels_a_run(own: Connection, by_command: bool, strategy: str) -> None:
    begin(own, office(40))
    own.execute(DAWDLE if strategy == "in_place" else "")
    there = own.execute(LEFT_THERE).fetchall()
    create(own, strategy, 20)
    own.execute("SELECT connection_paths.set_max_workers(run_id, 1) FROM connection_paths.backfill_runs")
    dsn = dsn_of(own)
    first = claimed(own, 1) if strategy == "rebuild" else None  # so no other worker gets a batch
    process = start("--dsn", dsn, "backfill", "--workers", "2", "--no-throttle")
    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orchestrator' AND datname = current_database()"
    )
    until(lambda: value(own, ours) >= 3 if first else value(own, DONE) > 0)
    if by_command:
        printed = run("--dsn", dsn, "runs", "cancel", "1")
        assert (printed.exit_code, printed.stdout) == (0, "Run 1 is cancelled.\n")
    else:
        own.execute("SELECT connection_paths.request_cancel(run_id) FROM connection_paths.backfill_runs")
    code, out, err = finish(process, 30)
    assert (code, "Run 1 cancelled" in out) == (1, True), err
    assert "Error" not in err
    assert runs.read(own, 1).phase == "finished"
    assert own.execute(LEFT_THERE).fetchall() == there
    assert run("--dsn", dsn, "runs", "cancel", "1").exit_code == 0
    check_failed(run("--dsn", dsn, "runs", "resume", "1"), "run 1 is over: cancelled")


def test_an_unknown_run_is_one_line_of_error(own: Connection) -> None:
    dsn = dsn_of(own)
    assert run("--dsn", dsn, "runs", "list").stdout == "No runs.\n"
    check_failed(run("--dsn", dsn, "runs", "show"), "orchestrator backfill")
    for command in ("show 9", "pause 9", "resume 9", "cancel 9", "set 9 --workers 2"):
        check_failed(run("--dsn", dsn, "runs", *command.split()), "there is no run 9", "orchestrator runs list")
    for command in ("set 9", "set 9 --workers 1 --any-workers", "set 9 --workers -1", "pause", "pause one"):
        assert run("--dsn", dsn, "runs", *command.split()).exit_code == 2


def test_a_dba_works_beside_a_process(own: Connection) -> None:
    begin(own, office(40))
    own.execute(DAWDLE)
    process = start("--dsn", dsn_of(own), "backfill", *SLOWLY)
    until(lambda: own.execute("SELECT FROM connection_paths.backfill_batches WHERE status = 'done'").rowcount)
    mine = 0
    with psycopg.connect(dsn_of(own), autocommit=True) as dba:
        while True:
            row = dba.execute("SELECT run_id, batch_id, attempt FROM connection_paths.backfill_runs AS r,"
                              " connection_paths.claim_batch(r.run_id)").fetchone()  # fmt: skip
            if row is None:
                break
            dba.execute("SELECT connection_paths.do_batch(%s, %s, %s)", row)
            mine += 1
    code, out, err = finish(process, 30)
    assert (code, "Run 1 succeeded: 780 edges changed" in out) == (0, True), err
    rows = batches(own, 1)
    check_books(own, 1)
    assert 0 < mine < len(rows)
    assert {(row.status, row.attempts) for row in rows} == {("done", 1)}
    assert len({row.worker_id for row in rows}) == 3
    assert edges(own) == oracle.edges(office(40))


def test_auto_rebuilds_without_edges_and_works_in_place_otherwise(own: Connection) -> None:
    begin(own, replace(office(5), extra_edges={(1, 2): Edge(FRIEND, None, None, None)}))
    for strategy, changed in (("rebuild", 10), ("in_place", 0)):
        done = backfill(dsn_of(own), BackfillOptions(workers=1, limits=None))
        assert (done.run.strategy, done.run.edges_changed, done.run.status) == (strategy, changed, "succeeded")
    assert list(friends(own)) == [(1, 2)]


# Rights


@pytest.fixture
def stranger(own: Connection) -> Iterator[str]:
    """The connection string of a role that may only log in."""
    name = f"{own.info.dbname}_stranger"
    own.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield make_conninfo(dsn_of(own), user=name)
    own.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_public_may_not_use_runs(own: Connection, stranger: str) -> None:
    begin(own, office(3))
    create(own, "rebuild")
    user = conninfo_to_dict(stranger)["user"]
    may = own.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = 'connection_paths'::regnamespace"
        " AND has_function_privilege(%s, p.oid, 'EXECUTE') ORDER BY 1",
        (user,),
    ).fetchall()
    expressions = ("first_day(integer,integer)", "to_day(text,text)", "to_id(text)", "uuid_key(uuid)")
    assert may == [(f"connection_paths.{each}",) for each in expressions]  # for the expressions of a mapping
    may = own.execute(
        "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'connection_paths'::regnamespace"
        " AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege(%s, c.oid, 'SELECT, INSERT, UPDATE, DELETE')",
        (user,),
    ).fetchall()
    assert may == []
    for command in ("backfill", "runs list", "runs show 1", "runs pause 1", "runs cancel 1", "runs set 1 --workers 1"):
        check_failed(run("--dsn", stranger, *command.split()), "has not every right that orchestrator")
    assert runs.read(own, 1).status == "running"


def test_a_run_that_is_over_is_not_changed(own: Connection) -> None:
    begin(own, office(3))
    backfill(dsn_of(own), BackfillOptions(1, limits=None))
    for words in (("--workers", "2"), ("--any-workers",)):
        check_failed(run("--dsn", dsn_of(own), "runs", "set", "1", *words), "run 1 is over: succeeded")
    check_failed(run("--dsn", dsn_of(own), "runs", "set", "9", "--workers", "2"), "there is no run 9")
    assert runs.read(own, 1).max_workers is None
