"""Runs in a test, by SQL: create one, claim, do and fail its batches, finish it, and check its counts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from psycopg import sql
from psycopg.rows import class_row

from orchestrator.core.database import Connection
from orchestrator.rebuild import rebuild
from orchestrator.runs import runs
from tests.support.copies import copied
from tests.support.properties import repeatable
from tests.support.sessions import connect, dsn_of, value
from tests.support.world import EDGE_COLUMNS, Edge, Pair, World, load, load_edges

STRATEGIES = ("in_place", "rebuild")
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
briefly = repeatable(15)
RESET = """
SELECT connection_paths.cancel_run(r.run_id) FROM connection_paths.backfill_runs AS r;
SELECT connection_paths.drop_rebuild();
DELETE FROM connection_paths.backfill_runs;
DELETE FROM connection_paths.contact_changes;
"""
#: The relations and triggers of the schema. Indexes that a rebuild renames are left out.
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
    """Do the steps after the last batch; returns the status of the run."""
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
    """Check that the batches, in order, cover every bigint exactly once."""
    assert rows[0].above_contact_id is None
    assert rows[-1].upto_contact_id is None
    for one, following in pairwise(rows):
        assert one.upto_contact_id is not None
        assert one.upto_contact_id == following.above_contact_id
        assert one.above_contact_id is None or one.above_contact_id < one.upto_contact_id


def check_books(connection: Connection, run_id: int) -> None:
    """Check that the counters of the run are the sums of its batches."""
    rows = batches(connection, run_id)
    check_partition(rows)
    shown = runs.read(connection, run_id)
    assert shown.batches == len(rows)
    assert shown.batches_done == sum(row.status == "done" for row in rows)
    assert shown.batches_set_aside == sum(row.status == "set aside" for row in rows)
    assert shown.batches_open == sum(row.status in ("pending", "claimed") for row in rows)
    assert shown.predicted_edges == sum(row.predicted_edges for row in rows)
    assert shown.edges_changed == sum(row.edges_changed or 0 for row in rows)


def friends(connection: Connection) -> dict[Pair, tuple[Any, ...]]:
    """The edges of the kind of the application, with every column."""
    rows = connection.execute(
        f"SELECT contact_a_id, contact_b_id, {EDGE_COLUMNS}, computed_at"
        " FROM connection_paths.contact_connections WHERE kind <> 'work_overlap'"
    )
    return {row[:2]: row[2:] for row in rows}


def begin(connection: Connection, world: World, edges: Mapping[Pair, Edge] = {}) -> None:
    """Load a world and edges that may be wrong; there is no active run, and the queue is empty."""
    connection.execute(RESET)
    load(connection, world)
    load_edges(connection, edges)
    connection.execute("DELETE FROM connection_paths.contact_changes")


@pytest.fixture(scope="module")
def dsn(new_installed: Callable[[], str]) -> str:
    """A database with empty host tables and the package, for one test file."""
    made = new_installed()
    with connect(made) as connection:
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
    return made


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    """A connection to it. A test removes every object that it creates, except rows."""
    with connect(dsn) as connection:
        connection.execute(RESET)
        yield connection


@pytest.fixture(scope="module")
def original(new_installed: Callable[[], str]) -> str:
    """A database with empty host tables and the package, to copy."""
    made = new_installed()
    with connect(made) as connection:
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
    return made


@pytest.fixture
def own(server: str, original: str) -> Iterator[Connection]:
    """A connection to an installed database for one test, which may change anything in it."""
    with copied(server, original) as copy, connect(copy) as connection:
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
