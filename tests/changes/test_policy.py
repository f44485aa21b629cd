"""organization_policy: a change of it is queued by its trigger, and afterwards the edges are the oracle's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection
from tests.support import oracle
from tests.support.changes import EXPERIENCES, fill, new_role, pair_up, queue_length
from tests.support.edges import edges, right_edges
from tests.support.rebuilds import rebuilt
from tests.support.sessions import value
from tests.support.world import world_of

POLICY = "connection_paths.organization_policy"
QUEUED = (
    "SELECT array_agg(organization_id ORDER BY organization_id) FROM connection_paths.contact_changes"
    " WHERE contact_id IS NULL"
)

#: Statements, and the organizations that they queue; None is every contact. Organization 2 is excluded before each.
STATEMENTS: dict[str, tuple[str, list[int | None] | None]] = {
    "exclude": (f"INSERT INTO {POLICY} VALUES (1, 'none')", [1]),
    "exclude several": (f"INSERT INTO {POLICY} VALUES (1, 'none'), (3, 'none')", [1, 3]),
    "limit": (f"INSERT INTO {POLICY} VALUES (1, 'long_overlaps', 1500)", [1]),
    "exclude again": (f"INSERT INTO {POLICY} VALUES (2, 'none') ON CONFLICT DO NOTHING", None),
    "an organization that does not exist": (f"INSERT INTO {POLICY} VALUES (77, 'none')", [77]),
    "limit the excluded one": (f"UPDATE {POLICY} SET rule = 'long_overlaps', min_overlap_days = 900", [2]),
    "another organization": (f"UPDATE {POLICY} SET organization_id = 1", [1, 2]),
    "another reason": (f"UPDATE {POLICY} SET reason = 'no employer', created_at = now()", None),
    "the same": (f"UPDATE {POLICY} SET rule = rule", None),
    "allow": (f"DELETE FROM {POLICY}", [2]),
    "allow another": (f"DELETE FROM {POLICY} WHERE organization_id = 1", None),
    "truncate": (f"TRUNCATE {POLICY}", [None]),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_change_is_queued_with_its_transaction_and_sync_applies_it(db: Connection, dsn: str, name: str) -> None:
    statement, queued = STATEMENTS[name]
    fill(db)
    db.execute(f"INSERT INTO {POLICY} VALUES (2, 'none')".encode())
    sync(dsn)
    assert edges(db) == right_edges(db) != {}
    with db.transaction(force_rollback=True):
        db.execute(statement.encode())
    assert queue_length(db) == 0
    with (
        new_role(
            db, f"SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {POLICY}", "USAGE ON SCHEMA connection_paths"
        ) as role,
        psycopg.connect(dsn, autocommit=True, options=f"-c role={role}") as operator,
    ):
        operator.execute(statement.encode())
    assert value(db, QUEUED) == queued
    before = edges(db)
    sync(dsn)
    assert edges(db) == right_edges(db)
    assert (edges(db) == before) == (queued in (None, [77]))


@pytest.mark.parametrize(
    "row",
    ["(1, 'all')", "(1, 'none', 30)", "(1, 'long_overlaps')", "(1, 'long_overlaps', 0)", "(1, 'long_overlaps', 40000)"],
)
def test_a_policy_that_means_nothing_is_refused(db: Connection, row: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        db.execute(f"INSERT INTO {POLICY} VALUES {row}".encode())


def test_a_pair_that_also_overlaps_elsewhere_keeps_the_other_overlap(db: Connection, dsn: str) -> None:
    pair_up(db)
    db.execute("INSERT INTO public.organizations VALUES (2, '')")
    db.execute(
        f"INSERT INTO {EXPERIENCES} VALUES (3, 1, 2, '', '2012-01-01', '2015-01-01'),"
        " (4, 2, 2, '', '2013-01-01', '2019-01-01')".encode()
    )
    for statement, organization in (
        (f"INSERT INTO {POLICY} VALUES (1, 'none')", 2),
        (f"INSERT INTO {POLICY} VALUES (2, 'long_overlaps', 1000)", None),
        (f"UPDATE {POLICY} SET min_overlap_days = 731 WHERE organization_id = 2", 2),
        (f"DELETE FROM {POLICY} WHERE organization_id = 1", 1),
    ):
        db.execute(statement.encode())
        sync(dsn)
        assert edges(db) == right_edges(db)
        assert [edge.organization_id for edge in edges(db).values()] == ([organization] if organization else [])


def test_a_long_overlap_that_ends_earlier_than_a_short_one_makes_the_edge(db: Connection, dsn: str) -> None:
    """Contact 1 has two experiences; the later one overlaps for a month only, the earlier one for five years."""
    pair_up(db)
    db.execute(f"DELETE FROM {EXPERIENCES}".encode())
    db.execute(
        f"INSERT INTO {EXPERIENCES} VALUES (1, 1, 1, '', '2009-01-01', '2015-01-01'),"
        " (2, 1, 1, '', '2019-12-01', '2024-01-01'), (3, 2, 1, '', '2010-01-01', '2019-12-31')".encode()
    )
    sync(dsn)
    assert [edge.date_to for edge in edges(db).values()] == [date(2019, 12, 31)]
    db.execute(f"INSERT INTO {POLICY} VALUES (1, 'long_overlaps', 365)".encode())
    sync(dsn)
    assert [edge.date_to for edge in edges(db).values()] == [date(2015, 1, 1)]
    assert edges(db) == right_edges(db)


def test_dates_without_an_end_of_time(db: Connection, dsn: str) -> None:
    """Dates at the ends of the range of the type, which cannot be moved, and infinite ones."""
    pair_up(db)
    db.execute(f"INSERT INTO {POLICY} VALUES (1, 'long_overlaps', 36525)".encode())
    db.execute(
        f"INSERT INTO {EXPERIENCES} VALUES (3, 1, 1, '', '-infinity', 'infinity'), (4, 2, 1, '', '-infinity', NULL),"
        " (5, 1, 1, '', '5874897-12-31', NULL), (6, 2, 1, '', '5874897-12-30', 'infinity'),"
        " (7, 1, 1, '', '4713-01-01 BC', '4713-01-02 BC'), (8, 2, 1, '', 'infinity', NULL),"
        " (9, 1, 1, '', '-infinity', NULL)".encode()
    )
    sync(dsn)
    rows = db.execute("SELECT date_from::text, date_to FROM connection_paths.contact_connections").fetchall()
    assert rows == [("-infinity", None)]
    assert value(db, "SELECT sum(l.overlaps) FROM connection_paths.overlaps_by_contact() AS l") == 4


# An overlap that goes on becomes long enough on a later day. A day passes when a session changes its time zone.


def run(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


MAKING_EDGES: dict[str, Callable[[str], Any]] = {
    "sync": sync,
    "one by one": lambda dsn: run(dsn, "SELECT connection_paths.sync_changes(one_by_one => true)"),
    "backfill_contact": lambda dsn: run(dsn, "SELECT connection_paths.backfill_contact(id) FROM public.contacts"),
    "in place": lambda dsn: run(dsn, "SELECT connection_paths.refresh_range(NULL, NULL)"),
    "rebuild": rebuilt,
}


@pytest.mark.parametrize("name", MAKING_EDGES)
def test_an_overlap_counts_from_the_day_when_it_is_long_enough(db: Connection, dsn: str, name: str) -> None:
    yesterday = make_conninfo(dsn, options="-c timezone=Etc/GMT+12")
    today = make_conninfo(dsn, options="-c timezone=Etc/GMT-14")
    with psycopg.connect(yesterday) as before, psycopg.connect(today) as now:
        before_day, day = value(before, "SELECT current_date"), value(now, "SELECT current_date")
    assert before_day < day
    db.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 4) AS g")
    db.execute("INSERT INTO public.organizations VALUES (1, '')")
    with db.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {EXPERIENCES} VALUES (%s, %s, 1, '', %s, %s)",
            [
                (1, 1, day - timedelta(500), None),
                (2, 2, day - timedelta(99), None),  # today is the 100th day with contact 1
                (3, 3, day - timedelta(99), before_day),  # and yesterday was the last one
                (4, 4, day - timedelta(50), None),
            ],
        )
    db.execute(f"INSERT INTO {POLICY} VALUES (1, 'long_overlaps', 100)".encode())
    if name not in ("sync", "one by one"):
        db.execute("TRUNCATE connection_paths.contact_changes")
    for _ in range(2):
        MAKING_EDGES[name](yesterday)
        sync(yesterday)
        assert edges(db) == oracle.edges(world_of(db), before_day)
        assert edges(db) == {}
        due: dict[int, Any] = dict(db.execute("SELECT contact_id, due_on FROM connection_paths.due_changes").fetchall())
        assert due == {2: day, 3: day, 4: day + timedelta(49)}
    sync(today)
    assert edges(db) == oracle.edges(world_of(db), day)
    assert set(edges(db)) == {(1, 2)}
