"""Runs beside roles that take locks, administrators, crashes, restores, and triggers that raise anything."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core.database import Connection, connect
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.runs.driver import RunDriver
from tests.support import oracle
from tests.support.changes import drain
from tests.support.command_line import check_failed, finish, run, start
from tests.support.edges import edges
from tests.support.runs import (
    INDEXES,
    LEFT_THERE,
    PARTITIONS,
    WAITING,
    batches,
    begin,
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
from tests.support.sessions import dsn_of, refused, set_for_database, terminate, value
from tests.support.waiting import all_at_once, in_the_background, until
from tests.support.world import Edge, load_edges, office

#: A trigger function of the application that is called for each edge, in place and in the table of a rebuild.
RULE = """
CREATE FUNCTION public.rule(contact_a_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN {} RETURN true; END $$;
ALTER TABLE connection_paths.contact_connections
    ADD CONSTRAINT app_rule CHECK (public.rule(contact_a_id)) NOT VALID;
"""


def wrong(connection: Connection, size: int, aside: Collection[int] = ()) -> dict[Any, Any]:
    """The edges that are wrong, except those of contacts that were set aside."""
    right = {pair: edge for pair, edge in oracle.edges(office(size)).items() if pair[0] not in aside}
    there = edges(connection)
    return {pair: there.get(pair) for pair in right.keys() | there.keys() if right.get(pair) != there.get(pair)}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses of processes."""
    monkeypatch.setattr("orchestrator.runs.driver._TICK", 0.03)
    monkeypatch.setattr("orchestrator.runs.workers._PAUSE", 0.03)


@pytest.fixture
def ruled(db: Connection) -> Iterator[Connection]:
    """The database of this file, with the application's rule, which a test may replace."""
    yield db
    db.execute(
        "ALTER TABLE connection_paths.contact_connections DROP CONSTRAINT IF EXISTS app_rule;"
        "DROP FUNCTION IF EXISTS public.rule"
    )


# Batches that fail at once


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


@pytest.mark.parametrize(("strategy", "workers"), [("in_place", 4), ("rebuild", 4), ("in_place", 20)])
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


# Errors of the application that look like errors of the package

#: SQLSTATEs that triggers of an application may raise, among them those that the orchestrator treats specially.
STATES = (
    "55000", "55006", "42501", "42883", "42P01", "42P07", "3F000", "25006", "02000", "23505", "57014",
    "57P01", "40001", "40P01", "55P03", "P0001", "XX000", "08006", "CP000",
)  # fmt: skip


@each_strategy
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


# Commits that are lost

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


@pytest.mark.parametrize("when", ["filling", "ending"])
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


# Advisory locks that any role may take


@pytest.fixture
def role(db: Connection) -> Iterator[Callable[..., str]]:
    """A function that makes roles that may connect, with more privileges; all roles are dropped at the end."""
    made: list[sql.Identifier] = []

    def make(*grants: str, **names: str) -> str:
        name = f"{db.info.dbname}_role_{len(made)}"
        made.append(sql.Identifier(name))
        db.execute(sql.SQL("CREATE ROLE {} LOGIN").format(made[-1]))
        for each in grants:
            quoted = {key: sql.Identifier(other) for key, other in names.items()}
            db.execute(sql.SQL(each).format(role=made[-1], **quoted))
        return name

    yield make
    for name in reversed(made):
        db.execute(sql.SQL("DROP OWNED BY {}").format(name))
        db.execute(sql.SQL("DROP ROLE {}").format(name))


def log_in(own: Connection, role: str) -> Connection:
    return psycopg.connect(make_conninfo(dsn_of(own), user=role), autocommit=True)


#: Takes the advisory locks of every purpose, old ones too, for the next ids.
TAKE = """
SELECT pg_try_advisory_{lock}(purpose * (1::bigint << 48) + id)
FROM unnest('{{25441,25443,25444,25445}}'::bigint[]) AS purpose
CROSS JOIN (
    SELECT generate_series(s.last_value, s.last_value + 150) FROM connection_paths.backfill_worker_ids AS s
    UNION ALL SELECT r.last_value + n FROM connection_paths.backfill_runs_run_id_seq AS r, generate_series(0, 20) AS n
    UNION ALL SELECT 0
) AS i (id)
"""


@pytest.mark.parametrize(
    ("strategy", "lock"), [("in_place", "lock"), ("rebuild", "xact_lock"), ("rebuild", "lock_shared")]
)
def test_a_role_without_rights_cannot_block_a_run(
    db: Connection, role: Callable[..., str], strategy: str, lock: str
) -> None:
    begin(db, office(10))
    reads = role(
        "GRANT USAGE ON SCHEMA connection_paths TO {role}",
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA connection_paths TO {role}",
    )
    with log_in(db, reads) as intruder, intruder.transaction():
        intruder.execute(TAKE.format(lock=lock).encode())
        done = backfill(dsn_of(db), BackfillOptions(2, strategy, batch_edges=9, limits=None))
        assert (done.run.status, wrong(db, 10)) == ("succeeded", {})
        run_id = create(db, "rebuild")
        cancelled = run("--dsn", dsn_of(db), "runs", "cancel", str(run_id))
        assert cancelled.stdout == f"Run {run_id} is cancelled.\n"


def test_a_role_without_rights_cannot_keep_a_dead_worker_alive(db: Connection, role: Callable[..., str]) -> None:
    begin(db, office(4))
    run_id = create(db, "in_place")
    db.execute("SELECT connection_paths.set_max_workers(run_id, 1) FROM connection_paths.backfill_runs")
    with connect(dsn_of(db)) as doomed, log_in(db, role()) as intruder:
        old = claimed(doomed, run_id)
        worker = value(doomed, "SELECT connection_paths.register_worker()")
        db.execute("UPDATE connection_paths.backfill_runs SET finishing_worker_id = %s", (worker,))
        key = value(db, "SELECT connection_paths.advisory_key('worker', %s)", worker)
        with in_the_background(lambda: intruder.execute("SELECT pg_advisory_lock(%s)", (key,))) as waiting:
            until(lambda: value(db, WAITING) == 1)
            terminate(db, doomed)
            waiting.result()
        assert claimed(db, run_id) == old._replace(attempt=2)
        assert value(db, "SELECT connection_paths.claim_finish(%s)", run_id) is True


MEMBER = "GRANT {group} TO {role}"
GRANTS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "reads": ("GRANT SELECT ON ALL TABLES IN SCHEMA connection_paths TO {role}",),
    "uses the schema": ("GRANT USAGE ON SCHEMA connection_paths TO {role}",),
    "writes": ("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA connection_paths TO {role}",),
    "superuser": ("ALTER ROLE {role} SUPERUSER",),
    "writes all": ("GRANT pg_write_all_data TO {role}",),
}


