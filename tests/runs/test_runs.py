"""Runs: the plan is everybody once, claims are fenced, the books are right, both ways end in the oracle's edges."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from orchestrator.core import database, sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.install.installation import install
from orchestrator.rebuild import rebuild
from orchestrator.runs import runs
from orchestrator.runs.backfill import Options, backfill
from tests.changes.test_sync import drain
from tests.cli.test_cli import check_failed, finish, run, start, until
from tests.edges.test_backfill_contact import repeatable, stored, work_edges, wrong_edges
from tests.support import oracle
from tests.support.sessions import connect
from tests.support.world import FRIEND, WORK_OVERLAP, Edge, Experience, Pair, World, load, load_edges, worlds

STRATEGIES = ("in_place", "rebuild")
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
briefly = settings(repeatable, max_examples=15)
TODAY = date.today()

RESET = """
SELECT connection_paths.cancel_run(r.run_id) FROM connection_paths.backfill_runs AS r;
SELECT connection_paths.drop_rebuild();
DELETE FROM connection_paths.backfill_runs;
DELETE FROM connection_paths.contact_changes;
"""
#: What there is in the schema besides functions: relations and triggers, whatever a rebuild has renamed its indexes to.
LEFT_THERE = """
SELECT c.relkind::text, regexp_replace(c.relname, '_r[0-9]+$', '')
FROM pg_class AS c WHERE c.relnamespace = 'connection_paths'::regnamespace
UNION ALL
SELECT 'trigger', t.tgrelid::regclass || ' ' || t.tgname
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'connection_paths'::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT 'note', count(*)::text FROM connection_paths.rebuild_other_kinds
UNION ALL
SELECT 'replay', count(*)::text FROM connection_paths.rebuild_replays
ORDER BY 1, 2
"""
PARTITIONS = """
SELECT i.inhrelid::regclass::text FROM pg_inherits AS i
WHERE i.inhparent = 'connection_paths.contact_connections'::regclass
"""
#: Each index of contact_connections with the one on its partition, and whether that one works.
INDEXES = """
SELECT p.indexrelid::regclass::text, i.inhrelid IS NOT NULL AND x.indisvalid AND x.indisready
FROM pg_index AS p
LEFT JOIN pg_inherits AS i ON i.inhparent = p.indexrelid
LEFT JOIN pg_index AS x ON x.indexrelid = i.inhrelid
    AND x.indrelid = 'connection_paths.contact_connections_live'::regclass
WHERE p.indrelid = 'connection_paths.contact_connections'::regclass
"""
NEXT_INDEXES = "SELECT array_agg(indexrelid ORDER BY 1) FROM pg_index WHERE indrelid = %s::regclass"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Claim(NamedTuple):
    """A row of claim_batch."""

    batch_id: int
    attempt: int
    above: int | None
    upto: int | None
    predicted: int

    def takes(self, contact: int) -> bool:
        return (self.above is None or contact > self.above) and (self.upto is None or contact <= self.upto)


@dataclass(frozen=True)
class Batch:
    """A row of backfill_batches."""

    run_id: int
    batch_id: int
    above_contact_id: int | None
    upto_contact_id: int | None
    predicted_edges: int
    status: str
    attempts: int
    deaths: int
    failures: int
    retries: int
    worker_id: int | None
    claimed_at: Any
    finished_at: Any
    edges_changed: int | None
    contact_id: int | None
    error: str | None


def value(connection: Connection, query: str, *arguments: Any) -> Any:
    row = connection.execute(query.encode(), arguments or None).fetchone()
    assert row is not None
    return row[0]


def create(connection: Connection, strategy: str, batch_edges: int | None = None) -> int:
    return int(value(connection, "SELECT connection_paths.create_run(%s, %s)", strategy, batch_edges))


def claim(connection: Connection, run_id: int) -> Claim | None:
    row = connection.execute("SELECT * FROM connection_paths.claim_batch(%s)", (run_id,)).fetchone()
    return None if row is None else Claim(*row)


def claimed(connection: Connection, run_id: int) -> Claim:
    found = claim(connection, run_id)
    assert found is not None
    return found


def do(connection: Connection, run_id: int, batch: Claim) -> int:
    return int(value(connection, "SELECT connection_paths.do_batch(%s, %s, %s)", run_id, *batch[:2]))


def fail(connection: Connection, run_id: int, batch: Claim, error: str = "no", *, passing: bool = False) -> str:
    return str(
        value(connection, "SELECT connection_paths.fail_batch(%s, %s, %s, %s, %s)", run_id, *batch[:2], error, passing)
    )


def work(connection: Connection, run_id: int, poisoned: Collection[int] = ()) -> int:
    """Do every batch; those with a poisoned contact fail. Returns how many edges changed."""
    changed = 0
    while (batch := claim(connection, run_id)) is not None:
        if any(batch.takes(contact) for contact in poisoned):
            fail(connection, run_id, batch)
        else:
            changed += do(connection, run_id, batch)
    return changed


def end(connection: Connection, run_id: int, strategy: str) -> str:
    """Do what comes after the batches; returns the run's status."""
    if strategy == "rebuild":
        rebuild.complete(dsn_of(connection), connection, run_id, workers=2)
    return str(value(connection, "SELECT connection_paths.finish_run(%s)", run_id))


def batches(connection: Connection, run_id: int) -> list[Batch]:
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            "SELECT * FROM connection_paths.backfill_batches WHERE run_id = %s ORDER BY above_contact_id NULLS FIRST",
            (run_id,),
        ).fetchall()


def check_partition(rows: list[Batch]) -> None:
    """Check that the batches, in order, are all of bigint exactly once."""
    assert rows[0].above_contact_id is None
    assert rows[-1].upto_contact_id is None
    for one, following in pairwise(rows):
        assert one.upto_contact_id is not None
        assert one.upto_contact_id == following.above_contact_id
        assert one.above_contact_id is None or one.above_contact_id < one.upto_contact_id


def check_books(connection: Connection, run_id: int) -> None:
    """Check that what the run says of itself is what its batches say."""
    rows = batches(connection, run_id)
    check_partition(rows)
    told = runs.read(connection, run_id)
    assert told.batches == len(rows)
    assert told.batches_done == sum(row.status == "done" for row in rows)
    assert told.batches_set_aside == sum(row.status == "set aside" for row in rows)
    assert told.batches_open == sum(row.status in ("pending", "claimed") for row in rows)
    assert told.predicted_edges == sum(row.predicted_edges for row in rows)
    assert told.edges_changed == sum(row.edges_changed or 0 for row in rows)


def friends(connection: Connection) -> dict[Pair, tuple[Any, ...]]:
    """The edges of the application's own, as they are to the last column."""
    rows = connection.execute(
        "SELECT contact_a_id, contact_b_id, kind::text, organization_id, date_from, date_to, computed_at"
        " FROM connection_paths.contact_connections WHERE kind <> 'work_overlap'"
    )
    return {row[:2]: row[2:] for row in rows}


