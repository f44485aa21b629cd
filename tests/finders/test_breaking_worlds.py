"""Worlds built to break a finder: ties, cliques, hubs, twins, rims, odd ids, every size of a collection.

Edges are loaded as they are, not worked out from careers, so a world may be as large as it must.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations, pairwise
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from orchestrator.core import sqlfiles
from orchestrator.install.installation import install
from tests.finders.test_finders import DEEP_FINDERS, Call, Loaded
from tests.support import oracle
from tests.support.oracle import Row, latest_first
from tests.support.world import (
    FRIEND,
    MEMBER_SOURCES,
    OTHER_SOURCES,
    WORK_OVERLAP,
    Edge,
    Membership,
    Pair,
    World,
    load_do_not_ask,
    load_edges,
    load_hosts,
)

Ends = Callable[[int], date | None]  # when the n-th edge of a world ends
Layer = dict[Pair, Edge]  # edges of one kind

START = date(2001, 1, 1)
SOME_DAY = date(2015, 6, 1)
CAPS = (1, 2, 14, 15, 16, None)

# without them a large collection looks small, and plans that are right for that take a hundred times as long
STATISTICS = "ANALYZE public.user_contact_collections"


# Databases: the walk and the finders have a branch for how many kinds of edges there are


def _database(dsn: str, *kinds: str) -> Iterator[Connection[Any]]:
    """An installed database that knows *kinds* besides work_overlap."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn)
        for kind in kinds:
            add = sql.SQL("ALTER TYPE connection_paths.connection_kind ADD VALUE {}")
            connection.execute(add.format(sql.Literal(kind)))
        yield connection


@pytest.fixture(scope="module")
def one_kind(new_database: Callable[[], str]) -> Iterator[Connection[Any]]:
    yield from _database(new_database())


@pytest.fixture(scope="module")
def three_kinds(new_database: Callable[[], str]) -> Iterator[Connection[Any]]:
    yield from _database(new_database(), FRIEND, "family")


@pytest.fixture(scope="module", params=["one_kind", "three_kinds"])
def database_of_kinds(request: pytest.FixtureRequest) -> Connection[Any]:
    """Each world in both: the second has two kinds more than the world uses."""
    connection: Connection[Any] = request.getfixturevalue(request.param)
    return connection


# Worlds


def layer(pairs: Iterable[Pair], ends: Ends, kind: str = WORK_OVERLAP) -> Layer:
    """An edge for each pair, each with an organization of its own, ending as *ends* says."""
    distinct = dict.fromkeys((min(pair), max(pair)) for pair in pairs)
    return {
        pair: Edge(kind, 1000 + number, START + timedelta(number % 700), ends(number))
        for number, pair in enumerate(distinct)
    }


def brought(contacts: Iterable[int], user: int = 1, collection: int = 1) -> tuple[Membership, ...]:
    return tuple(Membership(user, contact, collection, 0) for contact in contacts)


def random_pairs(seed: int, contacts: Sequence[int], count: int) -> list[Pair]:
    draw = random.Random(seed)
    return [(min(pair), max(pair)) for pair in (draw.sample(contacts, 2) for _ in range(count))]


def any_day(seed: int) -> Ends:
    """Going on, past and future, few enough different days for ties."""
    draw = random.Random(seed)
    days = [None, None, *(SOME_DAY + timedelta(days) for days in (-900, -1, 0, 1, 20_000, 20_001))]
    return lambda _: draw.choice(days)


def enter_layers(
    connection: Connection[Any],
    memberships: Iterable[Membership],
    *layers: Layer,
    do_not_ask: Iterable[tuple[int, int]] = (),
) -> Loaded:
    """Load edges of several kinds, those of the kind declared first first; of equally recent ones that one counts."""
    memberships = tuple(memberships)
    pairs = {pair for each in layers for pair in each}
    contacts = {contact for pair in pairs for contact in pair} | {row.contact_id for row in memberships}
    world = World(contacts=frozenset(contacts), memberships=memberships, do_not_ask=frozenset(do_not_ask))
    connection.execute("TRUNCATE connection_paths.contact_connections")
    load_hosts(connection, world)
    load_do_not_ask(connection, world)
    for each in layers:
        load_edges(connection, each)
    connection.execute(STATISTICS)
    walked = {
        pair: min((each[pair] for each in layers if pair in each), key=lambda edge: latest_first(edge.date_to))
        for pair in pairs
    }
    kinds = Counter(pair for each in layers for pair in each)
    return Loaded(connection, world, {}, walked, _today(connection), kinds)


def _today(connection: Connection[Any]) -> date:
    row = connection.execute("SELECT current_date").fetchone()
    assert row is not None
    today: date = row[0]
    return today


def agree(loaded: Loaded, *calls: Call, finders: Sequence[str] = DEEP_FINDERS, paths_deep: int = 3) -> list[Row]:
    """Hold the finders, and find_paths as deep as said, against the oracle in each call; returns the last call's rows.

    find_paths has a cap of its own, and which implementation it chooses does not matter here.
    """
    expected: list[Row] = []
    for call in calls:
        expected = loaded.expect(call)
        for function in finders:
            assert loaded.find(function, call) == expected, (function, call)
    for call in {replace(call, max_edges_per_hop=15, max_depth=min(call.max_depth, paths_deep)) for call in calls}:
        assert loaded.agrees(call, None, "v2"), call
    return expected


def chains(rows: Iterable[Row]) -> list[tuple[int, ...]]:
    return [tuple(row[2]) for row in rows]


# Dates


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda _: SOME_DAY, id="one day"),
        pytest.param(lambda _: None, id="all go on"),
        pytest.param(lambda number: date(2200 + number % 5, 1, 1), id="all in the future"),
        pytest.param(lambda number: None if number % 2 else date(2200, 1, 1), id="going on or in the future"),
        pytest.param(lambda number: SOME_DAY - timedelta(number), id="no two alike"),
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