def test_which_roles_count_as_lock_holders(db: Connection, role: Callable[..., str]) -> None:
    """For each purpose and privilege, the role has the privilege itself, or by a membership, inherited or not."""
    expected, found = set(), set()
    for grants, statements in GRANTS.items():
        group = role(*statements)
        members = {"itself": group}
        if grants != "superuser":  # that attribute is not inherited
            members["inherits"] = role(MEMBER, group=group)
            members["does not inherit"] = role("ALTER ROLE {role} NOINHERIT", MEMBER, group=group)
        for member, name in members.items():
            with log_in(db, name) as session:
                for purpose in ("worker", "refresh", "listener"):
                    if grants in ("writes", "writes all", "superuser"):
                        expected.add((purpose, grants, member))
                    key = value(db, "SELECT connection_paths.advisory_key(%s, 7)", purpose)
                    session.execute("SELECT pg_advisory_lock_shared(%s)", (key,))
                    held = db.execute("SELECT id, pid FROM connection_paths.lock_holders(%s)", (purpose,)).fetchall()
                    if (7, session.info.backend_pid) in held:
                        found.add((purpose, grants, member))
    assert found == expected


def test_a_caller_of_a_security_definer_function_counts_as_a_holder(db: Connection, role: Callable[..., str]) -> None:
    """A SECURITY DEFINER function of the application, called by a role without privileges."""
    name = role()
    db.execute(
        "CREATE OR REPLACE FUNCTION public.recompute() RETURNS void LANGUAGE sql SECURITY DEFINER AS"
        " 'LOCK TABLE connection_paths.contact_connections IN ROW EXCLUSIVE MODE;"
        "  SELECT connection_paths.begin_refresh()'"
    )
    with log_in(db, name) as session, session.transaction():
        session.execute("SELECT public.recompute()")
        held = db.execute("SELECT pid FROM connection_paths.lock_holders('refresh')").fetchall()
        assert held == [(session.info.backend_pid,)]