def present(connection: Connection) -> dict[Pair, Edge]:
    return work_edges(stored(connection))


def begin(connection: Connection, world: World, edges: Mapping[Pair, Edge] = {}) -> None:
    """Load a world, and edges that may be wrong; nothing is under way and nothing waits."""
    connection.execute(RESET)
    load(connection, world)
    load_edges(connection, edges)
    connection.execute("DELETE FROM connection_paths.contact_changes")


def office(size: int, *, organization: int = 7) -> World:
    """Everybody has worked with everybody."""
    return World(
        contacts=frozenset(range(1, size + 1)),
        organizations=frozenset({organization}),
        experiences=tuple(
            Experience(number, number, organization, TODAY - timedelta(days=1000 + number), None)
            for number in range(1, size + 1)
        ),
    )


def terminate(connection: Connection, session: Connection) -> None:
    assert value(connection, "SELECT pg_terminate_backend(%s, 5000)", session.info.backend_pid) is True


def all_at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Do all at the same moment; returns what each gave or raised."""
    barrier = threading.Barrier(len(works))

    def attempt(each: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return each()
        except psycopg.Error as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(attempt, each) for each in works]]


@contextmanager
def refused(sqlstate: str, message: str | None = None) -> Iterator[None]:
    """Expect the SQLSTATE, one of the package's own among them, which psycopg has no class for."""
    with pytest.raises(psycopg.Error, match=message) as raised:
        yield
    assert raised.value.sqlstate == sqlstate


@contextmanager
def in_the_background(each: Callable[[], Any]) -> Iterator[Future[Any]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(each)


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    """A database with empty host tables and the package, for this file alone."""
    made = new_database()
    with connect(made) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(made)
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
    return made


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    """A connection to it; what a test makes beyond rows it removes itself."""
    with connect(dsn) as connection:
        connection.execute(RESET)
        yield connection


@pytest.fixture
def own(host: str) -> Iterator[Connection]:
    """A connection to an installed database for one test alone, where it may make what it likes."""
    install(host)
    with connect(host) as connection:
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
        yield connection


@pytest.fixture
def application(own: Connection) -> Iterator[str]:
    """A role that may use contact_connections, and nothing else of the package."""
    name = f"{own.info.dbname}_application"
    role = sql.Identifier(name)
    own.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    own.execute(sql.SQL("GRANT USAGE ON SCHEMA connection_paths TO {}").format(role))
    own.execute(
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON connection_paths.contact_connections TO {}").format(
            role
        )
    )
    yield name
    own.execute(RESET)
    own.execute(sql.SQL("DROP OWNED BY {}").format(role))
    own.execute(sql.SQL("DROP ROLE {}").format(role))


def dsn_of(connection: Connection) -> str:
    return connection.info.dsn


# The plan


@briefly
@given(world=worlds(), strategy=st.sampled_from(STRATEGIES), batch_edges=st.sampled_from((1, 2, 5, 20, None)))
def test_batches_are_every_bigint_once(db: Connection, world: World, strategy: str, batch_edges: int | None) -> None:
    begin(db, world)
    run_id = create(db, strategy, batch_edges)
    rows = batches(db, run_id)
    check_books(db, run_id)
    assert {(row.status, row.attempts, row.failures) for row in rows} == {("pending", 0, 0)}
    assert all(row.predicted_edges >= 0 for row in rows)


def test_batches_are_of_the_size_that_was_asked_for(db: Connection) -> None:
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
def test_an_empty_database_has_a_run_too(db: Connection, strategy: str) -> None:
    begin(db, World(frozenset()))
    run_id = create(db, strategy)
    (batch,) = batches(db, run_id)
    assert (batch.above_contact_id, batch.upto_contact_id, batch.predicted_edges) == (None, None, 0)
    assert work(db, run_id) == 0
    assert end(db, run_id, strategy) == "succeeded"
    assert present(db) == {}


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


def test_nothing_is_to_be_had_of_a_run_that_is_not_there(db: Connection) -> None:
    assert claim(db, -1) is None
    assert value(db, "SELECT connection_paths.cancel_run(-1)") is False
    assert value(db, "SELECT connection_paths.exchange_rebuild(-1)") is False


def test_a_rebuild_is_refused_where_a_foreign_key_refers_to_edges(own: Connection) -> None:
    begin(own, office(4), oracle.edges(office(4)))
    own.execute(
        "CREATE TABLE public.app_notes (a bigint, b bigint, kind connection_paths.connection_kind,"
        " FOREIGN KEY (a, b, kind) REFERENCES connection_paths.contact_connections)"
    )
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        create(own, "rebuild")
    run_id = create(own, "in_place")
    work(own, run_id)
    assert end(own, run_id, "in_place") == "succeeded"


@each_strategy
def test_there_is_one_run_at_a_time(db: Connection, strategy: str) -> None:
    begin(db, office(3))
    run_id = create(db, strategy)
    for status in ("running", "paused"):
        db.execute("UPDATE connection_paths.backfill_runs SET status = %s", (status,))
        for other in STRATEGIES:
            with refused(runs.UNDER_WAY, f"run {run_id} is under way"):
                create(db, other)
    db.execute("UPDATE connection_paths.backfill_runs SET status = 'running'")
    work(db, run_id)
    end(db, run_id, strategy)
    assert create(db, strategy) > run_id


@each_strategy
def test_of_twenty_who_begin_one_run_at_once_one_does(db: Connection, dsn: str, strategy: str) -> None:
    begin(db, office(10))
    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(dsn)) for _ in range(20)]
        outcomes = all_at_once([lambda each=each: create(each, strategy, 5) for each in sessions])  # type: ignore[misc]
    begun = [each for each in outcomes if isinstance(each, int)]
    assert [each.sqlstate for each in outcomes if not isinstance(each, int)] == [runs.UNDER_WAY] * 19
    assert [each.run_id for each in runs.listed(db)] == begun
    check_books(db, begun[0])


# Claims


def test_who_lost_a_claim_can_do_nothing_with_it(db: Connection, dsn: str) -> None:
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
        assert present(db) == {}
        assert do(living, run_id, new) == 6
        with refused(runs.CLAIM_LOST):
            do(living, run_id, new)
        with refused(runs.CLAIM_LOST):
            fail(living, run_id, new)
    (batch,) = batches(db, run_id)
    assert (batch.status, batch.attempts, batch.failures, batch.edges_changed) == ("done", 2, 0, 6)


def test_a_batch_that_was_split_is_not_done_under_a_claim_from_before(db: Connection, dsn: str) -> None:
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


def test_the_dead_lose_their_batches_at_once_and_the_living_never(db: Connection, dsn: str) -> None:
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
    assert present(db) == oracle.edges(office(6))


@each_strategy
@pytest.mark.parametrize("rival", [do, fail])
def test_one_claim_is_used_once(
    db: Connection, dsn: str, strategy: str, rival: Callable[[Connection, int, Claim], Any]
) -> None:
    """Two sessions know of the same claim, as when a connection was taken for dead that was not."""
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


