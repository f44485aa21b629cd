"""Random changes of every table, taken by syncs in batches of every size: the edges are the oracle's.

An edge that is right already is not written again, and organizations keep a class that fits their people.
"""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest

from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection
from tests.support import oracle
from tests.support.changes import EXPERIENCES, drain, queue_length
from tests.support.edges import Stored, changes, edges, right_edges, stored, work_edges
from tests.support.properties import first_of
from tests.support.sessions import value
from tests.support.waiting import InThread

POLICY = "connection_paths.organization_policy"
CONTACTS, ORGANIZATIONS = 40, 7


def people(connection: Connection) -> None:
    """Forty contacts at seven organizations, a few of them at most of these; and a hub that worked everywhere."""
    connection.execute(f"INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, {CONTACTS}) AS g".encode())
    connection.execute(
        f"INSERT INTO public.organizations SELECT g, '' FROM generate_series(1, {ORGANIZATIONS}) AS g".encode()
    )
    connection.execute(
        f"INSERT INTO {EXPERIENCES} SELECT g, 1 + g % {CONTACTS}, 1 + (g * g) % {ORGANIZATIONS}, '',"
        " date '2012-01-01' + g * 41 % 2000, NULLIF(date '2012-01-01' + g * 41 % 2000 + g % 5 * 200,"
        " date '2012-01-01' + g * 41 % 2000) FROM generate_series(1, 110) AS g"
        f" UNION ALL SELECT 1000 + g, {CONTACTS}, g, '', '2010-01-01', NULL FROM generate_series(1, 7) AS g".encode()
    )


def change(chance: random.Random) -> str:
    """A statement of the application or of an operator."""
    contact, other = chance.sample(range(1, CONTACTS + 1), 2)
    organization, elsewhere = chance.sample(range(1, ORGANIZATIONS + 1), 2)
    start = f"date '2012-01-01' + {chance.randint(0, 3000)}"
    end = chance.choice(("NULL", f"date_from + {chance.randint(-2, 900)}", "current_date", "current_date + 30"))
    return chance.choice(
        (
            f"INSERT INTO {EXPERIENCES} SELECT max(id) + 1, {contact}, {organization}, '', {start}, NULL"
            f" FROM {EXPERIENCES}",
            f"INSERT INTO {EXPERIENCES} SELECT max(id) + g, g, {organization}, '', {start}, {start} + 300"
            f" FROM {EXPERIENCES}, generate_series({contact}, {contact + 9}) AS g GROUP BY g",
            f"UPDATE {EXPERIENCES} SET date_to = {end} WHERE contact_id = {contact}",
            f"UPDATE {EXPERIENCES} SET date_to = current_date - 1 WHERE date_to IS NULL AND contact_id % 3 = 0",
            f"UPDATE {EXPERIENCES} SET date_from = {start} WHERE contact_id = {contact}",
            f"UPDATE {EXPERIENCES} SET date_from = NULL WHERE id = {chance.randint(1, 110)}",
            f"UPDATE {EXPERIENCES} SET organization_id = {organization} WHERE organization_id = {elsewhere}"
            f" AND contact_id % 2 = {contact % 2}",
            f"UPDATE {EXPERIENCES} SET contact_id = {contact} WHERE contact_id = {other}",  # two contacts are merged
            f"DELETE FROM {EXPERIENCES} WHERE contact_id = {contact}",
            f"DELETE FROM {EXPERIENCES} WHERE organization_id = {organization} AND id % 2 = 0",
            f"DELETE FROM public.contacts WHERE id IN ({contact}, {other})",
            f"INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, {CONTACTS}) AS g ON CONFLICT DO NOTHING",
            f"DELETE FROM public.organizations WHERE id = {organization}",
            f"INSERT INTO public.organizations SELECT g, '' FROM generate_series(1, {ORGANIZATIONS}) AS g"
            " ON CONFLICT DO NOTHING",
            f"INSERT INTO {POLICY} VALUES ({organization}, 'none') ON CONFLICT DO NOTHING",
            f"INSERT INTO {POLICY} VALUES ({organization}, 'long_overlaps', 400) ON CONFLICT DO NOTHING",
            f"DELETE FROM {POLICY} WHERE organization_id IN ({organization}, {elsewhere})",
            f"UPDATE {EXPERIENCES} SET date_to = date_to, company_name = 'another' WHERE contact_id = {contact}",
        )
    )


def require_right(connection: Connection, before: Stored) -> None:
    """Every edge is the oracle's, and a row was written only where the edge is another one than *before*."""
    after = stored(connection)
    assert work_edges(after) == right_edges(connection)
    rewritten = {key for key in changes(before, after) if key in before and key in after}
    assert not {key for key in rewritten if before[key][0] == after[key][0]}


@pytest.mark.parametrize("batch", first_of(2, [3, 1, 200, 17]))
def test_batches_of_every_size_make_the_same_edges(db: Connection, batch: int) -> None:
    chance = random.Random(batch)
    people(db)
    drain(db)
    assert len(right_edges(db)) > 100
    for _ in range(6):
        before = stored(db)
        for _ in range(chance.choice((1, 3, 8))):
            db.execute(change(chance).encode())
        one_by_one = chance.random() < 0.2
        sizes = value(db, "SELECT array_agg(s ORDER BY s)::text FROM connection_paths.organization_sizes AS s")
        while value(db, "SELECT taken FROM connection_paths.sync_changes(%s, %s)", batch, one_by_one):
            pass
        if sizes == value(db, "SELECT array_agg(s ORDER BY s)::text FROM connection_paths.organization_sizes AS s"):
            require_right(db, before)  # otherwise an edge may have changed there and back with a class
        assert edges(db) == right_edges(db)
        assert queue_length(db) == 0


