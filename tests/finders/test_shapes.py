"""Data built to break a finder: ties, cliques, stars, chains, rings, odd ids, several kinds, repeated calls."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, pairwise
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from orchestrator.core import sqlfiles
from orchestrator.install.installation import install
from tests.support.finder_options import Call
from tests.support.finder_worlds import (
    CAPS,
    SOME_DAY,
    START,
    Ends,
    agree,
    any_day,
    brought,
    chains,
    enter_layers,
    layer,
    random_pairs,
)
from tests.support.properties import first_of, long
from tests.support.world import FRIEND, MEMBER_SOURCES, OTHER_SOURCES, Edge, Membership

# Dates


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda _: SOME_DAY, id="one day"),
        long(lambda _: None, id="all go on"),
        pytest.param(lambda number: date(2200 + number % 5, 1, 1), id="all in the future"),
        long(lambda number: None if number % 2 else date(2200, 1, 1), id="going on or in the future"),
        long(lambda number: SOME_DAY - timedelta(number), id="no two alike"),
        pytest.param(any_day(1), id="any"),
    ],
)
def test_ties_of_dates_are_broken_by_contact_ids(database_of_kinds: Connection[Any], ends: Ends) -> None:
    people = range(1, 41)
    edges = layer(random_pairs(2, people, 400), ends)
    members = [*brought(range(1, 36)), *brought(range(10, 38, 3), user=2)]
    loaded = enter_layers(database_of_kinds, members, edges)
    agree(loaded, *(Call(target, max_depth=3, max_edges_per_hop=cap) for target in (1, 20, 40) for cap in CAPS))
    agree(loaded, Call(20, viewer=2, max_edges_per_hop=6), Call(20, viewer=2, seed_scope="importer", max_paths=25))


# Shapes


@pytest.mark.parametrize(("depth", "cap"), [(2, None), (3, 15), (4, 3), (6, 2), (6, 1)])
def test_a_clique_of_sixty(database_of_kinds: Connection[Any], depth: int, cap: int | None) -> None:
    people = range(1, 61)
    edges = layer([*combinations(people, 2), (30, 99)], lambda _: None)
    loaded = enter_layers(database_of_kinds, [*brought(people), *brought((16, 17, 60), user=2)], edges)
    for target in (1, 30, 60, 99):
        call = Call(target, max_depth=depth, max_edges_per_hop=cap)
        agree(loaded, call, replace(call, max_paths=25), replace(call, viewer=2, seed_scope="importer"))


@pytest.mark.parametrize("hub", ["brought in by the viewer", "brought in by another", "no member"])
def test_a_star(database_of_kinds: Connection[Any], hub: str) -> None:
    leaves = [*range(1, 40), *range(61, 100)]  # on both sides of the hub, so in both indexes
    middle = {
        "brought in by the viewer": brought([50]),
        "brought in by another": brought([50], user=2),
        "no member": (),
    }
    edges = layer([(50, leaf) for leaf in leaves], any_day(3))
    loaded = enter_layers(database_of_kinds, [*middle[hub], *brought(leaves)], edges)
    for scope in ("any", "importer"):
        for cap in CAPS:
            call = Call(50, max_depth=6, max_edges_per_hop=cap, seed_scope=scope)
            agree(loaded, call, replace(call, target=1), replace(call, target=99, max_paths=3))
    through_the_hub = chains(agree(loaded, Call(1, max_depth=3)))
    assert ((61, 50, 1) in through_the_hub) == (hub != "no member")


def test_a_long_chain_is_followed_for_six_contacts(database_of_kinds: Connection[Any]) -> None:
    loaded = enter_layers(database_of_kinds, brought(range(1, 13)), layer(pairwise(range(1, 13)), any_day(4)))
    for target in range(1, 13):
        rows = agree(loaded, Call(target, max_depth=6))
        farthest = {min(12, target + 5), max(1, target - 5)}
        assert {chain[0] for chain in chains(rows)} == {*range(min(farthest), max(farthest) + 1)}
        agree(loaded, *(Call(target, max_depth=depth, max_edges_per_hop=1) for depth in (2, 5, 6)))
    assert chains(agree(loaded, Call(12, max_depth=6)))[-1] == (7, 8, 9, 10, 11, 12)


def test_a_ring_is_searched_in_both_directions_without_repeats(database_of_kinds: Connection[Any]) -> None:
    ring = layer([*pairwise(range(1, 7)), (6, 1)], lambda _: SOME_DAY)
    loaded = enter_layers(database_of_kinds, brought(range(1, 7)), ring)
    rows = agree(loaded, Call(1, max_depth=6))
    assert sorted(chain for chain in chains(rows) if len(chain) == 6) == [(2, 3, 4, 5, 6, 1), (6, 5, 4, 3, 2, 1)]


def test_many_chains_that_meet_in_the_same_contacts(database_of_kinds: Connection[Any]) -> None:
    # five pairs in a row, each joined to each of the next: 32 chains of six contacts, with two heads a level
    ladder = [(2 * step + one, 2 * step + 2 + other) for step in range(5) for one in (0, 1) for other in (0, 1)]
    loaded = enter_layers(database_of_kinds, brought(range(12)), layer(ladder, any_day(5)))
    for cap in (None, 1, 2, 3):
        agree(loaded, Call(11, max_depth=6, max_edges_per_hop=cap), Call(11, max_depth=6, max_paths=25))


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_six_contacts_in_a_dense_world(database_of_kinds: Connection[Any], cap: int) -> None:
    # so dense that most neighbours of a chain are on it already
    people = range(1, 9)
    edges = layer(combinations(people, 2), any_day(6))
    loaded = enter_layers(database_of_kinds, [*brought(people), *brought((7, 8), user=2)], edges)
    for target in (1, 4, 8):
        call = Call(target, max_depth=6, max_edges_per_hop=cap)
        agree(loaded, call, replace(call, viewer=2, seed_scope="importer"), replace(call, max_paths=25))


# Collections and users


def test_worlds_without_paths(database_of_kinds: Connection[Any]) -> None:
    people = range(1, 21)
    outside = Membership(3, 5, 1, OTHER_SOURCES[0])  # by a source that does not count
    edges = layer(random_pairs(7, range(1, 31), 150), any_day(7))
    loaded = enter_layers(database_of_kinds, [*brought(people), outside, *brought([25], collection=3)], edges)
    for cap in (1, 15, None):
        call = Call(25, max_depth=3, max_edges_per_hop=cap)
        assert agree(loaded, call)  # the target is outside the collection
        assert agree(loaded, replace(call, target=5))
        assert not agree(loaded, replace(call, viewer=3, seed_scope="importer"))  # the viewer brought nobody
        assert not agree(loaded, replace(call, target=5, viewer=3, seed_scope="importer"))
        assert agree(loaded, replace(call, viewer=3))
        assert not agree(loaded, replace(call, collection=2))  # the collection is empty
        assert chains(agree(loaded, replace(call, collection=3))) == [(25,)]  # the target is its only member
        assert not agree(loaded, replace(call, target=999))  # the target has no edges


def test_each_collection_has_its_own_members_and_users(database_of_kinds: Connection[Any]) -> None:
    people = range(1, 31)
    members = [
        *brought(range(1, 21), user=1, collection=1),
        *brought(range(11, 31), user=1, collection=2),
        *brought(range(5, 31, 5), user=2, collection=1),
        *brought(range(1, 31, 7), user=2, collection=2),
        *brought(people, user=3, collection=3),
    ]
    loaded = enter_layers(database_of_kinds, members, layer(random_pairs(8, people, 200), any_day(8)))
    for collection in (1, 2, 3):
        for viewer in (1, 2, 3):
            for target in (1, 15, 30):
                call = Call(target, collection, viewer, max_depth=3, max_edges_per_hop=5)
                agree(loaded, call, replace(call, seed_scope="importer"))


def test_a_member_whom_many_rows_bring_in(database_of_kinds: Connection[Any]) -> None:
    people = range(1, 31)
    members = [
        *(
            Membership(user, contact, 1, source)
            for user in (1, 2, 3)
            for contact in people
            for source in MEMBER_SOURCES
        ),
        *(Membership(1, contact, 1, MEMBER_SOURCES[0]) for contact in people),  # the very same row again
        *(Membership(4, contact, 1, source) for contact in people for source in OTHER_SOURCES),
        *(Membership(None, contact, 1, 0) for contact in (*people, 40)),
    ]
    pairs = [*random_pairs(9, people, 120), (40, 1), (40, 30)]
    loaded = enter_layers(database_of_kinds, members, layer(pairs, any_day(9)))
    for cap in (1, 5, 15):
        for scope in ("any", "importer"):
            for viewer in (2, 4):
                call = Call(10, viewer=viewer, max_depth=3, max_edges_per_hop=cap, seed_scope=scope)
                agree(loaded, call, replace(call, target=40), replace(call, max_paths=25))


@pytest.mark.parametrize("known", [1, 10, 1000])
def test_viewers_with_few_and_with_many_contacts(database_of_kinds: Connection[Any], known: int) -> None:
    people = range(1, 1501)
    edges = layer([*random_pairs(10, people, 6000), *((1, other) for other in range(2, 400))], any_day(10))
    viewers = random.Random(known).sample(people, known)
    loaded = enter_layers(database_of_kinds, [*brought(people, user=1), *brought(viewers, user=2)], edges)
    for target in (1, viewers[0]):  # the first is a hub
        for depth, cap in ((2, None), (3, 15), (6, 2)):
            call = Call(target, viewer=2, max_depth=depth, max_edges_per_hop=cap, seed_scope="importer")
            agree(loaded, call, replace(call, max_paths=1), replace(call, seed_scope="any", max_paths=25))


@pytest.mark.parametrize("share", first_of(3, [0.5, 0.05, 1.0]))
def test_contacts_in_do_not_ask_and_excluded_contacts(database_of_kinds: Connection[Any], share: float) -> None:
    people = range(1, 61)
    dice = random.Random(19)
    edges = layer(random_pairs(19, people, 700), any_day(19))
    refused = [(collection, contact) for collection in (1, 2) for contact in people if dice.random() < share]
    members = [*brought(range(1, 56)), *brought(range(5, 58, 4), user=2), *brought(people, collection=3)]
    loaded = enter_layers(database_of_kinds, members, edges, do_not_ask=refused)
    for target in (1, 30, 60):
        for cap in (1, 6, 15, None):
            for collection in (1, 3):
                call = Call(target, collection, viewer=2, max_depth=3, max_edges_per_hop=cap)
                agree(loaded, call, replace(call, seed_scope="importer"), replace(call, max_paths=25))
        for size in (1, 10, 59):
            excluded = tuple(dice.sample(people, size))
            for scope in ("any", "importer"):
                call = Call(target, 3, max_depth=3, seed_scope=scope, excluded=excluded)
                for cap in (None, 6, 15):
                    each = replace(call, max_edges_per_hop=cap)
                    assert loaded.agrees(each, "v2"), each
                    assert loaded.agrees(replace(each, collection=1, viewer=2, max_paths=25), "v2"), each


def test_ids_of_every_size(database_of_kinds: Connection[Any]) -> None:
    # 0 and the negative ones are ids like others: nothing may stand for “none”
    people = [-(2**63), -(2**31), -5, -1, 0, 1, 2, 2**31, 2**63 - 1]
    users = [-1, 0, 2**63 - 1]
    members = [Membership(users[place % 3], contact, 0, 0) for place, contact in enumerate(people)]
    loaded = enter_layers(database_of_kinds, members, layer(combinations(people, 2), any_day(11)))
    for target in people:
        call = Call(target, collection=0, viewer=users[target % 3], max_depth=4, max_edges_per_hop=4)
        agree(loaded, call, replace(call, seed_scope="importer", max_depth=6, max_edges_per_hop=2))
        for excluded in people:
            assert loaded.agrees(replace(call, excluded=(excluded,)), None, "v2")
            assert loaded.agrees(replace(call, excluded=(*people[::2], excluded)), None, "v2")


def test_memberships_without_a_contact_or_collection_are_ignored(new_database: Callable[[], str]) -> None:
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        for column in ("contact_id", "collection_id"):
            drop = sql.SQL("ALTER TABLE public.user_contact_collections ALTER COLUMN {} DROP NOT NULL")
            connection.execute(drop.format(sql.Identifier(column)))
        install(connection.info.dsn)
        people, strangers = range(1, 31), range(1000, 1700)
        # the strangers are the most recent neighbours of two hubs, so the search must read many edges
        edges = layer(random_pairs(12, people, 150), lambda number: SOME_DAY - timedelta(number % 30))
        edges |= layer([(hub, stranger) for hub in (1, 10) for stranger in strangers], lambda _: None)
        loaded = enter_layers(connection, [*brought(range(1, 21)), *brought(range(1, 21, 6), user=2)], edges)
        connection.execute(
            "INSERT INTO public.user_contact_collections (user_id, contact_id, collection_id, source) VALUES"
            " (1, NULL, 1, 0), (2, NULL, 1, 5), (1, 25, NULL, 0), (1, 5, NULL, 0), (2, NULL, NULL, 0),"
            " (NULL, NULL, NULL, NULL), (1, NULL, 1, NULL), (1, 25, 1, NULL)"
        )
        for target in (1, 10, 25):
            for scope in ("any", "importer"):
                for cap in (1, 15, None):
                    call = Call(target, viewer=2, max_depth=3, max_edges_per_hop=cap, seed_scope=scope)
                    agree(loaded, call, replace(call, collection=2))


# Kinds


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(lambda day: day, id="equally recent"),
        pytest.param(lambda day: day + timedelta(100), id="more recent"),
        pytest.param(lambda day: day - timedelta(100), id="less recent"),
        pytest.param(lambda day: None if day.day % 2 else day - timedelta(1), id="some more, some less"),
    ],
)
@pytest.mark.parametrize("third", first_of(2, [True, False], lambda third: "three kinds" if third else "two kinds"))
def test_every_edge_in_several_kinds(
    three_kinds: Connection[Any], second: Callable[[date], date | None], third: bool
) -> None:
    people = range(1, 41)
    pairs = random_pairs(13, people, 500)
    work = layer(pairs, lambda number: SOME_DAY - timedelta(number % 40))
    layers = [
        work,
        {pair: Edge(FRIEND, None, None, second(edge.date_to or SOME_DAY)) for pair, edge in work.items()},
        {pair: Edge("family", 7, START, SOME_DAY - timedelta(number % 9)) for number, pair in enumerate(work)},
    ]
    loaded = enter_layers(three_kinds, brought(range(1, 38)), *layers[: 3 if third else 2])
    agree(loaded, *(Call(target, max_depth=3, max_edges_per_hop=cap) for target in (1, 20, 40) for cap in CAPS))


# How many paths


@pytest.mark.parametrize("number", first_of(2, [1, 2, 25]))
@pytest.mark.parametrize("deeper", ["nothing deeper", "paths deeper", "nobody to open the deeper ones"])
def test_a_level_with_exactly_as_many_paths_as_wanted(
    database_of_kinds: Connection[Any], number: int, deeper: str
) -> None:
    near = range(2, 2 + number)
    far = range(100, 120)
    pairs = [*((1, contact) for contact in near), *((contact, other) for contact in near[:3] for other in far)]
    beyond = {
        "nothing deeper": (),
        "paths deeper": brought(far),
        "nobody to open the deeper ones": brought(far, user=2),
    }
    loaded = enter_layers(database_of_kinds, [*brought(near), *beyond[deeper]], layer(pairs, any_day(14)))
    for max_paths in {max(1, number - 1), number, number + 1, 1, 25, 1000}:
        for scope in ("any", "importer"):
            for cap in (15, None):
                call = Call(1, max_depth=4, max_paths=max_paths, seed_scope=scope, max_edges_per_hop=cap)
                agree(loaded, call, replace(call, max_depth=2))


@pytest.mark.parametrize("users", [1, 6, 20])
def test_max_paths_counts_users_in_deep_finder_and_chains_in_find_paths(
    database_of_kinds: Connection[Any], users: int
) -> None:
    # two chains of two contacts, opened by so many users each; one of three contacts behind them, one of four behind it
    members = [row for user in range(1, 1 + users) for row in brought((2, 3), user=user)]
    edges = layer([(1, 2), (1, 3), (3, 4), (4, 5)], lambda _: None)
    loaded = enter_layers(database_of_kinds, [*members, *brought([4, 5], user=99)], edges)
    full = 2 * users
    for max_paths in {1, 2, 3, 4, 5, max(1, users - 1), users, users + 1, full - 1, full, full + 1, full + 2, full + 3}:
        for viewer in (1, users, 99, 100):
            call = Call(1, viewer=viewer, max_depth=4, max_paths=max_paths)
            agree(loaded, call, replace(call, seed_scope="importer"))


# Calls beside other calls


def test_finders_only_read(one_kind: Connection[Any]) -> None:
    edges = layer(random_pairs(15, range(1, 31), 150), any_day(15))
    loaded = enter_layers(one_kind, brought(range(1, 31)), edges)
    with one_kind.transaction():
        one_kind.execute("SET TRANSACTION READ ONLY")
        agree(loaded, Call(1, max_depth=3), Call(1, max_depth=3, seed_scope="importer"))


def test_calls_within_one_query_are_independent(one_kind: Connection[Any]) -> None:
    """Two calls for each of many rows: they must not share any state."""
    edges = layer(random_pairs(16, range(1, 31), 150), any_day(16))
    loaded = enter_layers(one_kind, [*brought(range(1, 26)), *brought(range(1, 31), collection=2)], edges)
    query = (
        "SELECT t.id, one.contact_ids, other.contact_ids FROM generate_series(1, 30) AS t (id)"
        " CROSS JOIN LATERAL connection_paths.deep_finder(t.id, 1, 1, 3, 5) AS one"
        " CROSS JOIN LATERAL connection_paths.deep_finder(one.contact_ids[1], 2, 1, 2, 4) AS other"
    )
    expected = [
        (target, list(one), list(other))
        for target in range(1, 31)
        for one in chains(loaded.expect(Call(target, max_depth=3, max_paths=5, max_edges_per_hop=15)))
        for other in chains(loaded.expect(Call(one[0], 2, max_depth=2, max_paths=4, max_edges_per_hop=15)))
    ]
    assert one_kind.execute(query).fetchall() == expected


def test_plans_of_a_session_survive_a_change_of_data(one_kind: Connection[Any]) -> None:
    """The session made its plans for few rows. Then the data grows, and becomes small again."""
    tiny = (brought([1, 2]), layer([(1, 2)], any_day(17)))
    large = (brought(range(1, 1001)), layer(random_pairs(17, range(1, 1001), 8000), any_day(17)))
    for members, edges in (tiny, large, tiny):
        loaded = enter_layers(one_kind, members, edges)
        for _ in range(7):  # at the sixth call a session may change to generic plans
            agree(loaded, Call(1, max_depth=3, max_edges_per_hop=15), Call(2, max_depth=2, seed_scope="importer"))