def test_a_long_chain_is_walked_six_contacts_far(database_of_kinds: Connection[Any]) -> None:
    loaded = enter_layers(database_of_kinds, brought(range(1, 13)), layer(pairwise(range(1, 13)), any_day(4)))
    for target in range(1, 13):
        rows = agree(loaded, Call(target, max_depth=6))
        farthest = {min(12, target + 5), max(1, target - 5)}
        assert {chain[0] for chain in chains(rows)} == {*range(min(farthest), max(farthest) + 1)}
        agree(loaded, *(Call(target, max_depth=depth, max_edges_per_hop=1) for depth in (2, 5, 6)))
    assert chains(agree(loaded, Call(12, max_depth=6)))[-1] == (7, 8, 9, 10, 11, 12)


def test_a_ring_is_walked_both_ways_and_never_round(database_of_kinds: Connection[Any]) -> None:
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
def test_six_hops_where_every_level_takes_contacts_away(database_of_kinds: Connection[Any], cap: int) -> None:
    # so dense that nearly all that a chain would follow stand on it already
    people = range(1, 9)
    edges = layer(combinations(people, 2), any_day(6))
    loaded = enter_layers(database_of_kinds, [*brought(people), *brought((7, 8), user=2)], edges)
    for target in (1, 4, 8):
        call = Call(target, max_depth=6, max_edges_per_hop=cap)
        agree(loaded, call, replace(call, viewer=2, seed_scope="importer"), replace(call, max_paths=25))


# Collections and users


def test_what_there_is_none_of(database_of_kinds: Connection[Any]) -> None:
    people = range(1, 21)
    outside = Membership(3, 5, 1, OTHER_SOURCES[0])  # known to collection 1 by user 3, but not by way of the network
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
        assert chains(agree(loaded, replace(call, collection=3))) == [(25,)]  # the target is all of it
        assert not agree(loaded, replace(call, target=999))  # nobody knows the target


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


def test_a_member_brought_in_many_times_over(database_of_kinds: Connection[Any]) -> None:
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
def test_a_viewer_who_knows_few_or_many(database_of_kinds: Connection[Any], known: int) -> None:
    people = range(1, 1501)
    edges = layer([*random_pairs(10, people, 6000), *((1, other) for other in range(2, 400))], any_day(10))
    viewers = random.Random(known).sample(people, known)
    loaded = enter_layers(database_of_kinds, [*brought(people, user=1), *brought(viewers, user=2)], edges)
    for target in (1, viewers[0]):  # the first is a hub
        for depth, cap in ((2, None), (3, 15), (6, 2)):
            call = Call(target, viewer=2, max_depth=depth, max_edges_per_hop=cap, seed_scope="importer")
            agree(loaded, call, replace(call, max_paths=1), replace(call, seed_scope="any", max_paths=25))


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_whom_not_to_ask_by_the_row_and_by_the_call(database_of_kinds: Connection[Any], share: float) -> None:
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
                assert loaded.agrees(call, "v2"), call
                assert loaded.agrees(replace(call, collection=1, viewer=2, max_paths=25), "v2"), call


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


def test_memberships_of_no_contact_or_no_collection_do_not_disturb(new_database: Callable[[], str]) -> None:
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        for column in ("contact_id", "collection_id"):
            drop = sql.SQL("ALTER TABLE public.user_contact_collections ALTER COLUMN {} DROP NOT NULL")
            connection.execute(drop.format(sql.Identifier(column)))
        install(connection.info.dsn)
        people, strangers = range(1, 31), range(1000, 1700)
        # the strangers are the more recent neighbours of two hubs, so members are hard to come by
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
@pytest.mark.parametrize("third", [False, True], ids=["two kinds", "three kinds"])
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


@pytest.mark.parametrize("number", [1, 2, 25])
@pytest.mark.parametrize("deeper", ["nothing deeper", "paths deeper", "nobody to open the deeper ones"])
def test_a_level_that_just_fills_the_request(database_of_kinds: Connection[Any], number: int, deeper: str) -> None:
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
def test_users_fill_rows_and_chains_fill_groups(database_of_kinds: Connection[Any], users: int) -> None:
    # two chains of two contacts, opened by so many users each; one of three contacts behind them, one of four behind it
    members = [row for user in range(1, 1 + users) for row in brought((2, 3), user=user)]
    edges = layer([(1, 2), (1, 3), (3, 4), (4, 5)], lambda _: None)
    loaded = enter_layers(database_of_kinds, [*members, *brought([4, 5], user=99)], edges)
    full = 2 * users
    for max_paths in {1, 2, 3, 4, 5, max(1, users - 1), users, users + 1, full - 1, full, full + 1, full + 2, full + 3}:
        for viewer in (1, users, 99, 100):
            call = Call(1, viewer=viewer, max_depth=4, max_paths=max_paths)
            agree(loaded, call, replace(call, seed_scope="importer"), paths_deep=4)


# Calls among each other


def test_finders_only_read(one_kind: Connection[Any]) -> None:
    edges = layer(random_pairs(15, range(1, 31), 150), any_day(15))
    loaded = enter_layers(one_kind, brought(range(1, 31)), edges)
    with one_kind.transaction():
        one_kind.execute("SET TRANSACTION READ ONLY")
        agree(loaded, Call(1, max_depth=3), Call(1, max_depth=3, seed_scope="importer"))


@pytest.mark.parametrize("function", DEEP_FINDERS)
def test_calls_within_one_query_do_not_disturb_each_other(one_kind: Connection[Any], function: str) -> None:
    """Two calls a row, for many rows: whatever a call keeps must be its own."""
    edges = layer(random_pairs(16, range(1, 31), 150), any_day(16))
    loaded = enter_layers(one_kind, [*brought(range(1, 26)), *brought(range(1, 31), collection=2)], edges)
    query = sql.SQL(
        "SELECT t.id, one.contact_ids, other.contact_ids FROM generate_series(1, 30) AS t (id)"
        " CROSS JOIN LATERAL connection_paths.{0}(t.id, 1, 1, 3, 5) AS one"
        " CROSS JOIN LATERAL connection_paths.{0}(one.contact_ids[1], 2, 1, 2, 4) AS other"
    )
    expected = [
        (target, list(one), list(other))
        for target in range(1, 31)
        for one in chains(loaded.expect(Call(target, max_depth=3, max_paths=5, max_edges_per_hop=15)))
        for other in chains(loaded.expect(Call(one[0], 2, max_depth=2, max_paths=4, max_edges_per_hop=15)))
    ]
    assert one_kind.execute(query.format(sql.Identifier(function))).fetchall() == expected


