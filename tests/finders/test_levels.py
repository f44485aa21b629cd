"""Searches that stop at each level, and searches that continue beyond it.

How a search divides its work into statements must not change its answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from psycopg import Connection

from tests.support.finder_options import Call
from tests.support.finder_worlds import SOME_DAY, Layer, agree, any_day, brought, enter_layers, layer
from tests.support.oracle_paths import Row
from tests.support.properties import first_of
from tests.support.world import MEMBER_SOURCES, Membership


def crowd(number: int, first: int | None, *, tied: bool) -> tuple[Layer, list[int]]:
    """The *number* edges of contact 1000, and its neighbours, the best edge first.

    The edge to *first*, where it is given, comes before all others.
    """
    others = [1000 + (place if place % 2 else -place) for place in range(1, number + 1 - (first is not None))]
    if tied:
        others.sort()
    neighbours = others if first is None else [first, *others]
    edges = layer(
        ((1000, neighbour) for neighbour in neighbours),
        lambda place: None if neighbours[place] == first else SOME_DAY if tied else SOME_DAY - timedelta(place),
    )
    return edges, neighbours


@pytest.mark.parametrize("tied", first_of(2, [True, False], lambda tied: "one day" if tied else "no two dates alike"))
@pytest.mark.parametrize("number", first_of(2, [101, 99, 100, 600]))
@pytest.mark.parametrize("target", ["the crowded contact", "one behind it"])
def test_a_contact_with_about_100_edges_few_of_them_to_members(
    database_of_kinds: Connection[Any], target: str, number: int, tied: bool
) -> None:
    """The members are at the beginning, at the end and at about 100: the edges that a search reads first."""
    itself = target == "the crowded contact"
    edges, neighbours = crowd(number, None if itself else 1, tied=tied)
    members = [neighbours[place - 1] for place in (2, 3, 50, 99, 100, 101, 102, number) if place <= number]
    near = len(set(members) & set(neighbours[:100]))
    loaded = enter_layers(database_of_kinds, [*brought([1000, *members]), *brought(members[-1:], user=2)], edges)
    for cap in (1, 2, near - 1, near, near + 1, 15, None):
        for depth in (2, 3, 4):
            call = Call(1000 if itself else 1, viewer=2, max_depth=depth, max_edges_per_hop=cap)
            agree(loaded, call, replace(call, max_paths=near), replace(call, seed_scope="importer"))
    for excluded in (members[:1], members[-2:]):
        call = Call(1000 if itself else 1, viewer=2, max_depth=3, excluded=tuple(excluded))
        for cap in (1, 15, None):
            each = replace(call, max_edges_per_hop=cap)
            assert loaded.agrees(each, "v2"), each
            assert loaded.agrees(replace(each, seed_scope="importer"), "v2"), each


def test_a_contact_with_many_edges_at_the_second_level(database_of_kinds: Connection[Any]) -> None:
    """Four contacts have edges to the target. One of them has 400 edges; the most recent ones lead to strangers."""
    edges, neighbours = crowd(400, 1, tied=False)
    edges |= layer([(1, other) for other in (2, 3, 4)] + [(2, 5), (3, 5), (5, 6), (3, 4)], any_day(20))
    members = [1, 1000, *range(2, 7), *neighbours[-3:]]
    loaded = enter_layers(database_of_kinds, [*brought(members), *brought([6, neighbours[-1]], user=2)], edges)
    for cap in (1, 3, 15, None):
        for depth in (3, 4, 5):
            call = Call(1, viewer=2, max_depth=depth, max_edges_per_hop=cap)
            agree(loaded, call, replace(call, seed_scope="importer"), replace(call, max_paths=6))


def test_a_cap_that_cuts_the_second_level_only(database_of_kinds: Connection[Any]) -> None:
    """The target has four edges, and no contact behind it has more than two: the answer of depth 5 still says so."""
    chains = [[1, first, first + 10, first + 20, first + 30] for first in (2, 3, 4, 5)]
    edges = layer([pair for chain in chains for pair in pairwise(chain)], any_day(22))
    loaded = enter_layers(database_of_kinds, brought(sorted({contact for chain in chains for contact in chain})), edges)
    for cap, is_cut in ((3, True), (4, False), (5, False)):
        call = Call(1, max_depth=5, max_edges_per_hop=cap)
        agree(loaded, call)
        why = loaded.find_paths(call, "v2")["why"]
        reason = "edge_limit" if is_cut else "depth_limit"
        assert (why["reason"], why["caps_hit"], why["level_reached"]) == (reason, is_cut, 5), cap


def spread(near: int, users: int = 1) -> tuple[Layer, list[Membership]]:
    """The target 1 with *near* neighbours, each with another neighbour; *users* users brought all of them."""
    edges = layer([*((1, 10 + place) for place in range(near)), *((10 + n, 100 + n) for n in range(near))], any_day(21))
    contacts = [contact for pair in edges for contact in pair if contact != 1]
    return edges, [row for user in range(1, 1 + users) for row in brought(sorted(set(contacts)), user=user)]


@pytest.mark.parametrize("users", [1, 3])
@pytest.mark.parametrize("near", first_of(3, [3, 0, 4]))
def test_a_search_may_stop_at_any_level(database_of_kinds: Connection[Any], near: int, users: int) -> None:
    edges, members = spread(near, users)
    loaded = enter_layers(database_of_kinds, members, edges)
    for depth in (1, 2, 3, 4, 6):
        for cap in (None, 1, 4, 15):
            whole = Call(1, max_depth=depth, max_edges_per_hop=cap)
            for max_paths in sorted({1, 999, *enough(loaded.expect(whole))}):
                call = replace(whole, max_paths=max_paths)
                agree(loaded, call)
                agree(loaded, replace(call, seed_scope="importer"), replace(call, viewer=9, seed_scope="importer"))


def enough(rows: Sequence[Row]) -> Iterator[int]:
    """The numbers of rows, and of chains, that the levels up to each give together, and one more than each."""
    for depth in {row[0] for row in rows}:
        found = [tuple(row[2]) for row in rows if row[0] <= depth]
        yield from (len(found), len(found) + 1, len({*found}), len({*found}) + 1)


def test_an_empty_third_level_ends_the_search(database_of_kinds: Connection[Any]) -> None:
    edges = layer([(1, 10), (1, 11), (10, 12)], any_day(27))
    loaded = enter_layers(database_of_kinds, brought([1, 10, 11]), edges)
    for depth in (3, 4, 6):
        agree(loaded, Call(1, max_depth=depth))
        assert loaded.find_paths(Call(1, max_depth=depth), "v2")["why"]["level_reached"] == 2


@pytest.mark.parametrize("depth", [3, 4, 5, 6])
def test_a_user_who_brought_contacts_twice_does_not_end_a_search_early(
    database_of_kinds: Connection[Any], depth: int
) -> None:
    """The rows of two levels would be enough, but the users of these rows are not."""
    edges, _ = spread(4)
    edges |= layer([(100, 200), (200, 201), (201, 202)], any_day(22))
    contacts = {contact for pair in edges for contact in pair if contact != 1}
    members = [Membership(1, contact, 1, source) for contact in contacts for source in MEMBER_SOURCES[:3]]
    loaded = enter_layers(database_of_kinds, members, edges)
    for max_paths in (4, 5, 8, 9, 10, 12, 13):
        call = Call(1, max_depth=depth, max_paths=max_paths)
        for cap in (None, 1, 15):
            each = replace(call, max_edges_per_hop=cap)
            agree(loaded, each, replace(each, seed_scope="importer"))


@pytest.mark.parametrize("max_depth", first_of(3, [6, 5, 4]))
@pytest.mark.parametrize("cap", first_of(2, [None, 1, 2, 15]))
@pytest.mark.parametrize("seed", first_of(2, [23, 24]))
def test_a_search_that_continues_beyond_the_second_or_third_level(
    database_of_kinds: Connection[Any], seed: int, cap: int | None, max_depth: int
) -> None:
    """A few contacts a level. Some have edges to two contacts of the level before, or to each other.

    Ids do not follow the levels. User 1 brought all contacts, user 2 the fifth and sixth level, user 3 some of all.
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
    loaded = enter_layers(database_of_kinds, members, layer(pairs, any_day(seed)))
    target = ids[0]
    for max_paths in (5, 12, 25, 30, 40, 75, 1000):
        for viewer in (1, 2, 3):
            call = Call(target, 1, viewer, max_depth, cap, max_paths)
            for each in (call, replace(call, seed_scope="importer")):
                agree(loaded, each)
    for excluded in (ids[1:3], ids[6:9], [*ids[4:6], *ids[14:16]]):
        call = Call(target, 1, 3, max_depth, excluded=tuple(excluded))
        assert loaded.agrees(call, "v2"), call
        assert loaded.agrees(replace(call, max_paths=30), "v2"), call