@pytest.mark.parametrize("seed", first_of(2, range(2)))
def test_two_sessions_take_the_changes_in_turns(db: Connection, dsn: str, seed: int) -> None:
    chance = random.Random(seed)
    people(db)
    drain(db)
    for _ in range(3):
        for _ in range(10):
            db.execute(change(chance).encode())
        threads = [InThread(lambda: sync(dsn, batch=7, workers=2)) for _ in range(2)]
        for thread in threads:
            assert thread.result().failed == 0
        assert edges(db) == right_edges(db)


def test_changes_that_change_no_edge_write_nothing(db: Connection) -> None:
    people(db)
    drain(db)
    before = stored(db)
    db.execute("SELECT connection_paths.queue_changes(ARRAY(SELECT id FROM public.contacts), '{1,2,3}')")
    db.execute("SELECT connection_paths.queue_everyone()")
    while (row := db.execute("SELECT taken, edges_changed FROM connection_paths.sync_changes()").fetchone()) != (0, 0):
        assert row is not None
        assert row[1] == 0
    assert stored(db) == before


# The sizes of organizations.


def counts(connection: Connection) -> dict[int, tuple[int, int]]:
    """The class of each organization and the number of its people, which the oracle counts."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT s.organization_id, s.people, (SELECT count(DISTINCT e.contact_id)"
        " FROM connection_paths.employments AS e WHERE e.organization_id = s.organization_id)"
        " FROM connection_paths.organization_sizes AS s"
    ).fetchall()
    return {organization: (people, number) for organization, people, number in rows}


def fits(people: int, number: int) -> bool:
    """“A class stays while the number of people is less than 25 % outside of it.”"""
    smallest, largest = (oracle.size_class(max(1.0, number * factor)) for factor in (1 / 1.25, 1.25))
    return smallest <= people <= largest


def a_day_passes(connection: Connection) -> None:
    connection.execute("UPDATE connection_paths.organization_sizes SET counted_at = counted_at - interval '1 day'")


@pytest.mark.parametrize("seed", first_of(2, range(2)))
def test_a_day_later_every_class_fits_and_the_edges_have_it(db: Connection, dsn: str, seed: int) -> None:
    chance = random.Random(seed)
    people(db)
    drain(db)
    for _ in range(4):
        for _ in range(8):
            db.execute(change(chance).encode())
        sync(dsn)
        assert edges(db) == right_edges(db)
        a_day_passes(db)
        before, sizes = stored(db), counts(db)
        sync(dsn)
        after = counts(db)
        assert all(fits(*each) for each in after.values())
        assert {each for each in after if after[each][0] != sizes[each][0]} == {
            each for each in sizes if not fits(*sizes[each])
        }
        require_right(db, before)
        assert value(db, "SELECT min(counted_at) > now() - interval '1 hour' FROM connection_paths.organization_sizes")


def test_the_organization_that_its_people_leave_gets_a_smaller_class(db: Connection, dsn: str) -> None:
    db.execute("INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 12) AS g")
    db.execute("INSERT INTO public.organizations VALUES (1, ''), (2, '')")
    db.execute(
        f"INSERT INTO {EXPERIENCES} SELECT g, g, 1, '', '2015-01-01', NULL FROM generate_series(1, 12) AS g".encode()
    )
    sync(dsn)
    assert counts(db) == {1: (10, 12)}
    db.execute(f"UPDATE {EXPERIENCES} SET organization_id = 2 WHERE contact_id > 3".encode())
    sync(dsn)
    assert counts(db)[2] == (10, 9)
    a_day_passes(db)
    sync(dsn)
    assert counts(db) == {1: (2, 3), 2: (10, 9)}
    assert edges(db) == right_edges(db)
    assert edges(db)[1, 2].people == 2
    # a queued organization is counted at once, and an organization that nobody left keeps its rows
    db.execute(f"DELETE FROM {EXPERIENCES} WHERE contact_id = 3".encode())
    db.execute(f"UPDATE {EXPERIENCES} SET organization_id = 1 WHERE contact_id > 10".encode())
    before = stored(db)
    db.execute("SELECT connection_paths.queue_changes(organization_ids => '{1, 2}')")
    sync(dsn)
    require_right(db, before)


def test_counts_wait_until_the_queue_is_empty(db: Connection) -> None:
    people(db)
    drain(db)
    a_day_passes(db)
    db.execute("SELECT connection_paths.queue_changes('{1}')")
    assert value(db, "SELECT taken FROM connection_paths.sync_changes(3)") == 1
    taken = [value(db, "SELECT taken FROM connection_paths.sync_changes(3)") for _ in range(4)]
    assert taken[-1] == 0
    assert sum(taken) <= ORGANIZATIONS
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        db.execute("SELECT connection_paths.sync_changes(0)")