def test_a_session_that_saw_another_world_before(one_kind: Connection[Any]) -> None:
    """Plans, and whatever else a session keeps, were made for a tiny world; then it grows, and shrinks again."""
    tiny = (brought([1, 2]), layer([(1, 2)], any_day(17)))
    large = (brought(range(1, 1001)), layer(random_pairs(17, range(1, 1001), 8000), any_day(17)))
    for members, edges in (tiny, large, tiny):
        loaded = enter_layers(one_kind, members, edges)
        for _ in range(7):  # at the sixth call a session may change to generic plans
            agree(loaded, Call(1, max_depth=3, max_edges_per_hop=15), Call(2, max_depth=2, seed_scope="importer"))


# The first levels, read in one statement: what is answered at once, what is gone on from, what is begun anew


def first_levels(loaded: Loaded, call: Call, *, by_chain: bool = False) -> tuple[bool, bool, int]:
    """What shallow_search says of a call: whether it is answered, whether it was cut, and the level reached."""
    row = loaded.connection.execute(
        "SELECT s.is_answered, s.is_cut, s.level_reached"
        " FROM connection_paths.shallow_search(%s, %s, %s, %s, %s, %s, %s, '{}', true, %s, %s, NULL) AS s",
        [
            call.target,
            call.collection,
            call.viewer,
            call.max_depth,
            call.max_paths,
            call.seed_scope,
            call.max_edges_per_hop,
            by_chain,
            call.max_depth <= 3,
        ],
    ).fetchone()
    assert row is not None
    return (row[0], row[1], row[2])


def searched(loaded: Loaded, call: Call, deadline: str) -> tuple[list[list[int]], bool, int, bool]:
    """What search says of a call by chains: those, whether it is complete, the level reached, whether a cap was hit."""
    row = loaded.connection.execute(
        "SELECT s.chains, s.is_complete, s.level_reached, s.caps_hit"
        " FROM connection_paths.search(%s, %s, %s, %s, %s, %s, %s, '{}', true, true, clock_timestamp() + %s) AS s",
        [
            call.target,
            call.collection,
            call.viewer,
            call.max_depth,
            call.max_paths,
            call.seed_scope,
            call.max_edges_per_hop,
            deadline,
        ],
    ).fetchone()
    assert row is not None
    found = [[contact for contact in chain if contact is not None] for chain in row[0] or []]
    return (found, row[1], row[2], row[3])


def crowd(number: int, first: int | None, *, tied: bool) -> tuple[Layer, list[int]]:
    """Contact 1000's edges, so many, and its neighbours, the most recent first; *first*, where given, before all."""
    others = [1000 + (place if place % 2 else -place) for place in range(1, number + 1 - (first is not None))]
    if tied:
        others.sort()
    neighbours = others if first is None else [first, *others]
    edges = layer(
        ((1000, neighbour) for neighbour in neighbours),
        lambda place: None if neighbours[place] == first else SOME_DAY if tied else SOME_DAY - timedelta(place),
    )
    return edges, neighbours


@pytest.mark.parametrize("tied", [False, True], ids=["no two dates alike", "one day"])
@pytest.mark.parametrize("number", [299, 300, 301, 302, 600])
@pytest.mark.parametrize("target", ["the crowded contact", "one behind it"])
def test_a_contact_with_about_300_edges_few_of_them_to_members(
    one_kind: Connection[Any], target: str, number: int, tied: bool
) -> None:
    """Members are at both ends and where reading stops, so that some caps are filled before it and some are not."""
    itself = target == "the crowded contact"
    edges, neighbours = crowd(number, None if itself else 1, tied=tied)
    members = [neighbours[place - 1] for place in (2, 3, 150, 299, 300, 301, 302, number) if place <= number]
    near = len(set(members) & set(neighbours[:300]))
    loaded = enter_layers(one_kind, [*brought([1000, *members]), *brought(members[-1:], user=2)], edges)
    for cap in (1, 2, near - 1, near, near + 1, 15, None):
        for depth in (2, 3, 4):
            call = Call(1000 if itself else 1, viewer=2, max_depth=depth, max_edges_per_hop=cap)
            agree(loaded, call, replace(call, max_paths=near), replace(call, seed_scope="importer"), paths_deep=4)
            if itself or depth > 2:
                is_answered, is_cut, _ = first_levels(loaded, call)
                assert is_cut == (depth > 3 and number > 300 and (cap is None or near < cap)), call
                assert not (is_cut and is_answered), call
                assert is_answered or depth > 3, call
    for excluded in (members[:1], members[-2:]):
        call = Call(1000 if itself else 1, viewer=2, max_depth=3, excluded=tuple(excluded))
        assert loaded.agrees(call, "v2"), call
        assert loaded.agrees(replace(call, seed_scope="importer"), "v2"), call


def test_a_crowd_amid_others_begins_the_search_anew(one_kind: Connection[Any]) -> None:
    """Four contacts know the target; a crowd of strangers stands before the members whom the last of them knows."""
    edges, neighbours = crowd(400, 1, tied=False)
    edges |= layer([(1, other) for other in (2, 3, 4)] + [(2, 5), (3, 5), (5, 6), (3, 4)], any_day(20))
    members = [1, 1000, *range(2, 7), *neighbours[-3:]]
    loaded = enter_layers(one_kind, [*brought(members), *brought([6, neighbours[-1]], user=2)], edges)
    for cap in (1, 3, 15, None):
        for depth in (3, 4, 5):
            call = Call(1, viewer=2, max_depth=depth, max_edges_per_hop=cap)
            agree(loaded, call, replace(call, seed_scope="importer"), replace(call, max_paths=6), paths_deep=5)
    assert first_levels(loaded, Call(1, max_depth=4, max_paths=25, max_edges_per_hop=15))[1]
    # from what was cut nothing is read on, and where the deadline passed meanwhile, that is what was found
    assert first_levels(loaded, Call(1000, max_depth=4, max_edges_per_hop=15)) == (False, True, 2)
    found = searched(loaded, Call(1000, max_depth=4, max_edges_per_hop=15), "-1 s")
    assert found == ([[1000], [1, 1000]], False, 2, False)


