"""Who may be asked beyond one collection, users who open nothing, and limits of how often somebody is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from tests.support.finder_calls import check, graph
from tests.support.finder_options import Call
from tests.support.world import Limit, Request

YEARS = ("2010-01-01", "2020-01-01")
#: Contacts 2 and 3, of the users 1 and 2, worked with contact 1; contact 4, of user 3, with contact 3.
TEAM = graph([(1, 2, *YEARS), (1, 3, *YEARS), (3, 4, *YEARS)], [(1, 2), (2, 3), (3, 4)])
ALL = [(1, (2, 1)), (2, (3, 1)), (3, (4, 3, 1))]
LIMIT = "INSERT INTO connection_paths.introduction_limits (collection_id, max_requests, per_days) VALUES "
ASKED = (
    "INSERT INTO connection_paths.introduction_requests"
    " (collection_id, asking_user_id, asked_user_id, introducer_contact_id, target_contact_id, requested_at, outcome)"
    " VALUES "
)


def test_do_not_ask_without_a_collection_counts_in_every_collection(installed: Connection[Any]) -> None:
    check(installed, TEAM, Call(1), ALL)
    check(installed, replace(TEAM, do_not_ask=frozenset({(None, 3)})), Call(1), ALL[:1])
    elsewhere = replace(
        TEAM,
        memberships=tuple(row._replace(collection_id=7) for row in TEAM.memberships),
        do_not_ask=frozenset({(None, 2), (1, 3)}),
    )
    check(installed, elsewhere, Call(1, collection=7), ALL[1:])
    check(installed, elsewhere, Call(3, collection=7), [(2, (3,)), (3, (4, 3))])


def test_a_row_of_do_not_ask_is_there_once(installed: Connection[Any]) -> None:
    for row in ("(NULL, 7)", "(1, 7)"):
        insert = f"INSERT INTO connection_paths.do_not_ask (collection_id, contact_id) VALUES {row}"
        installed.execute(f"{insert} ON CONFLICT DO NOTHING".encode())
        installed.execute(f"{insert} ON CONFLICT DO NOTHING".encode())
        with pytest.raises(psycopg.errors.UniqueViolation):
            installed.execute(insert.encode())
    assert installed.execute("SELECT count(*) FROM connection_paths.do_not_ask WHERE contact_id = 7").fetchone() == (2,)
    installed.execute("DELETE FROM connection_paths.do_not_ask")


@pytest.mark.parametrize("viewer", [1, 2])
def test_users_in_do_not_ask_users_open_nothing(installed: Connection[Any], viewer: int) -> None:
    """Not even as the viewer. Their contacts may still be asked by others."""
    world = replace(TEAM, do_not_ask_users=frozenset({2}))
    check(installed, world, Call(1, viewer=viewer), [ALL[0], ALL[2]])
    check(installed, world, Call(3, viewer=viewer), [(3, (4, 3))])
    check(installed, world, Call(1, viewer=2, seed_scope="importer"), [])
    both = replace(world, memberships=(*world.memberships, world.memberships[1]._replace(user_id=1)))
    loaded = check(installed, both, Call(1, viewer=viewer), [ALL[0], (1, (3, 1)), ALL[2]])
    assert [path["user_ids"] for path in loaded.find_paths(Call(1), "v2")["paths"]] == [[1], [1], [3]]


def test_who_was_asked_as_often_as_the_limit_allows_is_not_asked_again(installed: Connection[Any]) -> None:
    asked = (Request(1, 3, 6.5), Request(1, 3, 0.5, "declined"), Request(1, 2, 0.5))
    for limit, expected in (
        (Limit(1, 3, 7), ALL),
        (Limit(1, 2, 7), ALL[:1]),
        (Limit(1, 2, 6), ALL),  # one of the two requests to contact 3 is older
        (Limit(1, 1, 7), []),
        (Limit(None, 2, 7), ALL[:1]),
        (Limit(5, 1, 7), ALL),
    ):
        check(installed, replace(TEAM, requests=asked, limits=(limit,)), Call(1), expected)
    for changed in (asked[1]._replace(outcome="withdrawn"), asked[1]._replace(collection_id=2)):
        check(installed, replace(TEAM, requests=(asked[0], changed), limits=(Limit(1, 2, 7),)), Call(1), ALL)
    other = replace(TEAM, requests=(asked[0], asked[1]._replace(collection_id=2)))
    check(installed, replace(other, limits=(Limit(None, 2, 7),)), Call(1), ALL[:1])
    check(installed, replace(other, limits=(Limit(None, 2, 7), Limit(1, 1, 1))), Call(1), ALL[:1])
    check(installed, replace(other, limits=(Limit(None, 3, 7), Limit(1, 2, 1))), Call(1), ALL)
    check(installed, replace(other, limits=(Limit(None, 2, 7),)), Call(3), [(2, (3,)), (3, (4, 3))])


def test_the_window_moves_on(installed: Connection[Any]) -> None:
    """A request counts for exactly per_days days; so the answer changes without any writer."""
    check(installed, TEAM, Call(1), ALL)
    installed.execute(f"{LIMIT} (1, 1, 7)".encode())
    find = "SELECT user_id FROM connection_paths.deep_finder(1, 1, 1, 3)"
    with installed.transaction():  # so that now() stands still
        for ago, expected in (("7 days", [1, 2, 3]), ("7 days' - interval '1 microsecond", [1])):
            installed.execute("DELETE FROM connection_paths.introduction_requests")
            installed.execute(f"{ASKED} (1, 1, 2, 3, 1, now() - (interval '{ago}'), 'pending')".encode())
            assert [row[0] for row in installed.execute(find.encode())] == expected
    installed.execute("DELETE FROM connection_paths.introduction_requests")


@pytest.mark.parametrize(
    "refused",
    [
        f"{LIMIT} (1, 0, 7)",
        f"{LIMIT} (1, 1, 0)",
        f"{LIMIT} (NULL, 1, 36526)",
        f"{LIMIT} (NULL, 1, 1), (NULL, 2, 2)",
        f"{ASKED} (1, 1, NULL, NULL, 1, now(), 'pending')",
        f"{ASKED} (1, 1, NULL, 1, 1, now(), 'pending')",
        f"{ASKED} (1, 1, NULL, 2, 1, now(), 'perhaps')",
        f"{ASKED} (1, 1, NULL, 2, NULL, now(), 'pending')",
        f"{ASKED} (NULL, 1, NULL, 2, 1, now(), 'pending')",
        "INSERT INTO connection_paths.do_not_ask VALUES (1, NULL)",
    ],
)
def test_rows_that_mean_nothing_are_refused(installed: Connection[Any], refused: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError):
        installed.execute(refused.encode())
