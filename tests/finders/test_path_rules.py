"""The rules of design §3, one example each: what is a path, which paths are found, and in what order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from psycopg import Connection, sql

from tests.support.finder_calls import check, enter, graph
from tests.support.finder_options import Call
from tests.support.world import FRIEND, Edge, Experience, Membership, World


def test_a_path_shows_organizations_and_dates(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", "2012-01-01"), (2, 3, "2015-01-01", None)], [(7, 1), (7, 2)])
    loaded = check(installed, world, Call(3), [(7, (2, 3)), (7, (1, 2, 3))])
    assert loaded.find("deep_finder", Call(3))[1] == (
        3,
        7,
        [1, 2, 3],
        [101, 102],
        [date(2010, 1, 1), date(2015, 1, 1)],
        [date(2012, 1, 1), None],
        loaded.today,
        65,
    )
    found = loaded.find_paths(Call(3), "v2")["paths"][1]
    assert found == {
        "depth": 3,
        "user_ids": [7],
        "contact_ids": [1, 2, 3],
        "recency": loaded.today.isoformat(),
        "strength": 65,
        "tier": "strong",
        "hops": [
            found["hops"][0]
            | {
                "from": 1,
                "to": 2,
                "kind": "work_overlap",
                "organization_id": 101,
                "date_from": "2010-01-01",
                "date_to": "2012-01-01",
            },
            found["hops"][1]
            | {
                "from": 2,
                "to": 3,
                "kind": "work_overlap",
                "organization_id": 102,
                "date_from": "2015-01-01",
                "date_to": None,
            },
        ],
    }


def test_depth_one_means_that_a_user_brought_the_target(installed: Connection[Any]) -> None:
    loaded = check(installed, graph([], [(2, 1), (1, 1)]), Call(1), [(1, (1,)), (2, (1,))])
    assert loaded.find("deep_finder", Call(1))[0] == (1, 1, [1], [], [], [], None, None)
    assert loaded.find_paths(Call(1), None)["paths"] == [
        {
            "depth": 1,
            "user_ids": [1, 2],
            "contact_ids": [1],
            "recency": None,
            "strength": None,
            "tier": None,
            "hops": [],
        }
    ]


def test_membership_is_checked_before_the_cap(installed: Connection[Any]) -> None:
    strangers = [(2, stranger, "2010-01-01", None) for stranger in range(10, 40)]
    edges = [(1, 2, "2010-01-01", None), *strangers, (2, 3, "2001-01-01", "2002-01-01")]
    world = graph(edges, [(1, 2), (1, 3)])
    check(installed, world, Call(1, max_edges_per_hop=1), [(1, (2, 1)), (1, (3, 2, 1))])


def test_depth_two_is_complete_whatever_the_cap(installed: Connection[Any]) -> None:
    edges = [(1, contact, "2010-01-01", f"20{contact}-01-01") for contact in range(12, 40)]
    world = graph(edges, [*((1, contact) for contact in range(12, 40)), (2, 12)])
    latest_first = [(1, (contact, 1)) for contact in range(39, 12, -1)]
    today = [path for path in latest_first if path[1][0] >= 27]  # their edges end in the future, which counts as today
    past = [path for path in latest_first if path[1][0] < 27]
    expected = [*reversed(today), *past, (1, (12, 1)), (2, (12, 1))]
    for cap in (1, 15, None):
        check(installed, world, Call(1, max_depth=2, max_edges_per_hop=cap), expected)
    # the only contact of user 2 has the oldest edge of all
    check(installed, world, Call(1, viewer=2, max_depth=2, seed_scope="importer", max_edges_per_hop=1), [(2, (12, 1))])


def test_the_search_goes_on_through_the_best_edges_of_the_target_only(installed: Connection[Any]) -> None:
    edges = [
        *((1, contact, "2010-01-01", f"201{contact}-01-01") for contact in (2, 3, 4)),
        *((contact, 10 + contact, "2010-01-01", f"201{contact}-01-01") for contact in (2, 3, 4)),
    ]
    world = graph(edges, [(1, contact) for contact in (2, 3, 4, 12, 13, 14)])
    near = [(1, (4, 1)), (1, (3, 1)), (1, (2, 1))]
    far = [(1, (14, 4, 1)), (1, (13, 3, 1)), (1, (12, 2, 1))]
    check(installed, world, Call(1, max_edges_per_hop=2), [*near, *far[:2]])
    check(installed, world, Call(1, max_edges_per_hop=3), [*near, *far])


def test_every_contact_before_the_target_is_a_member(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None)], [(1, 1)])
    check(installed, world, Call(3), [])
    check(installed, world, Call(2), [(1, (1, 2))])


def test_the_target_need_not_be_a_member(installed: Connection[Any]) -> None:
    check(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]), Call(1), [(1, (2, 1))])


def test_contacts_on_the_chain_do_not_count_toward_the_cap(installed: Connection[Any]) -> None:
    # the most recent edge of 2 leads back to the target, and must not count toward the cap of 1
    world = graph([(1, 2, "2010-01-01", None), (2, 3, "2001-01-01", "2002-01-01")], [(1, 3), (2, 2)])
    world = replace(world, memberships=(*world.memberships, Membership(1, 1, 1, 0)))
    check(
        installed,
        world,
        Call(1, max_edges_per_hop=1),
        [(1, (1,)), (2, (2, 1)), (1, (3, 2, 1))],
    )


def test_the_most_recent_edges_are_followed(installed: Connection[Any]) -> None:
    world = graph(
        [
            (9, 1, "2010-01-01", "2011-01-01"),
            (1, 2, "2010-01-01", "2012-01-01"),
            (1, 3, "2010-01-01", "2014-01-01"),
            (1, 4, "2010-01-01", None),
        ],
        [(1, 1), (1, 2), (1, 3), (1, 4)],
    )
    check(installed, world, Call(9, max_edges_per_hop=2), [(1, (1, 9)), (1, (4, 1, 9)), (1, (3, 1, 9))])


def test_an_ongoing_edge_is_followed_before_one_that_ends_in_the_future(
    installed: Connection[Any],
) -> None:
    edges = [(9, 1, "2010-01-01", None), (1, 2, "2010-01-01", "9999-12-31"), (1, 3, "2010-01-01", None)]
    world = graph(edges, [(1, 1), (1, 2), (1, 3)])
    check(installed, world, Call(9, max_edges_per_hop=1), [(1, (1, 9)), (1, (3, 1, 9))])


def test_among_equally_recent_edges_the_smaller_neighbour_is_followed(
    installed: Connection[Any],
) -> None:
    # 3 has a smaller id than 5 and 9 a larger one, so that both indexes of the edges are used
    edges = [(1, 5, "2010-01-01", None), (5, 9, "2010-01-01", None), (5, 3, "2010-01-01", None)]
    world = graph(edges, [(1, 3), (1, 5), (1, 9)])
    check(installed, world, Call(1, max_edges_per_hop=1), [(1, (5, 1)), (1, (3, 5, 1))])


def test_only_the_viewer_opens_paths_in_importer_scope(installed: Connection[Any]) -> None:
    edges = [(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None)]
    world = graph(edges, [(1, 3), (2, 2), (2, 1)])  # the path goes through contact 2, whom the viewer did not bring
    check(installed, world, Call(1, seed_scope="importer"), [(1, (3, 2, 1))])
    check(installed, world, Call(1, viewer=9, seed_scope="importer"), [])


def test_a_user_by_several_sources_counts_once(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None)], [])
    memberships = tuple(Membership(1, 2, 1, source) for source in (0, 5, 10))
    check(installed, replace(world, memberships=memberships), Call(1), [(1, (2, 1))])


def test_memberships_of_other_sources_or_without_a_user_do_not_count(
    installed: Connection[Any],
) -> None:
    world = graph([(1, 2, "2010-01-01", None)], [])
    memberships = (Membership(1, 2, 1, 4), Membership(None, 2, 1, 0), Membership(1, 2, 2, 0))
    check(installed, replace(world, memberships=memberships), Call(1), [])


def test_recency_comes_before_the_viewer_and_the_viewer_before_other_users(
    installed: Connection[Any],
) -> None:
    world = graph(
        [(1, 2, "2010-01-01", "2012-01-01"), (1, 3, "2010-01-01", "2014-01-01")],
        [(1, 2), (2, 2), (3, 2), (1, 3)],
    )
    expected = [(1, (3, 1)), (2, (2, 1)), (1, (2, 1)), (3, (2, 1))]
    loaded = check(installed, world, Call(1, viewer=2), expected)
    groups = loaded.find_paths(Call(1, viewer=2), "v2")["paths"]
    assert [group["user_ids"] for group in groups] == [[1], [2, 1, 3]]


def test_chains_the_viewer_can_open_come_first_among_equally_recent_ones(
    installed: Connection[Any],
) -> None:
    world = graph([(1, 2, "2010-01-01", None), (1, 3, "2010-01-01", None)], [(1, 2), (2, 3), (1, 3)])
    expected = [(2, (3, 1)), (1, (2, 1)), (1, (3, 1))]
    loaded = check(installed, world, Call(1, viewer=2), expected)
    groups = loaded.find_paths(Call(1, viewer=2), "v2")["paths"]
    assert [group["contact_ids"] for group in groups] == [[3, 1], [2, 1]]


def test_ongoing_and_future_dates_count_as_today(installed: Connection[Any]) -> None:
    today = enter(installed, graph([], [])).today
    ends = [None, "9999-12-31", str(today + timedelta(1)), str(today), str(today - timedelta(1))]
    # the smaller the neighbour, the earlier its edge ends: only contact ids may decide among equals
    edges = [(1, 10 - place, "2010-01-01", end) for place, end in enumerate(ends)]
    world = graph(edges, [(1, 10 - place) for place in range(len(ends))])
    expected = [(1, (contact, 1)) for contact in (7, 8, 9, 10, 6)]
    loaded = check(installed, world, Call(1), expected)
    yesterday = today - timedelta(1)
    assert [row[6] for row in loaded.find("deep_finder", Call(1))] == [today] * 4 + [yesterday]


def test_infinity_counts_as_today(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", "2011-01-01"), (1, 3, "2010-01-01", None)], [(1, 2), (1, 3)])
    loaded = enter(installed, world)
    installed.execute("UPDATE connection_paths.contact_connections SET date_to = 'infinity' WHERE contact_b_id = 2")
    installed.execute("UPDATE public.contact_work_experiences SET date_to = 'infinity' WHERE organization_id = 101")
    for function in ("deep_finder", "legacy_finder"):
        rows = installed.execute(
            sql.SQL("SELECT contact_ids, date_tos::text, recency FROM connection_paths.{}(1, 1, 1)").format(
                sql.Identifier(function)
            )
        ).fetchall()
        assert rows == [([2, 1], "{infinity}", loaded.today), ([3, 1], "{NULL}", loaded.today)]
    assert [path["recency"] for path in loaded.find_paths(Call(1), "v2")["paths"]] == [loaded.today.isoformat()] * 2


def test_a_pair_with_two_kinds_counts_once_by_its_most_recent_edge(
    installed: Connection[Any],
) -> None:
    friends = {(1, 2): Edge(FRIEND, None, None, None)}
    edges = [(1, 2, "2010-01-01", "2012-01-01"), (1, 3, "2010-01-01", "2014-01-01")]
    world = graph(edges, [(1, 2), (1, 3)], friends)
    loaded = check(installed, world, Call(1), [(1, (2, 1)), (1, (3, 1))])
    assert loaded.find("deep_finder", Call(1))[0][3:] == ([None], [None], [None], loaded.today, 50)
    assert loaded.find_paths(Call(1), "v2")["paths"][0]["hops"][0]["kind"] == FRIEND
    further = graph([(9, 1, "2010-01-01", None), *edges], [(1, 1), (1, 2), (1, 3)], friends)
    near = [(1, (1, 9)), (1, (2, 1, 9)), (1, (3, 1, 9))]
    check(installed, further, Call(9, max_edges_per_hop=2), near)
    check(installed, further, Call(9, max_edges_per_hop=1), near[:2])


def test_among_equally_recent_kinds_the_first_of_the_enum_counts(
    installed: Connection[Any],
) -> None:
    friends = {(1, 2): Edge(FRIEND, 7, date(2001, 1, 1), date(2012, 1, 1))}
    world = graph([(1, 2, "2010-01-01", "2012-01-01")], [(1, 2)], friends)
    loaded = check(installed, world, Call(1), [(1, (2, 1))])
    assert loaded.find("deep_finder", Call(1))[0][3] == [101]


def test_a_cap_larger_than_the_number_of_edges_is_no_cap(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None), (1, 3, "2010-01-01", None)], [(1, 2), (1, 3)])
    for cap in (2, 3, 2**31 - 1, None):
        check(installed, world, Call(1, max_edges_per_hop=cap), [(1, (2, 1)), (1, (3, 1))])


def test_a_chain_of_six_hops(installed: Connection[Any]) -> None:
    edges = [(contact, contact + 1, "2010-01-01", None) for contact in range(1, 7)]
    world = graph(edges, [(1, contact) for contact in range(1, 7)])
    expected = [(1, tuple(range(start, 8))) for start in range(6, 0, -1)]
    check(installed, world, Call(7, max_depth=6), expected[:5])
    only_the_far_end = replace(world, memberships=(*world.memberships, Membership(2, 2, 1, 0)))
    call = Call(7, viewer=2, max_depth=6, seed_scope="importer")
    check(installed, only_the_far_end, call, [(2, (2, 3, 4, 5, 6, 7))])
    check(installed, only_the_far_end, replace(call, max_depth=5), [])


def test_a_star(installed: Connection[Any]) -> None:
    leaves = range(2, 42)
    edges = [(1, leaf, "2010-01-01", f"2011-01-{leaf % 4 + 10}") for leaf in leaves]
    world = graph(edges, [(1, 1), *((1, leaf) for leaf in leaves)])
    latest = sorted(leaves, key=lambda leaf: (-(leaf % 4), leaf))
    check(installed, world, Call(1), [(1, (1,)), *((1, (leaf, 1)) for leaf in latest)])
    check(installed, world, Call(1, max_edges_per_hop=15), [(1, (1,)), *((1, (leaf, 1)) for leaf in latest)])
    outward = [leaf for leaf in latest if leaf != 5][:3]
    check(
        installed,
        world,
        Call(5, max_edges_per_hop=3),
        [(1, (5,)), (1, (1, 5)), *((1, (leaf, 1, 5)) for leaf in outward)],
    )


def test_a_clique(installed: Connection[Any]) -> None:
    world = World(
        contacts=frozenset({1, 2, 3, 4}),
        organizations=frozenset({1}),
        experiences=tuple(Experience(n, n, 1, date(2010, 1, 1), None) for n in (1, 2, 3, 4)),
        memberships=tuple(Membership(1, n, 1, 0) for n in (1, 2, 3, 4)),
    )
    chains = [
        (1,), (2, 1), (3, 1), (4, 1),
        (2, 3, 1), (2, 4, 1), (3, 2, 1), (3, 4, 1), (4, 2, 1), (4, 3, 1),
        (2, 3, 4, 1), (2, 4, 3, 1), (3, 2, 4, 1), (3, 4, 2, 1), (4, 2, 3, 1), (4, 3, 2, 1),
    ]  # fmt: skip
    check(installed, world, Call(1), [(1, chain) for chain in chains])
    check(installed, world, Call(1, max_depth=6, max_paths=7), [(1, chain) for chain in chains[:7]])
    capped = [(1,), (2, 1), (3, 1), (4, 1), (3, 2, 1), (4, 3, 2, 1)]
    check(installed, world, Call(1, max_edges_per_hop=1), [(1, chain) for chain in capped])


def test_all_dates_equal(installed: Connection[Any]) -> None:
    edges = [(1, contact, "2010-01-01", "2010-01-01") for contact in (5, 4, 3, 2)]
    world = graph(edges, [(user, contact) for user in (3, 2, 1) for contact in (5, 4, 3, 2)])
    expected = [(user, (contact, 1)) for user in (2, 1, 3) for contact in (2, 3, 4, 5)]
    check(installed, world, Call(1, viewer=2), expected)
    check(installed, world, Call(1, viewer=2, max_paths=5), expected[:5])


def test_paths_stay_in_the_collection(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None)], [(1, 2)])
    elsewhere = replace(world, memberships=(*world.memberships, Membership(1, 3, 2, 0)))
    check(installed, elsewhere, Call(1), [(1, (2, 1))])
    check(installed, elsewhere, Call(1, collection=2), [])


@pytest.mark.parametrize("call", [Call(999), Call(1, collection=999), Call(1, viewer=999, seed_scope="importer")])
def test_an_unknown_contact_collection_or_user_is_an_empty_answer(installed: Connection[Any], call: Call) -> None:
    check(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]), call, [])


@pytest.mark.parametrize("depth", [2, 3])
def test_a_search_says_that_max_per_introducer_left_a_path_out(installed: Connection[Any], depth: int) -> None:
    """Of the two users who can open the path by contact 2, one is left out, also when the search goes on to depth 3."""
    enter(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2), (2, 2)]))
    search = """
        SELECT s.is_limited, cardinality(s.paths)
        FROM connection_paths.checked_request(
            1, 1, 1, %s, 25, 'any', 15, 'recency', NULL, NULL, NULL, NULL, NULL, NULL, 1
        ) AS r
        CROSS JOIN LATERAL connection_paths.search(r) AS s
    """
    assert installed.execute(search, [depth]).fetchone() == (True, 1)