def test_a_cap_that_only_the_first_levels_hit_is_told(one_kind: Connection[Any]) -> None:
    """The target knows four, and nobody behind them more than two: what goes on from there must not forget it."""
    chains = [[1, first, first + 10, first + 20, first + 30] for first in (2, 3, 4, 5)]
    edges = layer([pair for chain in chains for pair in pairwise(chain)], any_day(22))
    loaded = enter_layers(one_kind, brought(sorted({contact for chain in chains for contact in chain})), edges)
    call = Call(1, max_depth=5, max_paths=100)
    assert first_levels(loaded, replace(call, max_edges_per_hop=3))[:2] == (False, False)
    for cap, is_hit in ((3, True), (4, True), (5, False)):
        chains_found, is_complete, level, caps_hit = searched(loaded, replace(call, max_edges_per_hop=cap), "1 hour")
        assert (len(chains_found), is_complete, level, caps_hit) == (1 + 4 * min(cap, 4), True, 5, is_hit), cap


def spread(near: int, users: int = 1) -> tuple[Layer, list[Membership]]:
    """A target 1, so many contacts who know it, and behind each one of them another; so many users brought them all."""
    edges = layer([*((1, 10 + place) for place in range(near)), *((10 + n, 100 + n) for n in range(near))], any_day(21))
    contacts = [contact for pair in edges for contact in pair if contact != 1]
    return edges, [row for user in range(1, 1 + users) for row in brought(sorted(set(contacts)), user=user)]


ANSWERED, OPEN = True, False


@pytest.mark.parametrize(
    ("near", "users", "call", "by_chain", "expected"),
    [
        pytest.param(4, 1, Call(1, max_depth=1), True, (ANSWERED, 1), id="one level only"),
        pytest.param(4, 1, Call(1, max_depth=2), True, (ANSWERED, 2), id="two levels only"),
        pytest.param(4, 1, Call(1, max_depth=6, max_paths=4), False, (ANSWERED, 2), id="two levels fill it"),
        pytest.param(4, 1, Call(1, max_depth=6, max_paths=5), False, (ANSWERED, 3), id="three levels fill it"),
        pytest.param(4, 1, Call(1, max_depth=6, max_paths=8), False, (ANSWERED, 3), id="three levels just fill it"),
        pytest.param(4, 1, Call(1, max_depth=6, max_paths=9), False, (OPEN, 3), id="three levels do not fill it"),
        pytest.param(4, 1, Call(1, max_depth=3, max_paths=999), False, (ANSWERED, 3), id="a third and last level"),
        pytest.param(4, 1, Call(1, max_depth=4, max_paths=60), False, (OPEN, 3), id="the third might fill it"),
        pytest.param(4, 1, Call(1, max_depth=4, max_paths=61), False, (OPEN, 2), id="the third will not fill it"),
        pytest.param(4, 1, Call(1, max_paths=16, max_edges_per_hop=4), False, (OPEN, 3), id="a cap that may do"),
        pytest.param(4, 1, Call(1, max_paths=17, max_edges_per_hop=4), False, (OPEN, 2), id="a cap that will not"),
        pytest.param(3, 1, Call(1, max_paths=999), False, (OPEN, 3), id="three chains are no work"),
        pytest.param(0, 1, Call(1, max_depth=6), False, (ANSWERED, 1), id="nothing at the second"),
        pytest.param(4, 3, Call(1, max_depth=3, max_paths=12), False, (ANSWERED, 2), id="users fill two levels"),
        pytest.param(4, 3, Call(1, max_depth=3, max_paths=5), True, (ANSWERED, 3), id="users fill no chains"),
        pytest.param(4, 3, Call(1, max_depth=4, max_paths=61), True, (OPEN, 2), id="users lead to no more chains"),
        pytest.param(4, 3, Call(1, max_depth=4, max_paths=61), False, (OPEN, 3), id="users lead to more rows"),
        pytest.param(
            4, 3, Call(1, max_depth=3, max_paths=5, seed_scope="importer"), False, (ANSWERED, 3), id="the viewer's"
        ),
        pytest.param(
            4, 3, Call(1, viewer=9, max_paths=5, seed_scope="importer"), False, (OPEN, 2), id="none are the viewer's"
        ),
    ],
)
def test_the_third_level_is_begun_where_it_may_answer(
    one_kind: Connection[Any], near: int, users: int, call: Call, by_chain: bool, expected: tuple[bool, int]
) -> None:
    """No answer depends on it, for what is not begun there is begun elsewhere; but how soon there is one does."""
    edges, members = spread(near, users)
    loaded = enter_layers(one_kind, members, edges)
    is_answered, is_cut, level_reached = first_levels(loaded, call, by_chain=by_chain)
    assert ((is_answered, level_reached), is_cut) == (expected, False)
    agree(loaded, call, paths_deep=6)


def test_nothing_at_the_third_level_is_an_answer_however_deep_one_may_go(one_kind: Connection[Any]) -> None:
    loaded = enter_layers(one_kind, brought([1, 10, 11]), layer([(1, 10), (1, 11), (10, 12)], any_day(27)))
    for depth in (3, 4, 6):
        call = Call(1, max_depth=depth)
        assert first_levels(loaded, call) == (True, False, 2)
        agree(loaded, call, paths_deep=6)


