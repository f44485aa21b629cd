"""A contact with thousands of edges, and collections of every size around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest

from tests.support.finder_calls import Loaded
from tests.support.finder_options import Call
from tests.support.finder_worlds import (
    SOME_DAY,
    STATISTICS,
    Layer,
    agree,
    brought,
    database_that_knows,
    enter_layers,
    layer,
    random_pairs,
)
from tests.support.properties import first_of, long
from tests.support.world import FRIEND, World, load_consent

# A hub of 3,000 edges, and collections of every size around it

HUB_EDGES = 3000
HUB, VISITOR, MARKET = 23_001, 1, 200_001  # the visitor has edges to the hub and to the market only
STALLS = range(100_001, 105_001)  # 5,000 contacts of the market: members without an edge to the hub
#: About the limits of a search: 15 edges are followed, 100 are read first, 500 are counted.
BOUNDARIES = (1, 15, 16, 17, 99, 100, 101, 499, 500, 501, 1000)


def leaf(position: int) -> int:
    """The neighbour of the hub with the position-th most recent edge. Ids are not in this order."""
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
    for connection in database_that_knows(dsn, *kinds):
        loaded = enter_layers(connection, (), *layers)
        connection.execute("VACUUM (ANALYZE) connection_paths.contact_connections")
        yield loaded


@pytest.fixture(scope="module")
def hub_of_one_kind(new_installed: Callable[[], str]) -> Iterator[Loaded]:
    yield from _hub_world(new_installed(), [], HUB_WORLD)


@pytest.fixture(scope="module")
def hub_of_two_kinds(new_installed: Callable[[], str]) -> Iterator[Loaded]:
    """Every pair has edges of two kinds. In a third of the pairs both are equally recent."""
    work, friends = {}, {}
    for number, (pair, edge) in enumerate(HUB_WORLD.items()):
        older = edge._replace(date_to=edge.date_to and edge.date_to - timedelta(5))
        work[pair] = older if number % 3 == 0 else edge
        friends[pair] = (older if number % 3 == 1 else edge)._replace(kind=FRIEND)
    yield from _hub_world(new_installed(), [FRIEND], work, friends)


@pytest.fixture(params=first_of(2, ["hub_of_two_kinds", "hub_of_one_kind"]))
def hub_world(request: pytest.FixtureRequest) -> Loaded:
    loaded: Loaded = request.getfixturevalue(request.param)
    return loaded


def gather(
    hub_world: Loaded,
    positions: Iterable[int],
    size: int,
    refused: Iterable[int] = (),
    brought_by_two: Iterable[int] | None = None,
) -> Loaded:
    """Make collection 1 of the leaves at *positions* and of so many others that it has *size* members.

    The viewer 1 brought all of them. User 2 brought the last leaf and some stalls, or only the leaves at
    *brought_by_two*. The leaves at *refused* may not be asked.
    """
    do_not_ask = frozenset((1, leaf(position)) for position in refused)
    leaves = [leaf(position) for position in positions]
    between = [HUB, VISITOR, MARKET] if size > 1 else []
    stalls = STALLS[len(STALLS) - max(0, size - len(leaves) - len(between)) :]  # the last one within the cap
    if brought_by_two is None:
        of_two = [*leaves[-1:], *stalls[::50]]
    else:
        of_two = [leaf(position) for position in brought_by_two]
    memberships = (*brought([*leaves, *between, *stalls]), *brought(of_two, user=2))
    with hub_world.connection.transaction():
        hub_world.connection.execute("TRUNCATE public.user_contact_collections")
        with (
            hub_world.connection.cursor() as cursor,
            cursor.copy("COPY public.user_contact_collections FROM STDIN") as copy,
        ):
            for row in memberships:
                copy.write_row(row)
    hub_world.connection.execute(STATISTICS)
    # only edges between members, and to a target, can be on a path; the oracle gets no others
    walked = {row.contact_id for row in memberships} | {HUB, VISITOR, MARKET, leaf(HUB_EDGES), leaf(HUB_EDGES - 8)}
    followed = {pair: edges for pair, edges in hub_world.every_edge.items() if walked.issuperset(pair)}
    load_consent(hub_world.connection, World(contacts=frozenset(), do_not_ask=do_not_ask))
    world = replace(hub_world.world, memberships=memberships, do_not_ask=do_not_ask)
    return replace(hub_world, world=world, followed=followed)


def around_the_hub(loaded: Loaded) -> None:
    agree(
        loaded,
        Call(HUB, max_depth=2, max_edges_per_hop=15),
        Call(VISITOR, max_depth=3, max_edges_per_hop=15, max_paths=25),
        Call(VISITOR, max_depth=4, max_edges_per_hop=15, viewer=2, seed_scope="importer"),
    )
    for call in (
        Call(HUB, max_depth=2, max_edges_per_hop=1),
        Call(HUB, max_depth=2, max_edges_per_hop=16, viewer=2, seed_scope="importer"),
        Call(VISITOR, max_depth=3, max_edges_per_hop=16),
        # every depth reaches the hub and its leaves again
        Call(leaf(HUB_EDGES), max_depth=4, max_edges_per_hop=15, max_paths=100),
        Call(leaf(HUB_EDGES - 8), max_depth=6, max_edges_per_hop=3, viewer=2, seed_scope="importer"),
    ):
        assert loaded.find("deep_finder", call) == loaded.expect(call), call


@pytest.mark.parametrize("members", first_of(6, MEMBERS_AT))
def test_a_hub_with_members_at_different_places(hub_world: Loaded, members: str) -> None:
    around_the_hub(gather(hub_world, MEMBERS_AT[members], 10))


@pytest.mark.parametrize("members", first_of(6, MEMBERS_AT))
def test_a_hub_in_a_collection_of_a_thousand(hub_of_one_kind: Loaded, members: str) -> None:
    around_the_hub(gather(hub_of_one_kind, MEMBERS_AT[members], 1000))


@pytest.mark.parametrize("size", first_of(2, SIZES))
@pytest.mark.parametrize("members", first_of(2, ["the last 16", "nowhere"]))
def test_a_hub_in_collections_of_different_sizes(hub_world: Loaded, members: str, size: int) -> None:
    loaded = gather(hub_world, MEMBERS_AT[members], size)
    around_the_hub(loaded)
    agree(loaded, Call(MARKET, max_depth=2, max_edges_per_hop=15), Call(MARKET, viewer=2, seed_scope="importer"))


@pytest.mark.parametrize("size", first_of(2, [5000, 10]))
@pytest.mark.parametrize("members", first_of(2, ["the last 16", "every tenth", "everywhere"]))
def test_a_hub_without_a_cap(hub_world: Loaded, members: str, size: int) -> None:
    loaded = gather(hub_world, MEMBERS_AT[members], size)
    for call in (
        Call(HUB, max_depth=2),
        Call(VISITOR, max_depth=3, max_paths=25),
        Call(VISITOR, viewer=2, max_depth=3, seed_scope="importer"),
    ):
        assert loaded.find("deep_finder", call) == loaded.expect(call), call


@pytest.mark.parametrize("size", [5000])
@pytest.mark.parametrize("known", first_of(3, [HUB_EDGES, 1500, 1]))
def test_a_viewer_finds_the_own_contact_among_thousands_of_edges(hub_world: Loaded, known: int, size: int) -> None:
    """User 2 brought one of the 3,000 neighbours of the hub, all of them members. The cap does not hide it."""
    loaded = gather(hub_world, MEMBERS_AT["everywhere"], size, brought_by_two=[known])
    for call in (
        Call(HUB, viewer=2, max_depth=2, max_paths=25, seed_scope="importer", max_edges_per_hop=15),
        Call(HUB, viewer=2, max_depth=2, max_paths=25, seed_scope="importer", max_edges_per_hop=1),
    ):
        assert [row[2] for row in agree(loaded, call)] == [[leaf(known), HUB]]


@pytest.mark.parametrize("members", first_of(2, ["everywhere", "every tenth"]))
def test_a_hub_whose_neighbours_have_two_edges_each_counts_them_once(hub_world: Loaded, members: str) -> None:
    """For any max_paths, the search must not count two edges to one neighbour as two paths."""
    loaded = gather(hub_world, MEMBERS_AT[members], 5000, brought_by_two=range(10, HUB_EDGES + 1, 30))
    call = Call(HUB, viewer=2, max_depth=3, seed_scope="importer", max_edges_per_hop=15)
    expected = loaded.expect(call)
    for max_paths in range(1, 60):
        for depth in (2, 3):
            found = loaded.find("deep_finder", replace(call, max_depth=depth, max_paths=max_paths))
            assert found == [row for row in expected if row[0] <= depth][:max_paths], (depth, max_paths)


@pytest.mark.parametrize(
    ("refused", "size"),
    [
        (range(1, 16), 10),
        long(range(1, 301), 1000),
        long(range(290, 3001), 1000),
        long(range(290, 3001), 5000),
        (range(2, 3001, 2), 5000),
        long(range(1, HUB_EDGES - 15), 10),
    ],
)
def test_a_hub_with_contacts_who_may_not_be_asked(hub_world: Loaded, refused: range, size: int) -> None:
    loaded = gather(hub_world, MEMBERS_AT["everywhere"], size, refused)
    around_the_hub(loaded)
    loaded = gather(hub_world, MEMBERS_AT["everywhere"], size)
    # behind enough others that the search hashes the members first; then every second one
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


@pytest.mark.parametrize("others", first_of(2, [0, 5000]))
@pytest.mark.parametrize("kinds", first_of(2, ["three_kinds", "one_kind"]))
def test_hubs_that_are_reached_again_at_each_level(request: pytest.FixtureRequest, kinds: str, others: int) -> None:
    """Six hubs have edges to each other, to thirty members and, more recent ones, to 700 strangers each."""
    hubs, people, strangers = range(1, 7), range(1, 37), range(1001, 1701)
    pairs = [*combinations(hubs, 2), *((hub, other) for hub in hubs for other in people[6:] if (hub + other) % 3)]
    edges = layer([*pairs, *random_pairs(18, people[6:], 40)], lambda number: SOME_DAY - timedelta(number % 50))
    recent = layer(
        [(hub, stranger) for hub in hubs for stranger in strangers], lambda number: (None, SOME_DAY)[number % 2]
    )
    twins = {pair: edge._replace(kind=FRIEND) for pair, edge in recent.items()} if kinds == "three_kinds" else {}
    members = [*brought([*people, *range(5001, 5001 + others)]), *brought(people[::7], user=2)]
    loaded = enter_layers(request.getfixturevalue(kinds), members, edges | recent, twins)
    known = {pair: edges for pair, edges in loaded.every_edge.items() if max(pair) in people}
    loaded = replace(loaded, followed=known)  # no member knows a stranger
    for target in (1, 20):
        for depth, cap in ((3, 15), (4, 6), (6, 2), (6, 1), (3, None)):
            call = Call(target, viewer=2, max_depth=depth, max_edges_per_hop=cap)
            agree(loaded, call, replace(call, seed_scope="importer"), replace(call, max_paths=25))
