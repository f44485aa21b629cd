"""backfill_contact makes the edges of a contact equal to the oracle's, and writes nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from bench import generations
from tests.support import oracle
from tests.support.edges import EVERYBODY, changes, stored, work_edges, wrong_edges
from tests.support.properties import repeatable
from tests.support.sessions import connect, value
from tests.support.world import (
    CONTACT_IDS,
    DAYS,
    ORGANIZATION_IDS,
    ORPHAN_ORGANIZATION_ID,
    TODAY,
    WORK_OVERLAP,
    Edge,
    Experience,
    Pair,
    World,
    colleagues,
    load,
    load_edges,
    load_hosts,
    sized_worlds,
    worlds,
)


def backfill(connection: Connection[Any], contact: int) -> int:
    changed: int = value(connection, "SELECT connection_paths.backfill_contact(contact_id => %s)", contact)
    return changed


def touching(edges: Mapping[Pair, Edge], contact: int) -> dict[Pair, Edge]:
    return {pair: edge for pair, edge in edges.items() if contact in pair}


@st.composite
def mutations(draw: st.DrawFn, world: World) -> tuple[World, set[int]]:
    """A world that differs from this one, and the contacts whose edges may differ."""
    experiences = {each.id: each for each in world.experiences}
    contacts, organizations = set(world.contacts), set(world.organizations)
    touched: set[int] = set()

    def job(number: int) -> Experience:
        return Experience(
            number,
            draw(st.sampled_from(EVERYBODY)),
            draw(st.sampled_from((*ORGANIZATION_IDS, ORPHAN_ORGANIZATION_ID, None))),
            draw(st.sampled_from((*DAYS, None))),
            draw(st.sampled_from((*DAYS, None))),
        )

    kinds = ("change", "change", "delete", "add", "organization", "contact")
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=6)):
        if kind in ("change", "delete") and experiences:
            old = experiences.pop(draw(st.sampled_from(sorted(experiences))))
            touched.add(old.contact_id)
            if kind == "change":
                experiences[old.id] = replacement = draw(
                    st.sampled_from(
                        (
                            job(old.id),
                            old._replace(date_to=draw(st.sampled_from((*DAYS, None)))),
                        )
                    )
                )
                touched.add(replacement.contact_id)
        elif kind == "add":
            new = job(max([0, *experiences, *(each.id for each in world.experiences)]) + 1)
            experiences[new.id] = new
            touched.add(new.contact_id)
        elif kind == "organization":  # deleted or inserted again
            organization = draw(st.sampled_from(ORGANIZATION_IDS))
            organizations ^= {organization}
            touched |= {
                each.contact_id
                for each in (*world.experiences, *experiences.values())
                if each.organization_id == organization
            }
        elif kind == "contact":
            contact = draw(st.sampled_from(CONTACT_IDS))
            contacts ^= {contact}
            touched.add(contact)
    changed = replace(
        world,
        contacts=frozenset(contacts),
        organizations=frozenset(organizations),
        experiences=tuple(experiences.values()),
    )
    return changed, touched


@repeatable(20)
@given(world=sized_worlds(), wrong=wrong_edges(), order=st.permutations(EVERYBODY))
def test_a_contact_gets_exactly_its_edges_and_the_count_of_changes(
    installed: Connection[Any],
    world: World,
    wrong: dict[Pair, Edge],
    order: list[int],
) -> None:
    load(installed, world)
    load_edges(installed, wrong)
    right = oracle.edges(world)
    rows = stored(installed)
    for contact in order:
        before = rows
        returned = backfill(installed, contact)
        rows = stored(installed)
        changed = changes(before, rows)
        assert touching(work_edges(rows), contact) == touching(right, contact)
        assert all(contact in (a, b) and kind == WORK_OVERLAP for a, b, kind in changed)
        assert returned == len(changed)
        assert not any(  # a row that was right already is not written again
            before[key][0] == rows[key][0] for key in changed if key in before and key in rows
        )
    assert work_edges(rows) == right


@repeatable(20)
@given(world=sized_worlds())
def test_a_second_pass_changes_nothing(installed: Connection[Any], world: World) -> None:
    load(installed, world)
    for contact in EVERYBODY:
        backfill(installed, contact)
    before = stored(installed)
    assert work_edges(before) == oracle.edges(world)
    assert [backfill(installed, contact) for contact in EVERYBODY] == [0] * len(EVERYBODY)
    assert stored(installed) == before


@repeatable(20)
@given(data=st.data())
def test_after_changes_the_touched_contacts_are_enough(installed: Connection[Any], data: st.DataObject) -> None:
    # with given sizes: a sync and not backfill_contact counts the people of an organization again
    world = replace(data.draw(worlds()), sizes={each: 10 + each % 3 for each in ORGANIZATION_IDS})
    load(installed, world)
    load_edges(installed, oracle.edges(world))
    for _ in range(2):
        before = stored(installed)
        world, touched = data.draw(mutations(world))
        load_hosts(installed, world)
        for contact in data.draw(st.permutations(sorted(touched))):
            backfill(installed, contact)
        after = stored(installed)
        assert work_edges(after) == oracle.edges(world)
        assert all(touched & {a, b} and kind == WORK_OVERLAP for a, b, kind in changes(before, after))


def work(organization: int, start: str, end: str | None) -> Edge:
    return Edge(
        WORK_OVERLAP,
        organization,
        date.fromisoformat(start),
        date.fromisoformat(end) if end else None,
    )


EXAMPLES: dict[str, tuple[World, dict[Pair, Edge]]] = {
    "the intersection": (
        colleagues((1, 5, "2010-01-01", "2015-01-01"), (2, 5, "2012-01-01", None)),
        {(1, 2): work(5, "2012-01-01", "2015-01-01")},
    ),
    "one day in common is an overlap": (
        colleagues((2, 5, "2010-01-01", "2015-01-01"), (1, 5, "2015-01-01", "2016-01-01")),
        {(1, 2): work(5, "2015-01-01", "2015-01-01")},
    ),
    "the day after is not": (
        colleagues((1, 5, "2010-01-01", "2015-01-01"), (2, 5, "2015-01-02", None)),
        {},
    ),
    "both go on": (
        colleagues((1, 5, "2010-01-01", None), (2, 5, "2012-01-01", None)),
        {(1, 2): work(5, "2012-01-01", None)},
    ),
    "ends last wins": (
        colleagues(
            *((contact, 5, "2010-01-01", "2015-01-01") for contact in (1, 2)),
            *((contact, 6, "2016-01-01", "2017-01-01") for contact in (1, 2)),
        ),
        {(1, 2): work(6, "2016-01-01", "2017-01-01")},
    ),
    "ongoing ends last of all": (
        colleagues(
            *((contact, 5, "2010-01-01", None) for contact in (1, 2)),
            *((contact, 6, "2000-01-01", "9999-12-31") for contact in (1, 2)),
        ),
        {(1, 2): work(5, "2010-01-01", None)},
    ),
    "then the earliest date_from": (
        colleagues(
            *((contact, 5, "2010-01-01", "2015-01-01") for contact in (1, 2)),
            *((contact, 6, "2009-01-01", "2015-01-01") for contact in (1, 2)),
        ),
        {(1, 2): work(6, "2009-01-01", "2015-01-01")},
    ),
    "then the smallest organization": (
        colleagues(
            *((contact, 6, "2010-01-01", "2015-01-01") for contact in (1, 2)),
            *((contact, 5, "2010-01-01", "2015-01-01") for contact in (1, 2)),
        ),
        {(1, 2): work(5, "2010-01-01", "2015-01-01")},
    ),
    "nobody is a colleague of himself": (
        colleagues((1, 5, "2010-01-01", None), (1, 5, "2011-01-01", None)),
        {},
    ),
    "no date_from": (colleagues((1, 5, None, None), (2, 5, "2010-01-01", None)), {}),
    "ends before it begins": (
        colleagues((1, 5, "2015-01-01", "2014-01-01"), (2, 5, "2010-01-01", None)),
        {},
    ),
    "an orphan organization": (
        replace(
            colleagues((1, 5, "2010-01-01", None), (2, 5, "2010-01-01", None)),
            organizations=frozenset(),
        ),
        {},
    ),
    "a contact that does not exist": (
        replace(
            colleagues((1, 5, "2010-01-01", None), (2, 5, "2010-01-01", None)),
            contacts=frozenset({1}),
        ),
        {},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_overlaps_and_their_edges(installed: Connection[Any], name: str) -> None:
    world, expected = EXAMPLES[name]
    right = oracle.edges(world)
    assert {pair: edge[:4] for pair, edge in right.items()} == {pair: edge[:4] for pair, edge in expected.items()}
    load(installed, world)
    for contact in world.contacts:
        backfill(installed, contact)
    assert work_edges(stored(installed)) == right


def test_an_edge_may_end_at_infinity(installed: Connection[Any]) -> None:
    load(installed, colleagues((1, 5, "2010-01-01", None), (2, 5, "2012-01-01", None)))
    installed.execute("UPDATE public.contact_work_experiences SET date_to = 'infinity' WHERE contact_id = 1")
    assert backfill(installed, 1) == 1
    row = installed.execute(
        "SELECT date_from::text, date_to::text FROM connection_paths.contact_connections"
    ).fetchone()
    assert row == ("2012-01-01", "infinity")


def test_a_deleted_contact_loses_its_edges_but_not_those_of_other_kinds(installed: Connection[Any]) -> None:
    world = colleagues(*((contact, 5, "2010-01-01", None) for contact in (1, 2, 3)))
    friends = {(1, 2): Edge("friend", None, None, None)}
    load(installed, replace(world, extra_edges=friends))
    load_edges(installed, oracle.edges(world))
    installed.execute("DELETE FROM public.contacts WHERE id = 1")
    assert backfill(installed, 1) == 2
    assert set(stored(installed)) == {(1, 2, "friend"), (2, 3, WORK_OVERLAP)}


@st.composite
def crowded_stints(draw: st.DrawFn) -> World:
    """Three contacts with many work experiences at two organizations: same, nested, overlapping, future."""
    start = st.integers(-12, 3)
    length = st.one_of(st.none(), st.integers(0, 8))
    jobs = draw(
        st.lists(
            st.tuples(st.sampled_from((1, 1, 2, 2, 3)), st.sampled_from((1, 1, 1, 2)), start, length),
            min_size=6,
            max_size=24,
        )
    )
    days = [(contact, organization, TODAY + timedelta(first), last) for contact, organization, first, last in jobs]
    return colleagues(
        *(
            (contact, organization, first, None if last is None else first + timedelta(last))
            for contact, organization, first, last in days
        )
    )


@repeatable(40)
@given(world=crowded_stints())
def test_many_work_experiences_of_a_contact_make_every_edge(installed: Connection[Any], world: World) -> None:
    load(installed, world)
    for contact in (3, 1, 2):
        backfill(installed, contact)
    assert work_edges(stored(installed)) == oracle.edges(world)


@pytest.mark.parametrize(("starts", "ends"), [(0, 0), (1, 1), (1, 0), (0, 1), (1, -1)])
def test_each_work_experience_of_others_is_joined_once(installed: Connection[Any], starts: int, ends: int) -> None:
    """Identical, shifted and nested ones must not be joined with each other, however many there are."""
    load(installed, World(contacts=frozenset(range(1, 5)), organizations=frozenset({1})))
    installed.execute(
        "INSERT INTO public.contact_work_experiences"
        " SELECT 1000 * c + g, c, 1, '', date '2010-01-01' + g * %s, date '2015-01-01' + g * %s"
        " FROM generate_series(1, 4) AS c, generate_series(1, 300) AS g",
        (starts, ends),
    )
    with installed.transaction():
        installed.execute("SET LOCAL enable_seqscan = off")
        row = installed.execute(
            "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT FROM connection_paths.work_overlaps(1)"
        ).fetchone()
    assert row is not None
    most = max(rows_of(row[0][0]["Plan"]))
    assert 900 <= most <= 2 * 900


def rows_of(plan: dict[str, Any]) -> Iterator[float]:
    """How many rows each node of a plan gave."""
    yield plan["Actual Rows"] * plan["Actual Loops"]
    for child in plan.get("Plans", ()):
        yield from rows_of(child)


def test_an_open_end_is_later_than_infinity(installed: Connection[Any]) -> None:
    load(
        installed,
        colleagues(
            *((1, 5, start, None) for start in ("2010-01-01", "2012-01-01")),
            (2, 5, "2011-01-01", None),
            (3, 5, "2011-01-01", "2014-01-01"),
        ),
    )
    installed.execute("UPDATE public.contact_work_experiences SET date_to = 'infinity' WHERE date_from = '2010-01-01'")
    assert backfill(installed, 1) == 2
    rows = installed.execute(
        "SELECT contact_b_id, date_from::text, date_to::text FROM connection_paths.contact_connections ORDER BY 1"
    ).fetchall()
    assert rows == [(2, "2012-01-01", None), (3, "2011-01-01", "2014-01-01")]


@pytest.mark.parametrize("contact", [2, 3])
def test_the_first_generation_writes_the_same_rows(new_installed: Callable[[], str], contact: int) -> None:
    later = timedelta(700)
    jobs = [(each, each % 2, TODAY - timedelta(2000 + each), TODAY - later) for each in range(1, 8)]
    world = colleagues(*jobs, *((each, 7, TODAY - later, None) for each in (1, contact, 7)))
    with connect(new_installed()) as connection:
        generations.install(connection)
        load(connection, world)
        statement = "SELECT generations.backfill_contact_v1(%s)"
        expected = touching(oracle.edges(world), contact)
        assert value(connection, statement, contact) == len(expected) > 0
        assert work_edges(stored(connection)) == expected
        connection.execute("UPDATE connection_paths.contact_connections SET strength = 1 - strength % 2, people = 7")
        assert value(connection, statement, contact) == len(expected)
        assert value(connection, statement, contact) == 0
        assert work_edges(stored(connection)) == expected