@pytest.mark.parametrize("depth", [3, 4, 5, 6])
def test_a_user_who_brought_contacts_twice_does_not_end_a_search(one_kind: Connection[Any], depth: int) -> None:
    """By sources, two levels would fill the request; by users they do not."""
    edges, _ = spread(4)
    edges |= layer([(100, 200), (200, 201), (201, 202)], any_day(22))
    contacts = {contact for pair in edges for contact in pair if contact != 1}
    members = [Membership(1, contact, 1, source) for contact in contacts for source in MEMBER_SOURCES[:3]]
    loaded = enter_layers(one_kind, members, edges)
    for max_paths in (4, 5, 8, 9, 10, 12, 13):
        call = Call(1, max_depth=depth, max_paths=max_paths)
        for cap in (None, 1, 15):
            each = replace(call, max_edges_per_hop=cap)
            agree(loaded, each, replace(each, seed_scope="importer"), paths_deep=6)
    assert first_levels(loaded, Call(1, max_depth=depth, max_paths=8)) == (False, False, 2)


@pytest.mark.parametrize("max_depth", [4, 5, 6])
@pytest.mark.parametrize("cap", [None, 1, 2, 15])
@pytest.mark.parametrize("seed", [23, 24])
def test_a_search_that_goes_on_from_the_second_or_third_level(
    one_kind: Connection[Any], seed: int, cap: int | None, max_depth: int
) -> None:
    """A few contacts a level, some known to two of the level before or to each other: heads are met again later.

    Ids say nothing of levels. User 1 brought everybody, user 2 the fifth and sixth level, user 3 some of all.
    """
    dice = random.Random(seed)
    ids = dice.sample(range(1, 1000), 34)
    levels = [ids[:1], ids[1:6], ids[6:12], ids[12:18], ids[18:26], ids[26:]]
    pairs = [(one, other) for nearer, level in pairwise(levels) for other in level for one in dice.sample(nearer, 1)]
    pairs += [(dice.choice(nearer), dice.choice(level)) for nearer, level in pairwise(levels[1:]) for _ in range(2)]
    pairs += [(level[0], level[1]) for level in levels[1:]]
    members = [
        *brought(ids[1:]),
        *brought([*levels[4], *levels[5]], user=2),
        *brought(dice.sample(ids, 12), user=3),
    ]
    loaded = enter_layers(one_kind, members, layer(pairs, any_day(seed)))
    target = ids[0]
    reached = set()
    for max_paths in (5, 12, 25, 30, 40, 75, 1000):
        for viewer in (1, 2, 3):
            call = Call(target, 1, viewer, max_depth, max_paths, "any", cap)
            for each in (call, replace(call, seed_scope="importer")):
                agree(loaded, each, paths_deep=6)
                is_answered, _, level = first_levels(loaded, each)
                reached |= set() if is_answered else {level}
    for excluded in (ids[1:3], ids[6:9], [*ids[4:6], *ids[14:16]]):
        call = Call(target, 1, 3, max_depth, excluded=tuple(excluded))
        assert loaded.agrees(call, "v2"), call
        assert loaded.agrees(replace(call, max_paths=30), "v2"), call
    assert reached == ({3} if cap in (1, 2) else {2, 3})  # a chain or two are followed whatever is to be expected


def test_the_limit_of_edges_is_hit_by_one_contact_not_by_several(one_kind: Connection[Any]) -> None:
    edges, members = spread(4)
    edges |= layer([(10, 110), (10, 111)], any_day(25))
    loaded = enter_layers(one_kind, [*members, *brought([110, 111])], edges)
    for depth, cap, expected in ((3, 5, False), (3, 4, True), (3, 3, True), (2, 5, False), (2, 4, True), (1, 1, False)):
        call = Call(1, max_depth=depth, max_edges_per_hop=cap)
        assert searched(loaded, call, "1 hour")[3] == expected, call
    # the contacts behind lead to three besides the target, more than the target leads to
    behind = layer([(1, 10), *((10, other) for other in (100, 110, 111))], any_day(26))
    loaded = enter_layers(one_kind, brought([10, 100, 110, 111]), behind)
    for depth, cap, expected in ((3, 4, False), (3, 3, True), (2, 3, False)):
        assert searched(loaded, Call(1, max_depth=depth, max_edges_per_hop=cap), "1 hour")[3] == expected, cap


def test_the_first_levels_end_at_the_deadline(one_kind: Connection[Any]) -> None:
    """What two levels hold is found by then; the third is not begun, and nothing is gone on from."""
    edges, members = spread(3)
    loaded = enter_layers(one_kind, members, edges)
    for depth in (3, 4, 6):
        call = Call(1, max_depth=depth)
        found, is_complete, level_reached, _ = searched(loaded, call, "-1 s")
        assert sorted(found) == [[10, 1], [11, 1], [12, 1]]
        assert (is_complete, level_reached) == (False, 2)
        found, is_complete, level_reached, _ = searched(loaded, call, "1 hour")
        assert (len(found), is_complete, level_reached) == (6, True, 3)


@pytest.mark.parametrize("by_chain", [True, False])
def test_cut_edges_displace_nothing_that_was_found(one_kind: Connection[Any], by_chain: bool) -> None:
    """It is returned when the deadline passes before the search has begun anew."""
    near = range(10, 15)
    strangers = (range(1000 * contact, 1000 * contact + 301) for contact in near)
    edges = layer(
        [
            *((1, contact) for contact in near),
            *((contact, other) for contact, others in zip(near, strangers, strict=True) for other in others),
        ],
        any_day(28),
    )
    loaded = enter_layers(one_kind, brought([1, *near]), edges)
    is_cut, chains = loaded.connection.execute(
        "SELECT s.is_cut, s.chains FROM connection_paths.shallow_search("
        "1, 1, 1, 4, 6, 'any', 15, '{}', true, %s, false, clock_timestamp() + '1 hour') AS s",
        [by_chain],
    ).fetchone() or (None, [])
    assert is_cut
    assert sorted(chain[0] for chain in chains) == [1, *near]


# A hub of 3,000 edges, and collections of every size around it

