"""Contacts who may not be asked: those in do_not_ask, and those that a call excludes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from tests.support.finder_calls import check, enter, graph, star
from tests.support.finder_options import Call


def test_a_contact_in_do_not_ask_opens_no_path(installed: Connection[Any]) -> None:
    world = star([2, 3, 4], [(1, 3), (2, 4)])  # contact 4 may not be asked in another collection
    check(installed, world, Call(1), [(1, (2, 1)), (1, (4, 1))])
    loaded = check(
        installed, replace(world, do_not_ask=frozenset()), Call(1), [(1, (contact, 1)) for contact in (2, 3, 4)]
    )
    for impl in ("v1", "v2"):
        call = Call(1, excluded=(3, 3, 999, 2))
        assert [path["contact_ids"] for path in loaded.find_paths(call, impl)["paths"]] == [[4, 1]]
        assert loaded.agrees(call, impl)


def test_no_path_goes_through_a_contact_in_do_not_ask(installed: Connection[Any]) -> None:
    edges = [
        (1, 2, "2010-01-01", None),
        (2, 3, "2010-01-01", None),
        (1, 4, "2010-01-01", None),
        (3, 4, "2010-01-01", None),
    ]
    world = replace(graph(edges, [(1, 2), (1, 3), (1, 4)]), do_not_ask=frozenset({(1, 2)}))
    check(installed, world, Call(1), [(1, (4, 1)), (1, (3, 4, 1))])


def test_a_contact_in_do_not_ask_may_be_the_target(installed: Connection[Any]) -> None:
    world = star([1, 2], [(1, 1)])
    loaded = check(installed, world, Call(1), [(1, (1,)), (1, (2, 1))])
    for impl in ("v1", "v2"):
        for excluded in ((1,), (1, 2)):
            assert loaded.agrees(Call(1, excluded=excluded), impl)
    assert loaded.find_paths(Call(1, excluded=(1,)), "v2")["total"] == 2
    assert check(installed, world, Call(2), [(1, (2,))]).find_paths(Call(2), "v2")["total"] == 1


def test_a_contact_who_may_not_be_asked_does_not_count_toward_the_cap(installed: Connection[Any]) -> None:
    edges = [(50, 1, "2010-01-01", None), *((1, contact, "2010-01-01", None) for contact in range(2, 20))]
    members = [(1, contact) for contact in range(1, 20)]
    world = replace(graph(edges, members), do_not_ask=frozenset((1, contact) for contact in range(2, 5)))
    check(installed, world, Call(50, max_edges_per_hop=2), [(1, (1, 50)), (1, (5, 1, 50)), (1, (6, 1, 50))])
    loaded = check(installed, replace(world, do_not_ask=frozenset()), Call(1, max_depth=1), [(1, (1,))])
    answer = loaded.find_paths(Call(50, max_edges_per_hop=2, excluded=(2, 3, 4, 5)), "v2")
    assert [path["contact_ids"][0] for path in answer["paths"]] == [1, 6, 7]


def test_truncated_does_not_count_paths_through_excluded_contacts(installed: Connection[Any]) -> None:
    loaded = enter(installed, star([2, 3]))
    answer = loaded.find_paths(Call(1, max_paths=1, excluded=(3,)), "v2")
    assert (answer["total"], answer["truncated"], answer["why"]) == (1, False, None)


def test_changes_of_do_not_ask_count_at_the_next_call(installed: Connection[Any]) -> None:
    loaded = enter(installed, star([2, 3]))
    for statement, expected in (
        ("INSERT INTO connection_paths.do_not_ask VALUES (1, 2)", [3]),
        ("INSERT INTO connection_paths.do_not_ask VALUES (1, 3)", []),
        ("DELETE FROM connection_paths.do_not_ask WHERE contact_id = 2", [2]),
        ("DELETE FROM connection_paths.do_not_ask", [2, 3]),
    ):
        installed.execute(statement.encode())
        for depth in (2, 3):
            found = [row[2][0] for row in loaded.find("deep_finder", Call(1, max_depth=depth))]
            assert found == expected, statement
        assert [row[2][0] for row in loaded.find_legacy(Call(1))] == expected, statement
        for impl in ("v1", "v2"):
            assert [path["contact_ids"][0] for path in loaded.find_paths(Call(1), impl)["paths"]] == expected


def test_a_null_among_the_excluded_is_refused(installed: Connection[Any]) -> None:
    for excluded in ([None], [1, None, 2]):
        with pytest.raises(psycopg.errors.NullValueNotAllowed, match="excluded_contact_ids") as caught:
            installed.execute(
                "SELECT connection_paths.find_paths(1, 1, 1, excluded_contact_ids => %s::bigint[])", [excluded]
            )
        assert caught.value.diag.message_hint