def test_a_worker_whose_lock_would_not_count_gets_an_error(db: Connection, role: Callable[..., str]) -> None:
    name = role()
    db.execute(
        "CREATE OR REPLACE FUNCTION public.register() RETURNS integer LANGUAGE sql SECURITY DEFINER AS"
        " 'SELECT connection_paths.register_worker()'"
    )
    with log_in(db, name) as session, pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not write"):
        session.execute("SELECT public.register()")


# What an administrator does beside a run

PUBLICATIONS = ("FOR ALL TABLES", "FOR TABLES IN SCHEMA connection_paths")
STAGES = ("before", "created", "half done", "filled", "indexed", "swapped")


@pytest.mark.parametrize(("stage", "publication"), list(zip(STAGES, 3 * PUBLICATIONS, strict=True)))
@pytest.mark.parametrize("ends", ["finished", "cancelled"])
def test_a_publication_stops_nothing(db: Connection, publication: str, stage: str, ends: str) -> None:
    begin(db, office(6), {(1, 2): Edge("friend", None, None, None)})
    steps: list[tuple[str, Callable[[int], Any]]] = [
        ("half done", lambda run_id: do(db, run_id, claimed(db, run_id))),
        ("filled", lambda run_id: work(db, run_id)),
        ("indexed", lambda run_id: _index(db, run_id)),
        ("swapped", lambda run_id: db.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,))),
    ]
    try:
        if stage == "before":
            db.execute(f"CREATE PUBLICATION app {publication}".encode())
        run_id = create(db, "rebuild", 6)
        if stage == "created":
            db.execute(f"CREATE PUBLICATION app {publication}".encode())
        for name, step in steps:
            if ends == "cancelled" and STAGES.index(name) > STAGES.index(stage) > 0:
                break
            step(run_id)
            db.execute("UPDATE connection_paths.contact_connections SET computed_at = now() WHERE kind = 'friend'")
            db.execute("SELECT connection_paths.backfill_contact(2)")
            if name == stage:
                db.execute(f"CREATE PUBLICATION app {publication}".encode())
        if ends == "cancelled":
            assert value(db, "SELECT connection_paths.cancel_run(%s)", run_id) is True
        else:
            assert end(db, run_id, "rebuild") == "succeeded"
        db.execute("INSERT INTO connection_paths.contact_changes (contact_id) SELECT generate_series(1, 6)")
        drain(db)
        assert (wrong(db, 6), len(friends(db))) == ({}, 1)
        assert value(db, "SELECT relreplident FROM pg_class WHERE relname = 'contact_connections_live'") == "d"
    finally:
        db.execute("DROP PUBLICATION IF EXISTS app")


def _index(connection: Connection, run_id: int) -> None:
    connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
    missing = "SELECT statement FROM connection_paths.missing_rebuild_indexes(%s)"
    while statements := connection.execute(missing, (run_id,)).fetchall():
        for (statement,) in statements:
            connection.execute(statement.encode())