HUB_EDGES = 3000
HUB, VISITOR, MARKET = 23_001, 1, 200_001  # the visitor knows the hub and the market, and nobody else
STALLS = range(100_001, 105_001)  # 5,000 contacts of the market: members that are no neighbours of the hub
BOUNDARIES = (1, 15, 16, 17, 20, 21, 64, 65, 100, 128, 129, 200, 256, 257, 299, 300, 301, 500, 512, 513, 1000)


def leaf(position: int) -> int:
    """The neighbour of the hub with the position-th most recent edge; ids say nothing, and lie on both sides."""
    return 20_000 + 2 * (position * 1237 % 3001)


HUB_WORLD = layer(
    [
        *((HUB, leaf(position)) for position in range(1, HUB_EDGES + 1)),
        (HUB, VISITOR),
        (VISITOR, MARKET),
        *((MARKET, stall) for stall in STALLS),
        *((leaf(position), leaf(position + 1)) for position in range(1, HUB_EDGES)),
    ],
    lambda number: SOME_DAY - timedelta(number) if number < HUB_EDGES else None,
)

MEMBERS_AT: dict[str, Iterable[int]] = {
    "nowhere": (),
    **{f"at {position}": (position,) for position in (*BOUNDARIES, HUB_EDGES)},
    **{f"14 first and at {position}": (*range(1, 15), position) for position in (*BOUNDARIES[1:], HUB_EDGES)},
    **{f"15 first and at {position}": (*range(1, 16), position) for position in (*BOUNDARIES[2:], HUB_EDGES)},
    "from 20 to 40": range(20, 41),
    "at every boundary": BOUNDARIES,
    "the last 3": range(HUB_EDGES - 2, HUB_EDGES + 1),
    "the last 15": range(HUB_EDGES - 14, HUB_EDGES + 1),
    "the last 16": range(HUB_EDGES - 15, HUB_EDGES + 1),
    "every tenth": range(10, HUB_EDGES + 1, 10),
    "everywhere": range(1, HUB_EDGES + 1),
}
SIZES = (1, 10, 100, 1000, 5000)


def _hub_world(dsn: str, kinds: Sequence[str], *layers: Layer) -> Iterator[Loaded]:
    """The hub's edges without a collection."""
    for connection in _database(dsn, *kinds):
        loaded = enter_layers(connection, (), *layers)
        connection.execute("VACUUM (ANALYZE) connection_paths.contact_connections")
        yield loaded


@pytest.fixture(scope="module")
def hub_of_one_kind(new_database: Callable[[], str]) -> Iterator[Loaded]:
    yield from _hub_world(new_database(), [], HUB_WORLD)


@pytest.fixture(scope="module")
def hub_of_two_kinds(new_database: Callable[[], str]) -> Iterator[Loaded]:
    """Every edge has a twin: of every three pairs one is equally recent, in the others either is more recent."""
    work, friends = {}, {}
    for number, (pair, edge) in enumerate(HUB_WORLD.items()):
        older = edge._replace(date_to=edge.date_to and edge.date_to - timedelta(5))
        work[pair] = older if number % 3 == 0 else edge
        friends[pair] = (older if number % 3 == 1 else edge)._replace(kind=FRIEND)
    yield from _hub_world(new_database(), [FRIEND], work, friends)


@pytest.fixture(params=["hub_of_one_kind", "hub_of_two_kinds"])
def hub_world(request: pytest.FixtureRequest) -> Loaded:
    loaded: Loaded = request.getfixturevalue(request.param)
    return loaded


def gather(hub_world: Loaded, positions: Iterable[int], size: int, refused: Iterable[int] = ()) -> Loaded:
    """Make collection 1 of the leaves at *positions* and of so many others that it has *size* members.

    The viewer 1 brought all of them, user 2 the last leaf and some stalls. Of the leaves those at *refused* are not to
    be asked.
    """
    do_not_ask = frozenset((1, leaf(position)) for position in refused)
    leaves = [leaf(position) for position in positions]
    between = [HUB, VISITOR, MARKET] if size > 1 else []
    stalls = STALLS[len(STALLS) - max(0, size - len(leaves) - len(between)) :]  # the last that a walk would follow
    memberships = (*brought([*leaves, *between, *stalls]), *brought([*leaves[-1:], *stalls[::50]], user=2))
    with hub_world.connection.transaction():
        hub_world.connection.execute("TRUNCATE public.user_contact_collections")
        with (
            hub_world.connection.cursor() as cursor,
            cursor.copy("COPY public.user_contact_collections FROM STDIN") as copy,
        ):
            for row in memberships:
                copy.write_row(row)
    hub_world.connection.execute(STATISTICS)
    # only edges between members, and to a target, can be on a path: the oracle is spared the others
    walked = {row.contact_id for row in memberships} | {HUB, VISITOR, MARKET, leaf(HUB_EDGES), leaf(HUB_EDGES - 8)}
    edges = {pair: edge for pair, edge in hub_world.edges.items() if walked.issuperset(pair)}
    load_do_not_ask(hub_world.connection, World(contacts=frozenset(), do_not_ask=do_not_ask))
    world = replace(hub_world.world, memberships=memberships, do_not_ask=do_not_ask)
    return replace(hub_world, world=world, edges=edges)


def around_the_hub(loaded: Loaded, finders: Sequence[str]) -> None:
    agree(
        loaded,
        Call(HUB, max_depth=2, max_edges_per_hop=15),
        Call(VISITOR, max_depth=3, max_edges_per_hop=15, max_paths=25),
        Call(VISITOR, max_depth=4, max_edges_per_hop=15, viewer=2, seed_scope="importer"),
        finders=finders,
    )
    for call in (
        Call(HUB, max_depth=2, max_edges_per_hop=1),
        Call(HUB, max_depth=2, max_edges_per_hop=16, viewer=2, seed_scope="importer"),
        Call(VISITOR, max_depth=3, max_edges_per_hop=16),
        # the hub and its leaves are met again at every depth
        Call(leaf(HUB_EDGES), max_depth=4, max_edges_per_hop=15, max_paths=100),
        Call(leaf(HUB_EDGES - 8), max_depth=6, max_edges_per_hop=3, viewer=2, seed_scope="importer"),
    ):
        assert loaded.find("deep_finder_v3", call) == loaded.expect(call), call


