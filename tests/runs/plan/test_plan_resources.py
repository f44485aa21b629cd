"""A plan predicts the bytes, the durations and the connections of a backfill."""

from __future__ import annotations

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.runs import plan as planning
from orchestrator.runs.plan import plan
from tests.support.world import World, load


def test_bytes_are_measured_when_there_are_enough_edges(database: str, db: Connection) -> None:
    load(db, World(frozenset({1, 2})))
    db.execute("VACUUM ANALYZE connection_paths.contact_connections")
    before = plan(database).storage
    assert (before.measured, before.bytes_per_edge, before.edges_now) == (False, 234, 0)
    db.execute(
        "INSERT INTO connection_paths.contact_connections (contact_a_id, contact_b_id, kind, organization_id,"
        " date_from, shared_organizations, earlier_days, people)"
        " SELECT n, n + 1, 'work_overlap', 1, '2000-01-01', 1, 0, 2 FROM generate_series(1, 12000) AS n"
    )
    db.execute("VACUUM ANALYZE connection_paths.contact_connections")
    after = plan(database).storage
    db.execute("TRUNCATE connection_paths.contact_connections")
    assert (after.measured, after.edges_now) == (True, 12_000)
    assert after.bytes_now > before.bytes_now
    assert after.bytes_per_edge == after.bytes_now / 12_000
    assert 100 < after.bytes_per_edge < 400


def test_bytes_of_all_partitions(db: Connection) -> None:
    """The size of the edge table is that of its partitions, with their indexes."""
    with db.transaction(force_rollback=True):
        db.execute("ALTER TABLE connection_paths.contact_connections RENAME TO was")
        db.execute("CREATE TABLE connection_paths.contact_connections (id integer) PARTITION BY RANGE (id)")
        for part, bounds in (("lower", "(1) TO (2001)"), ("upper", "(2001) TO (5001)")):
            db.execute(
                f"CREATE TABLE connection_paths.{part} PARTITION OF connection_paths.contact_connections"
                f" FOR VALUES FROM {bounds}".encode()
            )
        db.execute("CREATE INDEX ON connection_paths.contact_connections (id)")
        db.execute("INSERT INTO connection_paths.contact_connections SELECT generate_series(1, 5000)")
        db.execute("ANALYZE connection_paths.contact_connections")
        row = db.execute(sqlfiles.query("runs/edge_table_size")).fetchone()
        expected = db.execute(
            "SELECT sum(pg_table_size(r) + pg_indexes_size(r)) FROM unnest(%s::regclass[]) AS r",
            [["connection_paths.lower", "connection_paths.upper"]],
        ).fetchone()
    assert row is not None
    assert expected is not None
    assert row[:2] == (5_000, expected[0])


def test_durations_and_connections(database: str, db: Connection) -> None:
    load(db, World(frozenset({1, 2})))
    found = plan(database)
    assert {each.workers for each in found.durations if each.strategy == "rebuild"} == {1, 2, 4, 8, 16}
    assert {each.workers for each in found.durations if each.strategy == "in_place"} == {1, 2, 4, 8, 16}
    with psycopg.connect(database), psycopg.connect(database):
        assert plan(database).connections_free <= found.connections_free - 1  # other sessions may start and end
    seconds = {(each.strategy, each.workers): each.seconds for each in planning.predicted_times(60_000_000)}
    assert seconds["rebuild", 1] == 60_000_000 / 330_000 + 5 * 60_000_000 / 2_200_000
    assert seconds["rebuild", 2] == 60_000_000 / 660_000 + 2.5 * 60_000_000 / 2_200_000
    assert seconds["rebuild", 4] == 60_000_000 / 1_320_000 + 1.75 * 60_000_000 / 2_200_000
    assert seconds["in_place", 4] == 60_000_000 / 200_000
    assert "idle cores" in found.assumption