def test_a_run_has_as_many_workers_as_it_may(db: Connection, dsn: str) -> None:
    begin(db, office(20))
    run_id = create(db, "in_place", 1)
    held: dict[Connection, Claim] = {}

    def grab() -> int:
        """Have all who hold nothing claim at once; returns how many got something."""
        idle = [each for each in sessions if each not in held]
        got = all_at_once([lambda each=each: claim(each, run_id) for each in idle])  # type: ignore[misc]
        found = {session: batch for session, batch in zip(idle, got, strict=True) if batch is not None}
        held.update(found)
        return len(found)

    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(dsn)) for _ in range(10)]
        for most, expected in ((3, 3), (3, 0), (5, 2), (1, 0), (0, 0)):
            db.execute("UPDATE connection_paths.backfill_runs SET max_workers = %s", (most,))
            assert grab() == expected
        db.execute("UPDATE connection_paths.backfill_runs SET max_workers = 5")
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
        db.execute("UPDATE connection_paths.backfill_runs SET max_workers = NULL")
        assert grab() == 4
        assert len({each.batch_id for each in held.values()}) == 9


@pytest.mark.parametrize(
    ("edit", "may_end"),
    [("status = 'paused'", True), ("max_workers = 0", True), ("status = 'cancelled'", False)],
)
@each_strategy
def test_a_run_that_is_held_gives_no_batch(db: Connection, dsn: str, edit: str, may_end: bool, strategy: str) -> None:
    begin(db, office(6))
    run_id = create(db, strategy, 1)
    with connect(dsn) as worker:
        batch = claimed(worker, run_id)
        db.execute(f"UPDATE connection_paths.backfill_runs SET {edit}".encode())
        with connect(dsn) as other:
            assert claim(other, run_id) is None
        if may_end:
            assert do(worker, run_id, batch) > 0
            db.execute("UPDATE connection_paths.backfill_runs SET status = 'running', max_workers = NULL")
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
    assert present(db) == oracle.edges(office(4))


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


def test_a_failure_that_passes_is_tried_again_four_times(db: Connection) -> None:
    begin(db, office(4))
    run_id = create(db, "in_place")
    outcomes = []
    for attempt in range(1, 6):
        batch = claimed(db, run_id)
        assert batch.attempt == attempt
        outcomes.append(fail(db, run_id, batch, "deadlock", passing=True))
    assert outcomes == ["again"] * 4 + ["split"]
    rows = batches(db, run_id)
    check_partition(rows)
    told = [(row.status, row.attempts, row.failures, row.error) for row in rows]
    assert told == [("pending", 5, 5, "deadlock"), ("pending", 0, 0, "deadlock")]
    assert [row.retries for row in rows] == [0, 0]
    assert runs.read(db, run_id).failures == 5


@briefly
@given(data=st.data(), strategy=st.sampled_from(STRATEGIES))
def test_bisection_sets_aside_the_poisoned_and_nobody_else(db: Connection, data: st.DataObject, strategy: str) -> None:
    world = data.draw(worlds())
    before = data.draw(wrong_edges())
    poisoned = data.draw(st.sets(st.sampled_from(sorted(world.contacts)), min_size=1, max_size=3))
    begin(db, world, before)
    run_id = create(db, strategy, data.draw(st.sampled_from((1, 5, None))))
    predicted = runs.read(db, run_id).predicted_edges
    work(db, run_id, poisoned)
    check_books(db, run_id)
    assert runs.read(db, run_id).predicted_edges == predicted
    told = runs.set_aside(db, run_id)
    assert [row["contact_id"] for row in told] == sorted(poisoned)
    assert {row["error"] for row in told} == {"no"}
    assert end(db, run_id, strategy) == "succeeded with exceptions"
    expected = {pair: edge for pair, edge in oracle.edges(world).items() if pair[0] not in poisoned}
    kept = {pair: edge for pair, edge in before.items() if pair[0] in poisoned}
    assert present(db) == {**expected, **kept}


def test_a_range_without_contacts_is_set_aside_too(db: Connection) -> None:
    begin(db, World(frozenset()))
    run_id = create(db, "in_place")
    assert fail(db, run_id, claimed(db, run_id)) == "set aside"
    assert runs.set_aside(db, run_id) == [{"contact_id": None, "error": "no"}]


# Both ways


@repeatable
@given(
    world=worlds(),
    before=wrong_edges(),
    strategy=st.sampled_from(STRATEGIES),
    batch_edges=st.sampled_from((1, 3, 10, None)),
)
def test_both_ways_make_the_edges(
    db: Connection, world: World, before: dict[Pair, Edge], strategy: str, batch_edges: int | None
) -> None:
    begin(db, world, before)
    others = friends(db)
    right = oracle.edges(world)
    run_id = create(db, strategy, batch_edges)
    changed = work(db, run_id)
    assert end(db, run_id, strategy) == "succeeded"
    assert present(db) == right
    assert friends(db) == others
    check_books(db, run_id)
    told = runs.read(db, run_id)
    assert (told.status, told.phase, told.receipt) == ("succeeded", "finished", None)
    assert told.edges_changed == changed
    assert told.attempts == told.batches
    if strategy == "rebuild":
        assert changed == len(right)
    else:
        assert changed == sum(before.get(pair) != right.get(pair) for pair in {*before, *right})
        rows = stored(db)
        again = create(db, strategy, batch_edges)
        assert work(db, again) == 0
        assert end(db, again, strategy) == "succeeded"
        assert stored(db) == rows


STAGES = ("created", "half done", "filled", "carried", "indexed")


def stages(connection: Connection, run_id: int) -> Iterator[str]:
    """Take a rebuild almost to its end, and stop after each stage."""
    yield "created"
    batch = claim(connection, run_id)
    if batch is not None:
        do(connection, run_id, batch)
    yield "half done"
    work(connection, run_id)
    yield "filled"
    connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
    yield "carried"
    query = "SELECT statement FROM connection_paths.missing_rebuild_indexes(%s)"
    while missing := connection.execute(query, (run_id,)).fetchall():
        for (statement,) in missing:
            connection.execute(statement.encode())
    yield "indexed"


WRITE = """
INSERT INTO connection_paths.contact_connections AS c (contact_a_id, contact_b_id, kind, organization_id)
VALUES (%s, %s, %s, %s)
"""
ONE_FRIEND = "WHERE contact_a_id = %s AND contact_b_id = %s AND kind = 'friend'"