@pytest.mark.parametrize("members", MEMBERS_AT)
def test_a_hub_whose_members_are(hub_world: Loaded, members: str) -> None:
    around_the_hub(gather(hub_world, MEMBERS_AT[members], 10), ["deep_finder_v3"])


@pytest.mark.parametrize("members", MEMBERS_AT)
def test_a_hub_amid_a_thousand_whose_members_are(hub_of_one_kind: Loaded, members: str) -> None:
    around_the_hub(gather(hub_of_one_kind, MEMBERS_AT[members], 1000), ["deep_finder_v3"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("members", ["nowhere", "the last 16"])
def test_a_hub_amid_a_collection_of_any_size(hub_world: Loaded, members: str, size: int) -> None:
    loaded = gather(hub_world, MEMBERS_AT[members], size)
    around_the_hub(loaded, DEEP_FINDERS)
    agree(loaded, Call(MARKET, max_depth=2, max_edges_per_hop=15), Call(MARKET, viewer=2, seed_scope="importer"))


@pytest.mark.parametrize("size", [10, 5000])
@pytest.mark.parametrize("members", ["the last 16", "every tenth", "everywhere"])
def test_a_hub_without_a_cap(hub_world: Loaded, members: str, size: int) -> None:
    loaded = gather(hub_world, MEMBERS_AT[members], size)
    for call in (
        Call(HUB, max_depth=2),
        Call(VISITOR, max_depth=3, max_paths=25),
        Call(VISITOR, viewer=2, max_depth=3, seed_scope="importer"),
    ):
        assert loaded.find("deep_finder_v3", call) == loaded.expect(call), call


@pytest.mark.parametrize(
    ("refused", "size"),
    [
        (range(1, 16), 10),
        (range(1, 301), 1000),
        (range(290, 3001), 1000),
        (range(290, 3001), 5000),
        (range(2, 3001, 2), 5000),
        (range(1, HUB_EDGES - 15), 10),
    ],
)
def test_a_hub_where_some_are_not_to_be_asked(hub_world: Loaded, refused: range, size: int) -> None:
    loaded = gather(hub_world, MEMBERS_AT["everywhere"], size, refused)
    around_the_hub(loaded, ["deep_finder_v3"])
    loaded = gather(hub_world, MEMBERS_AT["everywhere"], size)
    # so far behind them that members are hashed on the way, and then every second one
    distant = tuple(leaf(position) for position in (*range(1, 2900), *range(2901, HUB_EDGES, 2)))
    for call in (
        Call(leaf(HUB_EDGES), max_depth=4, max_paths=1000, excluded=distant),
        Call(HUB, max_depth=2, excluded=tuple(leaf(position) for position in refused)),
        Call(VISITOR, max_depth=3, max_paths=25, excluded=tuple(leaf(position) for position in refused)),
        Call(
            leaf(HUB_EDGES), max_depth=4, max_paths=100, excluded=(HUB, *(leaf(position) for position in refused[:40]))
        ),
    ):
        assert loaded.agrees(call, "v2"), call


@pytest.mark.parametrize("others", [0, 5000])
@pytest.mark.parametrize("kinds", ["one_kind", "three_kinds"])
def test_hubs_that_are_met_again_level_after_level(request: pytest.FixtureRequest, kinds: str, others: int) -> None:
    """Six hubs know each other, thirty members and, more recently, 700 strangers each."""
    hubs, people, strangers = range(1, 7), range(1, 37), range(1001, 1701)
    pairs = [*combinations(hubs, 2), *((hub, other) for hub in hubs for other in people[6:] if (hub + other) % 3)]
    edges = layer([*pairs, *random_pairs(18, people[6:], 40)], lambda number: SOME_DAY - timedelta(number % 50))
    recent = layer(
        [(hub, stranger) for hub in hubs for stranger in strangers], lambda number: (None, SOME_DAY)[number % 2]
    )
    twins = {pair: edge._replace(kind=FRIEND) for pair, edge in recent.items()} if kinds == "three_kinds" else {}
    members = [*brought([*people, *range(5001, 5001 + others)]), *brought(people[::7], user=2)]
    loaded = enter_layers(request.getfixturevalue(kinds), members, edges | recent, twins)
    known = {pair: edge for pair, edge in loaded.edges.items() if max(pair) in people}  # no member knows a stranger
    loaded = replace(loaded, edges=known)
    for target in (1, 20):
        for depth, cap in ((3, 15), (4, 6), (6, 2), (6, 1), (3, None)):
            call = Call(target, viewer=2, max_depth=depth, max_edges_per_hop=cap)
            agree(loaded, call, replace(call, seed_scope="importer"), replace(call, max_paths=25))


# The time budget: how much is found depends on the machine, what it is does not

TARGET = 100
CLIQUE = range(1, 60)
RIM = range(201, 204)  # a chain of contacts that hangs from the target: a path at each depth to four, none at five
UNLIMITED = 600_000
SLOW_CALL = Call(TARGET, viewer=2, max_depth=6, seed_scope="importer", max_edges_per_hop=15)


@dataclass(frozen=True)
class Slow:
    """A world with a long search, and how many milliseconds it took to five and to six contacts."""

    loaded: Loaded
    five: float
    six: float


@pytest.fixture(scope="module")
def slow(new_database: Callable[[], str]) -> Iterator[Slow]:
    """A world where six contacts take twenty times as long as five, with few paths at first and thousands at the end.

    In the clique, where dates are equal, a contact follows the smallest ids. So contact 19 is reached at the sixth
    only: 16 must stand on the chain before 17 is followed, and so on.
    """
    clique = combinations((*CLIQUE, TARGET), 2)
    edges = layer([*clique, (TARGET, RIM[0]), *pairwise(RIM)], lambda _: SOME_DAY)
    edges[TARGET, RIM[0]] = edges[TARGET, RIM[0]]._replace(date_to=None)
    members = [*brought((*CLIQUE, TARGET, *RIM)), *brought((19, TARGET, *RIM), user=2)]
    for connection in _database(new_database()):
        loaded = enter_layers(connection, members, edges)
        connection.execute("VACUUM (ANALYZE) connection_paths.contact_connections")
        search(loaded, replace(SLOW_CALL, max_depth=3), UNLIMITED)  # plans are made
        moments = [time.monotonic()]
        for depth in (5, 6):
            answer = search(loaded, replace(SLOW_CALL, max_depth=depth), UNLIMITED)
            moments.append(time.monotonic())
            assert answer["complete"]
            assert_right_as_far_as_it_goes(loaded, SLOW_CALL, answer)
        yield Slow(loaded, 1000 * (moments[1] - moments[0]), 1000 * (moments[2] - moments[1]))


def search(loaded: Loaded, call: Call, budget: int, limit: int = UNLIMITED) -> dict[str, Any]:
    """Ask find_paths with a time budget, and have the server give up at *limit*; both in milliseconds."""
    loaded.connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(limit)])
    try:
        row = loaded.connection.execute(
            "SELECT connection_paths.find_paths(%s, %s, %s, %s, %s, %s, time_budget_ms => %s)",
            [call.target, call.collection, call.viewer, call.max_depth, call.max_paths, call.seed_scope, budget],
        ).fetchone()
    finally:
        loaded.connection.execute("RESET statement_timeout")
    assert row is not None
    answer: dict[str, Any] = row[0]
    return answer


