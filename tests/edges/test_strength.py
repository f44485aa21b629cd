"""edge_strength and its evidence: the orientation of the design, monotonicity, size classes, and edges that grow."""

from __future__ import annotations

import random
from datetime import date, timedelta
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from orchestrator.core import sqlfiles
from tests.support import oracle
from tests.support.edges import edges, right_edges
from tests.support.properties import repeatable
from tests.support.sessions import connect, value
from tests.support.world import TODAY, World, colleagues, load, load_hosts, office

STRENGTH = "SELECT connection_paths.edge_strength(%s, %s, %s)"
SIZES = "SELECT organization_id, people FROM connection_paths.organization_sizes ORDER BY 1"
DAYS = (-1, 0, 1, 30, 100, 365, 366, 730, 1095, 1096, 2000, 4000, 40_000, 2**31 - 1)
PEOPLE = (-1, 0, 1, 2, 5, 10, 20, 50, 100, 1_000, 10_000, 500_000_000, 2**31 - 1)
SHARED = (0, 1, 2, 3, 10, 32_767)


@pytest.mark.parametrize(
    ("days", "people", "least", "most"),
    [(1095, 10, 70, 100), (1095, 100, 45, 60), (1095, 10_000, 0, 25), (31, 10, 0, 15)],
)
def test_the_orientation_of_the_design(
    installed: Connection[Any], days: int, people: int, least: int, most: int
) -> None:
    assert least <= value(installed, STRENGTH, days, people, 1) <= most


def test_more_days_and_organizations_never_weaken_and_more_people_never_strengthen(installed: Connection[Any]) -> None:
    rows = installed.execute(
        "SELECT d, p, s, connection_paths.edge_strength(d, p, s)"
        " FROM unnest(%s::integer[]) AS d, unnest(%s::integer[]) AS p, unnest(%s::integer[]) AS s",
        (list(DAYS), list(PEOPLE), list(SHARED)),
    )
    strength = {row[:3]: row[3] for row in rows}
    assert set(map(type, strength.values())) == {int}
    assert all(0 <= each <= 100 and each % 5 == 0 for each in strength.values())
    for people, shared in product(PEOPLE, SHARED):
        assert all(strength[a, people, shared] <= strength[b, people, shared] for a, b in pairwise(DAYS))
    for days, shared in product(DAYS, SHARED):
        assert all(strength[days, a, shared] >= strength[days, b, shared] for a, b in pairwise(PEOPLE))
    for days, people in product(DAYS, PEOPLE):
        assert all(strength[days, people, a] <= strength[days, people, b] for a, b in pairwise(SHARED))


@repeatable(100)
@given(
    days=st.integers(-5, 5000),
    people=st.one_of(st.integers(1, 200), st.sampled_from((1_000, 10_000, 50_000))),
    shared=st.integers(1, 5),
)
def test_the_oracle_computes_the_same_strength(installed: Connection[Any], days: int, people: int, shared: int) -> None:
    assert value(installed, STRENGTH, days, people, shared) == oracle.strength(days, people, shared)


def test_tiers(installed: Connection[Any]) -> None:
    rows = installed.execute(
        "SELECT connection_paths.strength_tier(s::smallint) FROM unnest(ARRAY[0, 29, 30, 59, 60, 100, NULL]) AS s"
    ).fetchall()
    assert [row[0] for row in rows] == ["weak", "weak", "moderate", "moderate", "strong", "strong", None]


def test_size_classes(installed: Connection[Any]) -> None:
    rows = installed.execute(
        "SELECT n, connection_paths.size_class(n) FROM unnest(%s::bigint[]) AS n",
        ([*range(1, 1200), 14_142, 14_150, 70_700, 70_720],),
    ).fetchall()
    assert {number: people for number, people in rows} == {number: oracle.size_class(number) for number, _ in rows}
    extremes = installed.execute(
        "SELECT connection_paths.size_class(n) FROM unnest(ARRAY[-1, 0, 1e18, NULL]::double precision[]) AS n"
    ).fetchall()
    assert [row[0] for row in extremes] == [1, 1, 500_000_000, None]