@settings(repeatable, max_examples=25)
@given(data=st.data())
def test_edges_of_other_kinds_survive_a_rebuild_whenever_they_are_written(
    own: Connection, application: str, data: st.DataObject
) -> None:
    world = data.draw(worlds())
    begin(own, world, data.draw(wrong_edges()))
    known = {pair: row[1] for pair, row in friends(own).items()}

    def write(writer: Connection) -> None:
        for _ in range(data.draw(st.integers(0, 3))):
            what = data.draw(st.sampled_from(("upsert", "copy", "update", "move", "delete", "rolled back")))
            others = st.tuples(st.integers(1, 2), st.integers(5, 7))
            pair = data.draw(others if what in ("upsert", "copy") or not known else st.sampled_from(sorted(known)))
            number = data.draw(st.integers(1, 99))
            if what == "upsert":
                writer.execute(
                    f"{WRITE} ON CONFLICT (contact_a_id, contact_b_id, kind)"
                    " DO UPDATE SET organization_id = excluded.organization_id".encode(),
                    (*pair, FRIEND, number),
                )
                known[pair] = number
            elif what == "copy" and pair not in known:
                load_edges(writer, {pair: Edge(FRIEND, number, None, None)})
                known[pair] = number
            elif what == "update" and pair in known:
                writer.execute(
                    f"UPDATE connection_paths.contact_connections SET organization_id = %s {ONE_FRIEND}".encode(),
                    (number, *pair),
                )
                known[pair] = number
            elif what == "move" and pair in known and (pair[0], pair[1] + 10) not in known:
                writer.execute(
                    f"UPDATE connection_paths.contact_connections SET contact_b_id = %s {ONE_FRIEND}".encode(),
                    (pair[1] + 10, *pair),
                )
                known[pair[0], pair[1] + 10] = known.pop(pair)
            elif what == "delete":
                writer.execute(f"DELETE FROM connection_paths.contact_connections {ONE_FRIEND}".encode(), pair)
                known.pop(pair, None)
            elif what == "rolled back":
                with writer.transaction(force_rollback=True):
                    writer.execute("DELETE FROM connection_paths.contact_connections WHERE kind = 'friend'")

    with connect(make_conninfo(dsn_of(own), user=application)) as writer:
        run_id = create(own, "rebuild", 3)
        for _ in stages(own, run_id):
            write(writer)
        assert value(own, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is True
        assert value(own, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is False
        write(writer)
        assert end(own, run_id, "rebuild") == "succeeded"
        write(writer)
    assert {pair: row[1] for pair, row in friends(own).items()} == known
    assert present(own) == oracle.edges(world)


@pytest.mark.parametrize("stage", STAGES)
def test_each_way_of_writing_an_edge_of_another_kind_is_carried_over(db: Connection, stage: str) -> None:
    before = {pair: Edge(FRIEND, 1, None, None) for pair in ((1, 2), (1, 3), (1, 4), (1, 5))}
    begin(db, replace(office(5), extra_edges=before))
    run_id = create(db, "rebuild", 3)
    for reached in stages(db, run_id):
        if reached == stage:
            for statement in (
                "DELETE FROM connection_paths.contact_connections WHERE contact_b_id = 2 AND kind = 'friend'",
                "UPDATE connection_paths.contact_connections SET organization_id = 2"
                " WHERE contact_b_id = 3 AND kind = 'friend'",
                "UPDATE connection_paths.contact_connections SET contact_b_id = 8"
                " WHERE contact_b_id = 4 AND kind = 'friend'",
                "INSERT INTO connection_paths.contact_connections VALUES (1, 7, 'friend', 3)",
            ):
                db.execute(statement.encode())
    assert end(db, run_id, "rebuild") == "succeeded"
    assert {pair: row[1] for pair, row in friends(db).items()} == {(1, 3): 2, (1, 5): 1, (1, 7): 3, (1, 8): 1}
    assert present(db) == oracle.edges(office(5))


def test_truncate_is_refused_while_a_rebuild_is_under_way(own: Connection, application: str) -> None:
    begin(own, office(3), oracle.edges(office(3)))
    with connect(make_conninfo(dsn_of(own), user=application)) as writer:
        for last in ("finish", "cancel"):
            run_id = create(own, "rebuild")
            with pytest.raises(errors.ObjectInUse):
                writer.execute("TRUNCATE connection_paths.contact_connections")
            assert len(present(own)) == 3
            if last == "finish":
                work(own, run_id)
                end(own, run_id, "rebuild")
            else:
                own.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))
        writer.execute("TRUNCATE connection_paths.contact_connections")
        assert present(own) == {}


@pytest.mark.parametrize("stage", [*STAGES, "swapped"])
@pytest.mark.parametrize("by_update", [True, False])
def test_a_cancelled_rebuild_leaves_nothing_behind(db: Connection, stage: str, by_update: bool) -> None:
    world = office(5)
    old = {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None)}
    begin(db, replace(world, extra_edges={(1, 5): Edge(FRIEND, None, None, None)}), old)
    there = db.execute(LEFT_THERE).fetchall()
    run_id = create(db, "rebuild", 3)
    for reached in stages(db, run_id):
        if reached == stage:
            break
    if stage == "swapped":
        db.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,))
    if by_update:
        db.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled' WHERE run_id = %s", (run_id,))
    db.execute("SELECT connection_paths.backfill_contact(1)") if stage == "half done" else None
    assert value(db, "SELECT connection_paths.cancel_run(%s)", run_id) is True
    assert value(db, "SELECT connection_paths.cancel_run(%s)", run_id) is False
    assert db.execute(LEFT_THERE).fetchall() == there
    assert len(db.execute(PARTITIONS).fetchall()) == 1
    if stage != "half done":
        assert present(db) == (oracle.edges(world) if stage == "swapped" else old)
    told = runs.read(db, run_id)
    assert (told.status, told.phase, told.finished_at is not None) == ("cancelled", "finished", True)
    again = create(db, "rebuild")
    work(db, again)
    assert end(db, again, "rebuild") == "succeeded"
    assert present(db) == oracle.edges(world)
    assert list(friends(db)) == [(1, 5)]
    assert db.execute(LEFT_THERE).fetchall() == there


def test_a_new_rebuild_sweeps_up_after_one_that_nobody_cleaned_up(db: Connection) -> None:
    begin(db, office(4))
    there = db.execute(LEFT_THERE).fetchall()
    old = create(db, "rebuild", 1)
    do(db, old, claimed(db, old))
    db.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
    run_id = create(db, "rebuild")
    assert value(db, "SELECT connection_paths.cancel_run(%s)", old) is True  # and takes nothing of the new one's
    work(db, run_id)
    assert end(db, run_id, "rebuild") == "succeeded"
    assert present(db) == oracle.edges(office(4))
    assert db.execute(LEFT_THERE).fetchall() == there