@pytest.fixture
def tablespaces(own: Connection) -> Iterator[list[str]]:
    """Three tablespaces, with names that need quotes."""
    names = [f"{own.info.dbname} {word}" for word in ("edges", 'in"dexes', "other")]
    own.execute("SET allow_in_place_tablespaces = on")
    for name in names:
        own.execute(sql.SQL("CREATE TABLESPACE {} LOCATION ''").format(sql.Identifier(name)))
    yield names
    own.execute("DROP SCHEMA connection_paths CASCADE")
    for name in names:
        own.execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(name)))


PLACES = """
SELECT p.relname, t.spcname
FROM pg_inherits AS h
JOIN pg_class AS p ON p.oid = h.inhparent
JOIN pg_class AS c ON c.oid = h.inhrelid
LEFT JOIN pg_tablespace AS t ON t.oid = c.reltablespace
WHERE p.relnamespace = 'connection_paths'::regnamespace
ORDER BY 1
"""


def test_a_rebuild_stays_where_the_edges_are(own: Connection, tablespaces: list[str]) -> None:
    """The table and each index keep their tablespaces, for any default_tablespace of the database."""
    begin(own, office(4))
    own.execute("CREATE INDEX app ON connection_paths.contact_connections (date_to) WHERE date_to IS NOT NULL")
    set_for_database(own, "default_tablespace", tablespaces[2])
    edges, indexes = (sql.Identifier(name) for name in tablespaces[:2])
    for elsewhere in (False, True):
        if elsewhere:
            own.execute(
                sql.SQL("ALTER TABLE connection_paths.contact_connections_live SET TABLESPACE {}").format(edges)
            )
            for row in own.execute(INDEXES).fetchall()[1:]:
                child = value(
                    own, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", row[0]
                )
                own.execute(sql.SQL("ALTER INDEX {} SET TABLESPACE {}").format(sql.SQL(child), indexes))
        before = own.execute(PLACES).fetchall()
        assert ({row[1] for row in before} == {None}) is not elsewhere
        for _ in range(2):
            assert backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None)).run.status == "succeeded"
            assert own.execute(PLACES).fetchall() == before
    own.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(own.info.dbname)))


#: Index definitions whose names, expressions or predicates contain words such as ON and WHERE.
DEFINITIONS = (
    'CREATE INDEX "my USING idx" ON connection_paths.contact_connections (date_from)',
    'CREATE INDEX "a ON connection_paths.x USING b" ON connection_paths.contact_connections (date_to)',
    'CREATE INDEX "quoted "" WHERE x" ON connection_paths.contact_connections (organization_id) WHERE date_to IS NULL',
    "CREATE INDEX app_case ON connection_paths.contact_connections ((CASE WHEN kind = 'friend' THEN 1 ELSE 2 END))"
    " INCLUDE (date_to) WITH (fillfactor = 70)"
    " WHERE CASE WHEN kind = 'friend' THEN date_to > '2020-01-01' ELSE ' WHERE '::text <> ' USING ' END",
    "CREATE UNIQUE INDEX app_unique ON connection_paths.contact_connections"
    " USING btree (contact_b_id DESC NULLS LAST, contact_a_id, kind) NULLS NOT DISTINCT",
    'CREATE INDEX "ÜBER\nlines" ON connection_paths.contact_connections USING brin (computed_at)',
)
DEFINED = """
SELECT regexp_replace(p.relname, '_r[0-9]+$', ''), replace(replace(
    pg_get_indexdef(i.inhrelid), quote_ident(l.relname), '-'), quote_ident(p.relname), '-')
FROM pg_inherits AS i
JOIN pg_class AS p ON p.oid = i.inhparent
JOIN pg_index AS x ON x.indexrelid = i.inhrelid
JOIN pg_class AS l ON l.oid = i.inhrelid
WHERE x.indrelid = 'connection_paths.contact_connections_live'::regclass AND x.indisvalid
ORDER BY 1
"""