def assert_right_as_far_as_it_goes(loaded: Loaded, call: Call, answer: dict[str, Any]) -> None:
    """Every path is one of the whole search, in its place; only the last depth that has any may lack some."""
    found = answer["paths"]
    assert answer["total"] == len(found) <= call.max_paths
    assert (answer["why"] is None) == (len(found) == call.max_paths)
    if answer["why"] is not None:
        assert (answer["why"]["reason"] == "time_budget") == (not answer["complete"])
        assert answer["why"]["level_reached"] >= max((path["depth"] for path in found), default=1)
    deepest = max((path["depth"] for path in found), default=1)
    known = loaded.expect_paths(replace(call, max_depth=min(deepest, 4)), answer["impl"])["paths"]
    before = [path for path in known if path["depth"] < deepest]
    last = found[len(before) :]
    assert found[: len(before)] == before
    assert {path["depth"] for path in last} <= {deepest}
    assert deepest > 4 or all(path in known for path in last)
    order = [
        (
            0 if path["recency"] is None else latest_first(date.fromisoformat(path["recency"])),
            call.viewer not in path["user_ids"],
            path["contact_ids"],
        )
        for path in last
    ]
    assert order == sorted(order)
    assert len(last) == len({tuple(path["contact_ids"]) for path in last})
    opened_by = oracle.users(loaded.world, call.collection)
    for path in last:
        chain = tuple(path["contact_ids"])
        assert is_walked(loaded, set(opened_by), chain, 15), chain
        users = sorted(opened_by[chain[0]], key=lambda user: (user != call.viewer, user))
        assert path["user_ids"] == users[: 1 if call.seed_scope == "importer" else None]
        assert path["user_ids"][0] == call.viewer or call.seed_scope == "any"
        assert [(hop["from"], hop["to"]) for hop in path["hops"]] == list(pairwise(chain))


def is_walked(loaded: Loaded, members: set[int], chain: tuple[int, ...], cap: int) -> bool:
    """Whether each contact of a chain, from the target on, is among those that the walk follows."""
    for place in range(len(chain) - 1, 0, -1):
        reached = []
        for other in members.difference(chain[place:]):
            edge = loaded.edges.get((min(chain[place], other), max(chain[place], other)))
            if edge is not None:
                reached.append((latest_first(edge.date_to), other))
        if chain[place - 1] not in [other for _, other in sorted(reached)[:cap]]:
            return False
    return True


@pytest.mark.parametrize("budget", [1, 20, 50])
def test_what_a_small_budget_finds_is_right(slow: Slow, budget: int) -> None:
    answer = search(slow.loaded, SLOW_CALL, budget, limit=5_000)
    assert answer["complete"] is False
    assert_right_as_far_as_it_goes(slow.loaded, SLOW_CALL, answer)
    if budget == 50:  # many times as long as the first depths take
        assert [path["depth"] for path in answer["paths"]][:3] == [1, 2, 3]


@pytest.mark.parametrize("share", [0.3, 0.7, 1.1, 1.5])
@pytest.mark.parametrize("scope", ["any", "importer"])
def test_what_is_found_where_the_budget_ends_is_right(slow: Slow, scope: str, share: float) -> None:
    # the first ends amid the fifth or sixth depth, the last perhaps after all; any scope ends at the fourth anyway
    budget = share * (slow.six if scope == "importer" else slow.five)
    call = replace(SLOW_CALL, seed_scope=scope)
    assert_right_as_far_as_it_goes(slow.loaded, call, search(slow.loaded, call, max(1, round(budget))))


def test_the_budget_acts_within_a_depth(slow: Slow) -> None:
    """A budget that is enough for five contacts, not for six: the search goes on to the sixth and does not finish it.

    The bound is generous, but the sixth depth alone is beyond it. A machine that is busy with other things may be slow
    at any moment, so the call may be tried again with less.
    """
    answer: dict[str, Any] = {"complete": True}
    for share in (4.0, 3.0, 2.0, 1.5):
        with suppress(psycopg.errors.QueryCanceled):
            answer = search(slow.loaded, SLOW_CALL, round(share * slow.five) + 10, limit=round(0.8 * slow.six))
        if not answer["complete"]:
            break
    assert answer["complete"] is False
    assert_right_as_far_as_it_goes(slow.loaded, SLOW_CALL, answer)