def test_a_cancelled_rebuild_takes_nothing_of_one_that_is_being_planned(db: Connection, dsn: str) -> None:
    """It waits until that can be seen, and then sees it."""
    begin(db, office(4))
    there = db.execute(LEFT_THERE).fetchall()
    old = create(db, "rebuild", 1)
    do(db, old, claimed(db, old))
    db.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
    with connect(dsn, autocommit=False) as planner, connect(dsn) as canceller:
        run_id = create(planner, "rebuild")
        cancel = "SELECT connection_paths.cancel_run(%s)"
        with in_the_background(lambda: value(canceller, cancel, old)) as cancelling:
            until(lambda: value(db, WAITING) == 1)
            planner.commit()
            assert cancelling.result() is True
    work(db, run_id)
    assert end(db, run_id, "rebuild") == "succeeded"
    assert present(db) == oracle.edges(office(4))
    assert db.execute(LEFT_THERE).fetchall() == there


def test_a_run_that_is_over_stays_over(db: Connection) -> None:
    begin(db, office(3))
    for last in ("cancelled", "succeeded"):
        run_id = create(db, "in_place")
        work(db, run_id)
        if last == "succeeded":
            end(db, run_id, "in_place")
        else:
            db.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
        for status in ("running", "paused"):
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match=f"run {run_id} is over: {last}"):
                db.execute("UPDATE connection_paths.backfill_runs SET status = %s WHERE run_id = %s", (status, run_id))
            with pytest.raises(OrchestratorError, match=f"run {run_id} is over: {last}"):
                {"running": runs.resume, "paused": runs.pause}[status](db, run_id)
        if last == "succeeded":
            with pytest.raises(errors.ObjectNotInPrerequisiteState):
                db.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
        assert runs.read(db, run_id).status == last


def test_nothing_is_carried_for_a_cancelled_rebuild(db: Connection) -> None:
    """The table may be the next one's."""
    begin(db, replace(office(3), extra_edges={(1, 5): Edge(FRIEND, None, None, None)}))
    run_id = create(db, "rebuild")
    work(db, run_id)
    db.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
    assert value(db, "SELECT connection_paths.copy_remaining_edges(%s)", run_id) == 0
    told = "SELECT count(*) FROM connection_paths.contact_connections_next WHERE kind = 'friend'"
    assert value(db, told) == 0
    assert runs.read(db, run_id).phase == "filling"


def test_a_batch_of_a_rebuild_must_see_what_is_there(db: Connection, dsn: str) -> None:
    begin(db, office(3))
    run_id = create(db, "rebuild")
    batch = claimed(db, run_id)
    with connect(dsn) as blind:
        blind.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(errors.ActiveSqlTransaction):
            do(blind, run_id, batch)
        blind.execute("ROLLBACK")
        blind.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(errors.ActiveSqlTransaction):
            blind.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))
    do(db, run_id, batch)


def test_telling_how_one_is_doing_waits_for_nobody(db: Connection, dsn: str) -> None:
    begin(db, office(3))
    told = {"run_id": create(db, "in_place"), "process": "here:1", "worker": 1, "told": Jsonb({"workers": 2})}
    tell = sqlfiles.query("runs/tell_of_process")
    with connect(dsn, autocommit=False) as holder:
        holder.execute("UPDATE connection_paths.backfill_runs SET max_workers = 2")
        db.execute("SET lock_timeout = '1s'")
        assert db.execute(tell, told).rowcount == 0
        holder.rollback()
    db.execute("RESET lock_timeout")
    assert db.execute(tell, told).rowcount == 1
    assert value(db, "SELECT processes #>> '{here:1,workers}' FROM connection_paths.backfill_runs") == "2"


def test_the_end_must_not_come_before_the_batches_are_done(db: Connection) -> None:
    begin(db, office(4))
    run_id = create(db, "rebuild", 2)
    do(db, run_id, claimed(db, run_id))
    for name in ("copy_remaining_edges", "finish_run"):
        with refused(runs.NOT_READY):
            db.execute(f"SELECT connection_paths.{name}(%s)".encode(), (run_id,))
    assert value(db, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is False
    work(db, run_id)
    with refused(runs.NOT_READY):
        db.execute("SELECT connection_paths.finish_run(%s)", (run_id,))
    assert value(db, "SELECT connection_paths.copy_remaining_edges(%s)", run_id) == 0
    assert value(db, "SELECT connection_paths.copy_remaining_edges(%s)", run_id) == 0
    assert end(db, run_id, "rebuild") == "succeeded"
    assert end(db, run_id, "rebuild") == "succeeded"


def test_a_swap_is_refused_while_an_index_is_missing(db: Connection) -> None:
    begin(db, office(4), {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None)})
    run_id = create(db, "rebuild")
    work(db, run_id)
    db.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
    query = "SELECT statement FROM connection_paths.missing_rebuild_indexes(%s)"
    seen = 0
    while missing := db.execute(query, (run_id,)).fetchall():
        with refused(runs.NOT_READY):
            db.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,))
        assert len(present(db)) == 1
        db.execute(missing[-1][0].encode())  # in any order
        seen += 1
    assert seen >= 4  # the primary key takes two
    assert value(db, "SELECT connection_paths.exchange_rebuild(%s)", run_id) is True


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_swap_that_would_not_see_everything_is_refused(db: Connection, dsn: str, level: str) -> None:
    begin(db, office(4))
    run_id = create(db, "rebuild")
    for _ in stages(db, run_id):
        pass
    with connect(dsn) as blind:
        blind.execute(f"BEGIN ISOLATION LEVEL {level}; SELECT FROM public.contacts".encode())
        db.execute(WRITE.encode(), (1, 4, FRIEND, None))
        with pytest.raises(errors.ActiveSqlTransaction):
            blind.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,))
    assert end(db, run_id, "rebuild") == "succeeded"
    assert list(friends(db)) == [(1, 4)]


def test_a_rebuild_that_is_not_what_it_should_be_is_not_put_in_place(db: Connection) -> None:
    begin(db, office(5))
    for spoil in (
        "DELETE FROM connection_paths.contact_connections_next WHERE contact_b_id = 5 AND contact_a_id = 1",
        "UPDATE connection_paths.contact_connections_next SET date_to = current_date WHERE contact_a_id = 2",
        "INSERT INTO connection_paths.contact_connections_next SELECT 5, 6, kind, organization_id, date_from, date_to"
        " FROM connection_paths.contact_connections_next LIMIT 1;"
        "UPDATE connection_paths.backfill_batches SET edges_changed = edges_changed + 1"
        " WHERE batch_id = (SELECT max(batch_id) FROM connection_paths.backfill_batches)",
    ):
        run_id = create(db, "rebuild")
        work(db, run_id)
        db.execute(spoil.encode())
        with pytest.raises(Exception, match="not what it should be"):
            rebuild.complete(dsn_of(db), db, run_id, workers=2)
        assert present(db) == {}
        assert runs.read(db, run_id).active
        db.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))