@pytest.mark.parametrize(
    ("date_from", "date_to", "earlier", "days"),
    [
        (TODAY - timedelta(9), None, 5, 15),
        (TODAY - timedelta(9), TODAY + timedelta(400), 0, 10),
        (TODAY - timedelta(9), TODAY - timedelta(9), 0, 1),
        (None, None, 0, None),
        (TODAY, None, None, None),
        # what an application may write into rows of its own kinds
        ("infinity", None, 0, 0),
        ("infinity", "infinity", 3, 3),
        ("5874897-12-31", None, 0, 0),
        (TODAY + timedelta(1), None, 0, 0),
        (TODAY, TODAY - timedelta(5), 0, 0),
        (TODAY, TODAY, -7, 1),
        (TODAY, TODAY, 2**31 - 1, 10**9 + 1),
        ("-infinity", "-infinity", 0, 1),
        ("4714-11-24 BC", "0001-12-31 BC", 0, 1),
    ],
)
def test_overlap_days(
    installed: Connection[Any],
    date_from: date | str | None,
    date_to: date | str | None,
    earlier: int | None,
    days: int | None,
) -> None:
    query = "SELECT connection_paths.overlap_days(%s::date, %s::date, %s::integer)"
    assert value(installed, query, date_from, date_to, earlier) == days


def test_dates_without_an_end_or_a_beginning_are_no_error(installed: Connection[Any]) -> None:
    load(installed, colleagues((1, 5, "2000-01-01", None), (2, 5, "2001-01-01", None)))
    installed.execute("UPDATE public.contact_work_experiences SET date_from = '-infinity'")
    assert value(installed, "SELECT connection_paths.backfill_contact(1)") == 1
    since = value(installed, "SELECT CURRENT_DATE - date '0001-01-01' + 1")
    shown = "SELECT strength, connection_paths.overlap_days(date_from, date_to, earlier_days) FROM {}"
    edge = "connection_paths.contact_connections"
    assert installed.execute(shown.format(edge).encode()).fetchall() == [(oracle.strength(since, 2, 1), since)]
    installed.execute("UPDATE public.contact_work_experiences SET date_to = '-infinity' WHERE id = 1")
    installed.execute("UPDATE public.contact_work_experiences SET date_to = 'infinity' WHERE id = 2")
    assert value(installed, "SELECT connection_paths.backfill_contact(1)") == 1
    assert installed.execute(shown.format(edge).encode()).fetchall()[0][0] == 0


ENDS_OF_TIME = (
    *("-infinity", "4714-11-24 BC", "4714-12-30 BC", "0001-12-31 BC", "2001-01-01", "9999-12-31"),
    *("5874897-12-31", "infinity"),
)