def test_indexes_with_any_name_are_copied(own: Connection) -> None:
    begin(own, office(4))
    for definition in DEFINITIONS:
        own.execute(definition.encode())
    before = own.execute(DEFINED).fetchall()
    assert len(before) == 5 + len(DEFINITIONS)
    for setting, to in (("search_path", "connection_paths, public"), ("quote_all_identifiers", "on")):
        own.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(own.info.dbname)))
        set_for_database(own, setting, to)
        assert backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None)).run.status == "succeeded"
        assert own.execute(DEFINED).fetchall() == before


KNOWS = """
CREATE TABLE public.knows (LIKE connection_paths.contact_connections INCLUDING ALL);
INSERT INTO public.knows (contact_a_id, contact_b_id, kind, date_to) VALUES (1, 2, 'friend', '2020-01-01');
"""
ATTACH = "ALTER TABLE connection_paths.contact_connections ATTACH PARTITION public.knows FOR VALUES IN ({})"


@pytest.mark.parametrize("attached", ["before", "meanwhile"])
def test_a_partition_of_the_application_stays(own: Connection, attached: str) -> None:
    for stage, ends in (
        ("created", "cancelled"),
        ("half done", "finished"),
        ("filled", "cancelled"),
        ("indexed", "finished"),
    ):
        begin(own, office(6))
        own.execute(KNOWS)
        if attached == "before":
            own.execute(ATTACH.format("'friend'").encode())
        else:
            load_edges(own, {(3, 4): Edge("friend", None, None, None)})
        run_id = create(own, "rebuild", 6)
        if stage != "created":
            do(own, run_id, claimed(own, run_id))
        if stage in ("filled", "indexed"):
            work(own, run_id)
        if stage == "indexed":
            _index(own, run_id)
        if attached == "meanwhile":
            own.execute(
                "WITH moved AS (DELETE FROM connection_paths.contact_connections WHERE kind = 'friend' RETURNING *)"
                " INSERT INTO public.knows SELECT * FROM moved"
            )
            own.execute(ATTACH.format("'friend'").encode())
        own.execute("INSERT INTO connection_paths.contact_connections VALUES (5, 6, 'friend')")
        there = friends(own)
        if ends == "cancelled":
            own.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))
        own.execute("SELECT pg_advisory_unlock_all()")
        assert backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None)).run.status == "succeeded"
        assert (friends(own), wrong(own, 6)) == (there, {})
        assert value(own, "SELECT count(*) FROM public.knows") == len(there) == (2 if attached == "before" else 3)
        assert len(own.execute(PARTITIONS).fetchall()) == 2
        own.execute("DROP TABLE public.knows")


LIVE = "connection_paths.contact_connections_live"
LIKE = "CREATE TABLE public.taken (LIKE connection_paths.contact_connections INCLUDING ALL);"
TAKES = "ALTER TABLE connection_paths.contact_connections ATTACH PARTITION public.taken FOR VALUES IN ({})"
#: What prevents a rebuild, the message, and how the cause is removed.
HINDRANCES = (
    (f"CREATE VIEW public.edges AS SELECT * FROM {LIVE}", "view", "DROP VIEW public.edges"),
    (f"CREATE MATERIALIZED VIEW edges AS SELECT * FROM {LIVE}", "materialized view", "DROP MATERIALIZED VIEW edges"),
    (
        f"CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {LIVE}; END",
        "function public.f|function f",
        "DROP FUNCTION public.f",
    ),
    (
        "CREATE TABLE public.about (a bigint, b bigint, k connection_paths.connection_kind,"
        f" FOREIGN KEY (a, b, k) REFERENCES {LIVE})",
        "foreign key",
        "DROP TABLE public.about",
    ),
    (LIKE + TAKES.format("'work_overlap'"), "taken is the partition of the kind work_overlap", "DROP TABLE taken"),
    (LIKE + TAKES.format("'friend', 'work_overlap'"), "taken is the partition", "DROP TABLE taken"),
)