def test_a_cap_is_reported_only_where_it_cut_a_chain(database_of_kinds: Connection[Any]) -> None:
    edges, members = spread(4)
    edges |= layer([(10, 110), (10, 111)], any_day(25))  # contact 10 now leads to three, besides the target
    loaded = enter_layers(database_of_kinds, [*members, *brought([110, 111])], edges)
    for depth, cap, is_cut in (
        (1, 1, False),
        (2, 1, False),  # depth 2 is complete, and the search goes no further
        (2, 3, False),
        (3, 5, False),
        (3, 4, False),  # as many edges as the cap are not more than the cap
        (3, 3, True),
        (4, 4, False),
    ):
        call = Call(1, max_depth=depth, max_edges_per_hop=cap)
        agree(loaded, call)
        assert loaded.find_paths(call, "v2")["why"]["caps_hit"] == is_cut, call
    behind = layer([(1, 10), *((10, other) for other in (100, 110, 111))], any_day(26))
    loaded = enter_layers(database_of_kinds, brought([1, 10, 100, 110, 111]), behind)
    for depth, cap, is_cut in ((3, 3, False), (3, 2, True), (2, 2, False)):
        call = Call(1, max_depth=depth, max_edges_per_hop=cap)
        agree(loaded, call)
        assert loaded.find_paths(call, "v2")["why"]["caps_hit"] == is_cut, call