def test_contacts_that_are_recomputed_during_a_rebuild_are_recomputed_after_it(db: Connection) -> None:
    world = office(5)
    begin(db, world, oracle.edges(world))
    run_id = create(db, "rebuild")
    work(db, run_id)
    db.execute("UPDATE public.contact_work_experiences SET organization_id = 99 WHERE contact_id = 3")
    drain(db)
    gone = {pair: edge for pair, edge in oracle.edges(world).items() if 3 not in pair}
    assert present(db) == gone
    assert end(db, run_id, "rebuild") == "succeeded"
    drain(db)
    assert present(db) == gone


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("DELETE FROM public.contacts WHERE id = 5", {1, 2, 3, 4}),
        ("INSERT INTO public.contacts (id) VALUES (6)", {1, 2, 3, 4, 5, 6}),
    ],
)
def test_a_contact_that_comes_or_goes_while_a_rebuild_is_planned(
    db: Connection, dsn: str, what: str, left: set[int]
) -> None:
    """Who is missing was noted before, and the change is dealt with in the live edges before the run can be seen."""
    begin(db, office(6))
    db.execute("DELETE FROM public.contacts WHERE id = 6")
    with connect(dsn, autocommit=False) as blocker, connect(dsn) as planner:
        blocker.execute("CREATE TABLE connection_paths.contact_connections_next ()")
        with in_the_background(lambda: create(planner, "rebuild")) as planning:
            until(lambda: value(db, WAITING) == 1)
            db.execute(what.encode())
            drain(db)
            blocker.rollback()
            run_id = planning.result()
    work(db, run_id)
    assert end(db, run_id, "rebuild") == "succeeded"
    drain(db)
    assert set(present(db)) == set(combinations(sorted(left), 2))


def test_a_batch_that_read_before_a_change_does_not_have_the_last_word(db: Connection, dsn: str) -> None:
    """It has read that contacts 1 and 3 are colleagues, which ends before it can say so."""
    world = office(3)
    begin(db, world, {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None)})
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
    assert list(present(db)) == [(1, 2)]


# What depends on contact_connections


def test_what_depends_on_the_edges_stays_what_it_was(own: Connection, application: str) -> None:
    world = replace(office(6), extra_edges={(1, 6): Edge(FRIEND, None, None, None)})
    begin(own, world, {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None)})
    role = sql.Identifier(application)
    own.execute(
        """
        CREATE VIEW public.app_degrees AS
            SELECT contact_a_id, count(*) AS degree FROM connection_paths.contact_connections GROUP BY 1;
        CREATE INDEX app_by_organization ON connection_paths.contact_connections (organization_id, date_from DESC);
        CREATE UNIQUE INDEX "App's ""own"" index" ON connection_paths.contact_connections
            (contact_b_id, contact_a_id, kind) INCLUDE (date_to);
        CREATE INDEX app_partial ON connection_paths.contact_connections ((contact_a_id + 1))
            WHERE kind = 'work_overlap' AND date_to IS NULL;
        CREATE FUNCTION public.app_edges() RETURNS bigint LANGUAGE plpgsql STABLE AS
            'BEGIN RETURN (SELECT count(*) FROM connection_paths.contact_connections); END';
        CREATE TABLE public.app_log (contact_a_id bigint);
        CREATE FUNCTION public.app_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            'BEGIN INSERT INTO public.app_log VALUES (NEW.contact_a_id); RETURN NULL; END';
        CREATE TRIGGER app_note AFTER INSERT ON connection_paths.contact_connections
            FOR EACH ROW WHEN (NEW.kind <> 'work_overlap') EXECUTE FUNCTION public.app_note();
        ALTER TABLE connection_paths.contact_connections ENABLE ROW LEVEL SECURITY;
        CREATE POLICY app_policy ON connection_paths.contact_connections USING (contact_a_id <> 2);
        GRANT USAGE ON SCHEMA public TO PUBLIC;
        """
    )
    own.execute(sql.SQL("GRANT SELECT ON public.app_degrees TO {}").format(role))
    there = [row for row in own.execute(LEFT_THERE).fetchall() if row[0] != "i"]
    rights = value(
        own, "SELECT relacl::text FROM pg_class WHERE oid = 'connection_paths.contact_connections'::regclass"
    )
    count = "SELECT count(*) FROM connection_paths.contact_connections"
    with connect(make_conninfo(dsn_of(own), user=application)) as app, connect(dsn_of(own)) as session:
        session.execute("SET plan_cache_mode = force_generic_plan")

        def seen() -> tuple[Any, ...]:
            return (
                session.execute(count.encode(), prepare=True).fetchone(),
                session.execute("SELECT public.app_edges()", prepare=True).fetchone(),
                session.execute("SELECT sum(degree)::bigint FROM public.app_degrees", prepare=True).fetchone(),
                app.execute(count.encode(), prepare=True).fetchone(),
            )

        assert seen() == ((2,), (2,), (2,), (2,))
        for _ in range(2):  # the second finds what the first has made
            run_id = create(own, "rebuild", 5)
            work(own, run_id)
            assert end(own, run_id, "rebuild") == "succeeded"
            assert seen() == ((16,), (16,), (16,), (16 - 4,))
            assert own.execute(PARTITIONS).fetchall() == [("connection_paths.contact_connections_live",)]
            indexes: dict[str, bool] = dict(own.execute(INDEXES).fetchall())
            assert len(indexes) == 6
            assert all(indexes.values()), indexes
            assert [row for row in own.execute(LEFT_THERE).fetchall() if row[0] != "i"] == there
        app.execute(WRITE.encode(), (3, 9, FRIEND, None))
        with pytest.raises(errors.InsufficientPrivilege):
            app.execute(WRITE.encode(), (2, 9, FRIEND, None))
        assert own.execute("SELECT * FROM public.app_log").fetchall() == [(3,)]
    assert rights == value(
        own, "SELECT relacl::text FROM pg_class WHERE oid = 'connection_paths.contact_connections'::regclass"
    )
    with pytest.raises(errors.UniqueViolation):
        own.execute(WRITE.encode(), (3, 9, FRIEND, None))
    own.execute("DROP VIEW public.app_degrees")


def test_indexes_whose_names_begin_alike_all_come_along(own: Connection) -> None:
    begin(own, office(4), oracle.edges(office(4)))
    own.execute(
        "CREATE INDEX idx_contact_connections_organization_id_date_from"
        " ON connection_paths.contact_connections (organization_id, date_from);"
        "CREATE INDEX idx_contact_connections_organization_id_date_to"
        " ON connection_paths.contact_connections (organization_id, date_to);"
        f'CREATE INDEX "{"ж" * 30}a" ON connection_paths.contact_connections (date_to);'
        f'CREATE INDEX "{"ж" * 30}b" ON connection_paths.contact_connections (date_from)'.encode()
    )
    run_id = create(own, "rebuild")
    work(own, run_id)
    assert end(own, run_id, "rebuild") == "succeeded"
    indexes: dict[str, bool] = dict(own.execute(INDEXES).fetchall())
    assert len(indexes) == 7
    assert all(indexes.values()), indexes


STORAGE = "SELECT reloptions FROM pg_class WHERE oid = to_regclass('connection_paths.contact_connections_{}')"


