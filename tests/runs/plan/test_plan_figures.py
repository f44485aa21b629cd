"""The figures of a plan equal plain counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from orchestrator.runs.plan import plan
from tests.support.plan import LOADS, add_overlaps_by_contact, check, loads, printed
from tests.support.properties import repeatable
from tests.support.world import World, colleagues, load, worlds


@repeatable(20)
@given(world=worlds())
def test_the_figures_of_random_worlds(database: str, db: Connection, world: World) -> None:
    load(db, world)
    assert dict(db.execute(LOADS).fetchall()) == loads(world)
    check(plan(database), world)


OVERLAPS: dict[str, tuple[World, dict[int, int]]] = {
    "one day in common": (
        colleagues((1, 5, "2010-01-01", "2015-01-01"), (2, 5, "2015-01-01", None)),
        {1: 1, 2: 1},
    ),
    "the day after": (colleagues((1, 5, "2010-01-01", "2015-01-01"), (2, 5, "2015-01-02", None)), {1: 0, 2: 0}),
    "one day each, the same": (
        colleagues(*((contact, 5, "2010-01-01", "2010-01-01") for contact in (1, 2, 3))),
        {1: 2, 2: 2, 3: 2},
    ),
    "twice at once is nothing alone": (colleagues((1, 5, "2010-01-01", None), (1, 5, "2010-01-01", None)), {1: 0}),
    "three times at once, twice": (
        colleagues(*((contact, 5, "2010-01-01", None) for contact in (1, 1, 1, 2, 2))),
        {1: 6, 2: 6},
    ),
    "a stint within a stint, and one after": (
        colleagues(
            (1, 5, "2000-01-01", "2020-01-01"),
            (1, 5, "2005-01-01", "2006-01-01"),
            (1, 5, "2010-01-01", "2011-01-01"),
            (2, 5, "2010-06-01", None),
        ),
        {1: 2, 2: 2},
    ),
    "an orphan organization": (replace(colleagues((1, 5, None, None)), organizations=frozenset()), {}),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_examples_of_overlaps(db: Connection, name: str) -> None:
    world, expected = OVERLAPS[name]
    assert loads(world) == expected
    load(db, world)
    assert dict(db.execute(LOADS).fetchall()) == expected


def test_infinity_is_an_open_end(db: Connection) -> None:
    load(db, colleagues((1, 5, "2010-01-01", None), (2, 5, "2012-01-01", None), (2, 5, "2012-01-01", None)))
    db.execute("UPDATE public.contact_work_experiences SET date_to = 'infinity' WHERE contact_id = 1")
    db.execute("UPDATE public.contact_work_experiences SET date_from = '-infinity' WHERE contact_id = 1")
    assert dict(db.execute(LOADS).fetchall()) == {1: 2, 2: 2}


def test_empty_tables(database: str, db: Connection) -> None:
    load(db, World(frozenset()))
    found = plan(database)
    check(found, World(frozenset()))
    assert {each.seconds for each in found.durations} == {0}
    assert found.storage.bytes == 0
    assert printed(found)


def test_rows_without_a_contact_are_of_a_missing_one(database: str, db: Connection) -> None:
    load(db, colleagues((1, 5, "2010-01-01", None)))
    db.execute("ALTER TABLE public.contact_work_experiences ALTER contact_id DROP NOT NULL")
    db.execute("INSERT INTO public.contact_work_experiences VALUES (9, NULL, 5, NULL, '2010-01-01', NULL)")
    found = plan(database)
    db.execute("DELETE FROM public.contact_work_experiences WHERE id = 9")
    assert (found.experiences.total, found.experiences.usable, found.experiences.of_missing_contacts) == (2, 1, 1)
    assert (found.contacts.with_experiences, found.contacts.without_usable) == (1, 0)


def test_another_host_schema_whose_name_needs_quotes(new_database: Callable[[], str]) -> None:
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "the ""host"""')
        connection.execute('SET search_path = "the ""host"""')
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn, 'the "host"')
        add_overlaps_by_contact(connection)
        connection.execute("INSERT INTO contact_work_experiences VALUES (1, 1, NULL, 'Acme', NULL, NULL)")
    assert plan(dsn).experiences.without_organization == 1