@pytest.mark.parametrize("days", [None, 1, 2, 30, 36_525])
def test_no_date_is_an_error_and_both_ends_compute_the_same_edge(installed_host: str, days: int | None) -> None:
    """Pairs of contacts, each with an organization and another one that all share, and all ranges of odd dates."""
    with connect(installed_host) as connection:
        load(connection, World(frozenset(range(1, 1001)), frozenset(range(1, 501))))
        if days is not None:
            connection.execute(
                "INSERT INTO connection_paths.organization_policy (organization_id, rule, min_overlap_days)"
                " SELECT o, 'long_overlaps', %s FROM generate_series(1, 500) AS o",
                (days,),
            )
        draw = random.Random(days)
        ranges = [(a, b) for a in ENDS_OF_TIME for b in (*ENDS_OF_TIME[ENDS_OF_TIME.index(a) :], None)]
        connection.cursor().executemany(
            "INSERT INTO public.contact_work_experiences"
            " (id, contact_id, organization_id, date_from, date_to, company_name) VALUES (%s, %s, %s, %s, %s, '')",
            [
                (contact * 10 + place, contact, draw.choice(((contact + 1) // 2, (contact + 1) // 2 % 500 + 1)), *job)
                for contact in range(1, 1001)
                for place, job in enumerate(draw.choices(ranges, k=draw.randint(1, 4)))
            ],
        )
        wrong = connection.execute(
            "SELECT LEAST(c.id, w.neighbour_id), GREATEST(c.id, w.neighbour_id),"
            " (w.organization_id, w.date_from, w.date_to, w.strength, w.shared_organizations, w.earlier_days,"
            " w.people)::text, count(*)"
            " FROM public.contacts AS c CROSS JOIN LATERAL connection_paths.work_overlaps(c.id) AS w"
            " GROUP BY 1, 2, 3 HAVING count(*) <> 2"
        ).fetchall()
        assert wrong == []
        made, expected = (
            {(a, b) for a, b in connection.execute(query, {"days": days or 1}).fetchall()}
            for query in (
                "SELECT c.id, w.neighbour_id FROM public.contacts AS c"
                " CROSS JOIN LATERAL connection_paths.work_overlaps(c.id, c.id) AS w",
                # numbers instead of dates; a range that begins and ends at -infinity is long enough for every policy
                "WITH days AS (SELECT contact_id, organization_id,"
                " CASE date_from WHEN '-infinity' THEN -1e9 ELSE extract(julian FROM date_from) END AS first,"
                " CASE date_to WHEN '-infinity' THEN -1e9 + 1e6"
                " ELSE extract(julian FROM LEAST(date_to, CURRENT_DATE)) END AS last"
                " FROM connection_paths.work_experiences WHERE date_from <= CURRENT_DATE)"
                " SELECT DISTINCT a.contact_id, b.contact_id FROM days AS a JOIN days AS b USING (organization_id)"
                " WHERE a.contact_id < b.contact_id"
                " AND LEAST(a.last, b.last) - GREATEST(a.first, b.first) + 1 >= %(days)s",
            )
        )
        assert made == expected
        assert len(made) > 200


def differences(connection: Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute(sqlfiles.query("edges/verify_edges"), {"contact_ids": [1, 2]}).fetchall()


def test_an_edge_that_goes_on_is_not_wrong_because_days_have_passed(installed: Connection[Any]) -> None:
    load(installed, colleagues(*((contact, 5, TODAY - timedelta(1000), None) for contact in (1, 2))))
    assert value(installed, "SELECT connection_paths.backfill_contact(1)") == 1
    stored = edges(installed)
    assert not differences(installed)
    for wrong, is_reported in ((-5, False), (5, True)):
        installed.execute("UPDATE connection_paths.contact_connections SET strength = strength + %s", (wrong,))
        assert bool(differences(installed)) is is_reported
        assert value(installed, "SELECT connection_paths.backfill_contact(1)") == 1
        assert edges(installed) == stored
    installed.execute("UPDATE public.contact_work_experiences SET date_to = current_date - 1")
    assert value(installed, "SELECT connection_paths.backfill_contact(1)") == 1
    installed.execute("UPDATE connection_paths.contact_connections SET strength = strength - 5")
    assert [row[2] for row in differences(installed)] == ["different"]


def hire(connection: Connection[Any], first: int, last: int, organization: int = 7) -> None:
    connection.execute(
        "INSERT INTO public.contacts (id, name) SELECT g, 'x' FROM generate_series(%s::bigint, %s::bigint) AS g",
        (first, last),
    )
    connection.execute(
        "INSERT INTO public.contact_work_experiences (id, contact_id, organization_id, date_from)"
        " SELECT 1000 + g, g, %s, '2020-01-01' FROM generate_series(%s::bigint, %s::bigint) AS g",
        (organization, first, last),
    )


def test_a_class_changes_only_when_the_number_of_people_is_clearly_outside(installed: Connection[Any]) -> None:
    load(installed, office(14))
    installed.execute("DELETE FROM connection_paths.contact_changes")
    count = "SELECT connection_paths.count_organizations(%s::bigint[])"
    assert value(installed, count, [1]) == 1
    assert installed.execute(SIZES).fetchall() == [(7, 10)]
    for most, people in ((17, 10), (18, 20)):
        hire(installed, value(installed, "SELECT max(id) + 1 FROM public.contacts"), most)
        installed.execute("DELETE FROM connection_paths.contact_changes")
        assert value(installed, count, [1]) == (people != 10)
        assert installed.execute(SIZES).fetchall() == [(7, people)]
        queued = installed.execute(
            "SELECT contact_id, organization_id FROM connection_paths.contact_changes"
        ).fetchall()
        assert queued == ([] if people == 10 else [(None, 7)])
    load_hosts(installed, office(13))
    assert value(installed, count, None) == 0
    load_hosts(installed, office(11))
    assert value(installed, count, None) == 1
    installed.execute("DELETE FROM connection_paths.contact_changes")


def test_a_sync_changes_every_edge_of_an_organization_whose_class_changes(installed: Connection[Any]) -> None:
    load(installed, office(5))
    for contact in range(1, 6):
        value(installed, "SELECT connection_paths.backfill_contact(%s)", contact)
    assert {edge.people for edge in edges(installed).values()} == {5}
    installed.execute("DELETE FROM connection_paths.contact_changes")
    hire(installed, 6, 12)
    installed.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (12)")
    while value(installed, "SELECT taken FROM connection_paths.sync_changes()"):
        pass
    assert edges(installed) == right_edges(installed)
    assert {edge.people for edge in edges(installed).values()} == {10}


def test_a_large_organization_is_counted_at_most_once_a_day(installed: Connection[Any]) -> None:
    load(installed, World(frozenset(), organizations=frozenset({7})))
    hire(installed, 1, 60)
    count = "SELECT connection_paths.count_organizations(ARRAY[1::bigint])"
    assert value(installed, count) == 1
    hire(installed, 61, 150)
    assert value(installed, count) == 0
    installed.execute("UPDATE connection_paths.organization_sizes SET counted_at = now() - interval '2 days'")
    assert value(installed, count) == 1
    assert installed.execute(SIZES).fetchall() == [(7, 200)]
    installed.execute("DELETE FROM connection_paths.contact_changes")