@pytest.mark.parametrize(
    ("before", "meanwhile", "after"),
    [
        ("", "", None),
        ("SET (fillfactor = 70)", "", ["fillfactor=70"]),
        (
            "SET (autovacuum_vacuum_scale_factor = 0.02, parallel_workers = 3, autovacuum_enabled = off)",
            "",
            ["autovacuum_vacuum_scale_factor=0.02", "parallel_workers=3", "autovacuum_enabled=off"],
        ),
        ("SET (autovacuum_enabled = true)", "", ["autovacuum_enabled=true"]),
        (
            "SET (fillfactor = 70, parallel_workers = 3)",
            "RESET (fillfactor), SET (autovacuum_enabled = off, vacuum_truncate = false)",
            ["parallel_workers=3", "autovacuum_enabled=off", "vacuum_truncate=false"],
        ),
    ],
)
def test_storage_parameters_come_along(own: Connection, before: str, meanwhile: str, after: list[str] | None) -> None:
    begin(own, office(4), oracle.edges(office(4)))
    alter = "ALTER TABLE connection_paths.contact_connections_live"
    own.execute("CREATE INDEX app_roomy ON connection_paths.contact_connections (date_to) WITH (fillfactor = 60)")
    if before:
        own.execute(f"{alter} {before}".encode())
    run_id = create(own, "rebuild")
    live, filling = (set(value(own, STORAGE.format(name)) or ()) for name in ("live", "next"))
    kept = {each for each in live if not each.startswith("autovacuum_enabled")}
    assert filling == {*kept, "autovacuum_enabled=false"}
    if meanwhile:
        own.execute(f"{alter} {meanwhile}".encode())
    work(own, run_id)
    assert end(own, run_id, "rebuild") == "succeeded"
    assert value(own, STORAGE.format("live")) == after
    assert value(
        own,
        "SELECT c.reloptions FROM pg_class AS c JOIN pg_inherits AS i ON i.inhrelid = c.oid"
        " WHERE i.inhparent = 'connection_paths.app_roomy'::regclass",
    ) == ["fillfactor=60"]


def test_a_unique_constraint_of_the_applications_comes_along(own: Connection) -> None:
    begin(own, office(4), oracle.edges(office(4)))
    own.execute(
        "ALTER TABLE connection_paths.contact_connections ADD CONSTRAINT app_unique"
        " UNIQUE (contact_b_id, contact_a_id, kind)"
    )
    for _ in range(2):
        run_id = create(own, "rebuild")
        for _ in stages(own, run_id):
            pass
        before = value(own, NEXT_INDEXES, "connection_paths.contact_connections_next")
        assert end(own, run_id, "rebuild") == "succeeded"
        # none was built while everybody waited for the swap
        assert value(own, NEXT_INDEXES, "connection_paths.contact_connections_live") == before
        indexes: dict[str, bool] = dict(own.execute(INDEXES).fetchall())
        assert len(indexes) == 4
        assert all(indexes.values()), indexes


# A contact at fault, by the library and the command line

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
def test_a_poisoned_contact_is_found_set_aside_and_told(own: Connection, strategy: str) -> None:
    world = office(12)
    right = oracle.edges(world)
    before = {pair: edge._replace(organization_id=3) for pair, edge in right.items() if pair[0] in (4, 5)}
    begin(own, world, before)
    own.execute((POISON if strategy == "in_place" else POISON_NEXT).encode())
    kept = {pair: edge for pair, edge in before.items() if pair[0] == 5}
    told = run("--dsn", dsn_of(own), "backfill", "--strategy", strategy, "--no-throttle", "--workers", "2")
    assert told.exit_code == 1
    assert "succeeded with exceptions" in told.stdout
    assert "contact 5: " in told.stdout
    assert "not" in told.stdout
    assert told.stdout.count("contact ") == 1
    assert "Traceback" not in told.stderr
    assert present(own) == {**{pair: edge for pair, edge in right.items() if pair[0] != 5}, **kept}
    check_books(own, 1)
    (aside,) = [row for row in batches(own, 1) if row.status == "set aside"]
    assert (aside.contact_id, aside.edges_changed) == (5, 0)
    shown = json.loads(run("--dsn", dsn_of(own), "--json", "runs", "show").stdout)
    assert [row["contact_id"] for row in shown["set_aside"]] == [5]
    assert "contact 5: " in run("--dsn", dsn_of(own), "runs", "show", "1").stdout


# Sessions that are not as ours are by default


def set_for_database(connection: Connection, setting: str, to: str) -> None:
    connection.execute(
        sql.SQL("ALTER DATABASE {} SET {} = {}").format(
            sql.Identifier(connection.info.dbname), sql.SQL(setting), sql.Literal(to)
        )
    )


@each_strategy
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_the_databases_isolation_level_does_not_matter(own: Connection, level: str, strategy: str) -> None:
    begin(own, office(8), {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None)})
    set_for_database(own, "default_transaction_isolation", level)
    done = backfill(dsn_of(own), Options(workers=2, strategy=strategy, batch_edges=5, limits=None))
    assert (done.run.status, done.set_aside) == ("succeeded", [])
    assert present(own) == oracle.edges(office(8))
    with connect(dsn_of(own), settings={"default_transaction_isolation": "read committed"}) as other:
        create(other, strategy)
    assert run("--dsn", dsn_of(own), "runs", "cancel", "2").stdout == "Run 2 is cancelled.\n"
    assert runs.read(own, 2).phase == "finished"


def slow_to_index(connection: Connection, milliseconds: int, *names: str) -> None:
    """Have the application make indexes that take their time for each row."""
    slower(connection, milliseconds)
    for name in names or ("app_slow",):
        connection.execute(
            f"CREATE INDEX {name} ON connection_paths.contact_connections (public.slowly(contact_a_id))".encode()
        )


def slower(connection: Connection, milliseconds: int) -> None:
    connection.execute(
        f"CREATE OR REPLACE FUNCTION public.slowly(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
        f" 'BEGIN PERFORM pg_sleep({milliseconds / 1000}); RETURN n; END'".encode()
    )


@pytest.mark.parametrize("timeout", ["statement_timeout", "transaction_timeout"])
def test_the_databases_timeouts_do_not_stop_the_end_of_a_rebuild(own: Connection, timeout: str) -> None:
    if timeout == "transaction_timeout" and own.info.server_version < 170_000:
        pytest.skip("of PostgreSQL 17 and later")
    begin(own, office(8))
    slow_to_index(own, 30)  # 28 edges
    set_for_database(own, timeout, "400ms")
    done = backfill(dsn_of(own), Options(workers=1, strategy="rebuild", limits=None))
    assert done.run.status == "succeeded"