def test_a_rebuild_that_would_break_something_is_refused(own: Connection) -> None:
    for hindrance, named, removed in HINDRANCES:
        begin(own, office(4))
        own.execute(hindrance.encode())
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=named):
            backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None))
        assert runs.listed(own) == []
        assert backfill(dsn_of(own), BackfillOptions(1, "in_place", limits=None)).run.status == "succeeded"
        assert wrong(own, 4) == {}
        own.execute(removed.encode())


def test_settings_of_the_edge_table_are_copied(own: Connection) -> None:
    begin(own, office(4))
    own.execute(
        "ALTER TABLE connection_paths.contact_connections_live ALTER contact_a_id SET STATISTICS 700,"
        " ALTER organization_id SET (n_distinct = -0.1),"
        " ALTER contact_b_id SET (n_distinct_inherited = 70), REPLICA IDENTITY FULL"
    )
    set_there = (
        "SELECT attname, attstattarget, relreplident, (SELECT array_agg(o) FROM unnest(attoptions) AS o"
        " WHERE o LIKE 'n\\_distinct%') FROM pg_attribute JOIN pg_class ON oid = attrelid"
        " WHERE relname = 'contact_connections_live' AND attnum > 0 ORDER BY attnum"
    )
    before = own.execute(set_there).fetchall()
    backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None))
    assert own.execute(set_there).fetchall() == before


# What an operator sees


def test_a_run_that_is_over_is_not_changed(own: Connection) -> None:
    begin(own, office(3))
    backfill(dsn_of(own), BackfillOptions(1, limits=None))
    for words in (("--workers", "2"), ("--any-workers",)):
        check_failed(run("--dsn", dsn_of(own), "runs", "set", "1", *words), "run 1 is over: succeeded")
    check_failed(run("--dsn", dsn_of(own), "runs", "set", "9", "--workers", "2"), "there is no run 9")
    assert runs.read(own, 1).max_workers is None


@pytest.mark.parametrize("death", [signal.SIGINT, signal.SIGKILL])
def test_show_lists_working_processes_and_no_ended_ones(own: Connection, death: signal.Signals) -> None:
    begin(own, office(30))
    own.execute(RULE.format("PERFORM pg_sleep(0.01);").encode())
    process = start("--dsn", dsn_of(own), "backfill", "--no-throttle", "--workers", "2", "--batch-edges", "40")
    until(lambda: value(own, "SELECT count(*) FROM connection_paths.backfill_runs WHERE processes <> '{}'"))
    show = ("--dsn", dsn_of(own), "runs", "show")
    assert f":{process.pid}: 2 of 2 workers" in run(*show).stdout
    assert "No process" not in run(*show).stdout
    os.kill(process.pid, death)
    finish(process, 20)
    until(lambda: value(own, "SELECT count(*) FROM connection_paths.lock_holders('worker')") == 0, 10)
    shown = run(*show).stdout
    assert "workers)" not in shown
    assert f":{process.pid}:" not in shown
    assert "No process is working on this run. To continue: orchestrator backfill" in shown
    assert json.loads(run("--dsn", dsn_of(own), "--json", "runs", "show").stdout)["run"]["processes"] == {}
    own.execute(
        "SELECT connection_paths.pause_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'running'"
    )
    assert "orchestrator runs resume 1, then orchestrator backfill" in run(*show).stdout


def test_twenty_simultaneous_claims_get_different_batches(db: Connection, dsn: str) -> None:
    begin(db, office(40))
    run_id = create(db, "in_place", 5)
    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(dsn)) for _ in range(20)]
        taken = all_at_once([lambda each=each: claimed(each, run_id).batch_id for each in sessions])  # type: ignore[misc]
        assert len(set(taken)) == 20