def test_a_run_cancelled_while_it_waits_for_the_swap_ends_as_cancelled(
    own: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late the process that ends it learns of that."""
    monkeypatch.setattr("orchestrator.runs.backfill._Part._look_at_index", lambda *_: None)
    begin(own, office(4))
    there = own.execute(LEFT_THERE).fetchall()
    with connect(dsn_of(own), autocommit=False) as reader:
        reader.execute("SELECT FROM connection_paths.contact_connections")
        options = Options(workers=1, strategy="rebuild", limits=None)
        with in_the_background(lambda: backfill(dsn_of(own), options)) as filling:
            until(lambda: value(own, WAITING) == 1)
            own.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
            reader.rollback()
            assert filling.result().run.status == "cancelled"
    assert runs.read(own, 1).phase == "finished"
    assert own.execute(LEFT_THERE).fetchall() == there


@pytest.mark.parametrize(("given", "idle"), [("", "30"), (" keepalives_idle=7", "7")])
def test_a_silent_network_is_noticed(dsn: str, given: str, idle: str) -> None:
    with database.connect(dsn + given) as connection:
        assert connection.info.get_parameters()["keepalives_idle"] == idle


def test_a_run_cancelled_while_its_indexes_are_built_ends_as_cancelled(own: Connection) -> None:
    begin(own, office(8))
    slow_to_index(own, 50)
    there = own.execute(LEFT_THERE).fetchall()
    process = start("--dsn", dsn_of(own), "backfill", "--strategy", "rebuild", "--no-throttle", "--workers", "1")
    building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
    until(lambda: value(own, building) == 1)
    assert "Run 1 is cancelled." in run("--dsn", dsn_of(own), "runs", "cancel", "1").stdout
    code, out, err = finish(process, 30)
    assert (code, "Run 1 cancelled" in out) == (1, True), err
    assert "Error" not in err
    assert own.execute(LEFT_THERE).fetchall() == there


def test_a_worker_that_cannot_tell_of_a_failure_does_not_keep_the_batch(own: Connection) -> None:
    """A batch is cancelled, and so is the call that says so: the worker lives on, and knows nothing of it."""
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
        # A table's lock is handed to the first who waits for it; a row's goes to the first who comes once it is free.
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
    assert present(own) == oracle.edges(office(6))


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


def test_an_operator_steers_a_run(own: Connection) -> None:
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
    own.execute("UPDATE connection_paths.backfill_runs SET status = 'running'")
    check_goes_on()
    assert run("--dsn", dsn, "runs", "set", "1", "--workers", "0").stdout == "Run 1 may have 0 workers at most.\n"
    check_held()
    own.execute("UPDATE connection_paths.backfill_runs SET max_workers = 1")
    check_goes_on()
    for _ in range(20):
        assert value(own, AT_IT) <= 1
        time.sleep(0.01)
    own.execute("UPDATE connection_paths.backfill_runs SET status = 'paused'")
    check_held()
    assert run("--dsn", dsn, "runs", "resume", "1").stdout == "Run 1 is running.\n"
    told = run("--dsn", dsn, "runs", "set", "1", "--any-workers").stdout
    assert told == "Run 1 may have as many workers as come.\n"

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


@each_strategy
def test_a_session_that_is_lost_while_planning(own: Connection, strategy: str) -> None:
    begin(own, office(8))
    dsn = dsn_of(own)
    with connect(dsn, autocommit=False) as writer:
        writer.execute("LOCK TABLE contact_work_experiences")
        process = start("--dsn", dsn, "backfill", "--strategy", strategy, "--no-throttle")
        until(lambda: value(own, WAITING) == 1)
        planner = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%%create_run%%'"
        assert value(own, f"SELECT pg_terminate_backend(({planner} AND pid <> pg_backend_pid()), 5000)") is True
    code, out, err = finish(process)
    assert (code, "succeeded" in out) == (0, True), err
    assert present(own) == oracle.edges(office(8))


def test_planning_that_its_session_never_survives_is_given_up(own: Connection) -> None:
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
@pytest.mark.parametrize("by_command", [True, False])
def test_an_operator_cancels_a_run(own: Connection, by_command: bool, strategy: str) -> None:
    begin(own, office(40))
    own.execute(DAWDLE if strategy == "in_place" else "")
    there = own.execute(LEFT_THERE).fetchall()
    create(own, strategy, 20)
    own.execute("UPDATE connection_paths.backfill_runs SET max_workers = 1")
    dsn = dsn_of(own)
    first = claimed(own, 1) if strategy == "rebuild" else None  # and nobody else gets one
    process = start("--dsn", dsn, "backfill", "--workers", "2", "--no-throttle")
    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orchestrator' AND datname = current_database()"
    )
    until(lambda: value(own, ours) >= 3 if first else value(own, DONE) > 0)
    if by_command:
        told = run("--dsn", dsn, "runs", "cancel", "1")
        assert (told.exit_code, told.stdout) == (0, "Run 1 is cancelled.\n")
    else:
        own.execute("UPDATE connection_paths.backfill_runs SET status = 'cancelled'")
    code, out, err = finish(process, 30)
    assert (code, "Run 1 cancelled" in out) == (1, True), err
    assert "Error" not in err
    assert runs.read(own, 1).phase == "finished"
    assert own.execute(LEFT_THERE).fetchall() == there
    assert run("--dsn", dsn, "runs", "cancel", "1").exit_code == 0
    check_failed(run("--dsn", dsn, "runs", "resume", "1"), "run 1 is over: cancelled")


def test_runs_that_are_not_there_are_one_line(own: Connection) -> None:
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
    assert present(own) == oracle.edges(office(40))


def test_auto_rebuilds_where_there_are_no_edges_and_corrects_where_there_are(own: Connection) -> None:
    begin(own, replace(office(5), extra_edges={(1, 2): Edge(FRIEND, None, None, None)}))
    for strategy, changed in (("rebuild", 10), ("in_place", 0)):
        done = backfill(dsn_of(own), Options(workers=1, limits=None))
        assert (done.run.strategy, done.run.edges_changed, done.run.status) == (strategy, changed, "succeeded")
    assert list(friends(own)) == [(1, 2)]


# Rights


@pytest.fixture
def stranger(own: Connection) -> Iterator[str]:
    """A connection string of a role that may log in and no more."""
    name = f"{own.info.dbname}_stranger"
    own.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield make_conninfo(dsn_of(own), user=name)
    own.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_public_may_do_nothing(own: Connection, stranger: str) -> None:
    begin(own, office(3))
    create(own, "rebuild")
    user = conninfo_to_dict(stranger)["user"]
    may = own.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = 'connection_paths'::regnamespace"
        " AND has_function_privilege(%s, p.oid, 'EXECUTE')",
        (user,),
    ).fetchall()
    assert may == []
    may = own.execute(
        "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'connection_paths'::regnamespace"
        " AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege(%s, c.oid, 'SELECT, INSERT, UPDATE, DELETE')",
        (user,),
    ).fetchall()
    assert may == []
    for command in ("backfill", "runs list", "runs show 1", "runs pause 1", "runs cancel 1", "runs set 1 --workers 1"):
        check_failed(run("--dsn", stranger, *command.split()), "42501")
    assert runs.read(own, 1).status == "running"
