"""The time budget of find_paths: the number of paths found depends on the machine, but each of them is right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations, pairwise
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from tests.support import oracle_paths
from tests.support.finder_calls import Loaded
from tests.support.finder_options import Call
from tests.support.finder_worlds import SOME_DAY, brought, database_that_knows, enter_layers, layer
from tests.support.oracle import latest_first
from tests.support.properties import first_of, long
from tests.support.world import Experience, Membership, World, load

# deep_finder

TARGET = 100
CLIQUE = range(1, 60)
RIM = range(201, 204)  # a chain of contacts that begins at the target: a path at each depth up to four, none at five
UNLIMITED = 600_000
SLOW_CALL = Call(TARGET, viewer=2, max_depth=6, seed_scope="importer", max_edges_per_hop=15)


@dataclass(frozen=True)
class Slow:
    """A world with a long search, and how many milliseconds it took to five and to six contacts."""

    loaded: Loaded
    five: float
    six: float


@pytest.fixture(scope="module")
def slow(new_installed: Callable[[], str]) -> Iterator[Slow]:
    """A world where six contacts take twenty times as long as five, with few paths at first and thousands at the end.

    In the clique all dates are equal, so the search follows the smallest ids. User 2 opens one path of two contacts
    there, from contact 19. After that the search reaches contact 19 at the sixth depth only: 16 must be on the chain
    before 17 is followed, and so on.
    """
    clique = combinations((*CLIQUE, TARGET), 2)
    edges = layer([*clique, (TARGET, RIM[0]), *pairwise(RIM)], lambda _: SOME_DAY)
    edges[TARGET, RIM[0]] = edges[TARGET, RIM[0]]._replace(date_to=None)
    members = [*brought((*CLIQUE, TARGET, *RIM)), *brought((19, TARGET, *RIM), user=2)]
    for connection in database_that_knows(new_installed()):
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
    """Every path is in the complete answer, in the same order; only the last depth may be incomplete."""
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
    opened_by = oracle_paths.users(loaded.world, call.collection)
    for path in last:
        chain = tuple(path["contact_ids"])
        assert is_walked(loaded, set(opened_by), chain, 15), chain
        users = sorted(opened_by[chain[0]], key=lambda user: (user != call.viewer, user))
        assert path["user_ids"] == users[: 1 if call.seed_scope == "importer" else None]
        assert path["user_ids"][0] == call.viewer or call.seed_scope == "any"
        assert [(hop["from"], hop["to"]) for hop in path["hops"]] == list(pairwise(chain))


def is_walked(loaded: Loaded, members: set[int], chain: tuple[int, ...], cap: int) -> bool:
    """Whether the search looks at a chain: every step takes one of the *cap* best edges, or it has two contacts."""
    for place in range(len(chain) - 1, 0, -1):
        reached = []
        for other in members.difference(chain[place:]):
            edge = loaded.edges.get((min(chain[place], other), max(chain[place], other)))
            if edge is not None:
                reached.append((latest_first(edge.date_to), other))
        if chain[place - 1] not in [other for _, other in sorted(reached)[: None if len(chain) == 2 else cap]]:
            return False
    return True


@pytest.mark.parametrize("budget", [1, 20, 50])
def test_paths_found_in_a_small_budget_are_right(slow: Slow, budget: int) -> None:
    answer = search(slow.loaded, SLOW_CALL, budget, limit=5_000)
    assert answer["complete"] is False
    assert_right_as_far_as_it_goes(slow.loaded, SLOW_CALL, answer)
    if budget == 50:  # many times as long as the first depths take
        assert [path["depth"] for path in answer["paths"]][:4] == [1, 2, 2, 3]


@pytest.mark.parametrize("share", first_of(2, [0.3, 0.7, 1.1, 1.5]))
@pytest.mark.parametrize("scope", first_of(2, ["importer", "any"]))
def test_paths_found_before_the_budget_ends_are_right(slow: Slow, scope: str, share: float) -> None:
    # the first budget ends during the fifth or sixth depth; the last one may be enough; scope any ends at the fourth
    budget = share * (slow.six if scope == "importer" else slow.five)
    call = replace(SLOW_CALL, seed_scope=scope)
    assert_right_as_far_as_it_goes(slow.loaded, call, search(slow.loaded, call, max(1, round(budget))))


def test_the_budget_acts_within_a_depth(slow: Slow) -> None:
    """With a budget for five contacts but not for six, the search begins the sixth depth and does not finish it.

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


# legacy_finder (v1)

COLLEAGUES = range(2, 902)
EMPLOYERS = range(1, 13)  # of each contact, at the same time, so that each pair overlaps twelve times


@pytest.fixture(scope="module")
def crowd(new_installed: Callable[[], str]) -> Iterator[tuple[Connection[Any], float]]:
    """A target with so many colleagues that v1 takes many milliseconds; returns their number."""
    dsn = new_installed()
    with psycopg.connect(dsn, autocommit=True) as connection:
        jobs = [
            Experience(
                contact * len(EMPLOYERS) + employer,
                contact,
                employer,
                date(2001, 1, 1) + timedelta(employer),
                date(2010, 1, 1 + contact % 9),
            )
            for contact in (1, *COLLEAGUES)
            for employer in EMPLOYERS
        ]
        members = [Membership(1 + n % 3, contact, 1, 0) for n, contact in enumerate((1, *COLLEAGUES))]
        load(connection, World(frozenset((1, *COLLEAGUES)), frozenset(EMPLOYERS), tuple(jobs), tuple(members)))
        connection.execute("VACUUM (ANALYZE)")
        for _ in range(3):  # the first plans
            begun = time.monotonic()
            ask_v1(connection, 600_000, 2, 1000, "any")
        yield connection, 1000 * (time.monotonic() - begun)


def ask_v1(connection: Connection[Any], budget: int, depth: int, most: int, scope: str) -> dict[str, Any]:
    row = connection.execute(
        "SELECT connection_paths.find_paths(1, 1, 2, %s, %s, %s, 'v1', %s)", [depth, most, scope, budget]
    ).fetchone()
    assert row is not None
    answer: dict[str, Any] = row[0]
    return answer


@pytest.mark.parametrize("scope", ["any", "importer"])
@pytest.mark.parametrize(
    ("depth", "most"),
    [
        long(1, 25),
        long(2, 25),
        long(2, 1000),
        (5, 1000),
    ],
)
def test_v1_says_complete_only_when_it_is(
    crowd: tuple[Connection[Any], float], depth: int, most: int, scope: str
) -> None:
    connection, usual = crowd
    whole = ask_v1(connection, 600_000, depth, most, scope)
    everything = ask_v1(connection, 600_000, depth, 1000, scope)
    assert whole["complete"]
    assert not everything["truncated"]
    # the search has two thirds of its budget: some of these end before the overlaps, some among the colleagues
    shares = [round(1.5 * usual * share) for share in (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2)]
    for budget in (1, 2, 5, 10, 20, *shares):
        answer = ask_v1(connection, max(1, budget), depth, most, scope)
        if answer["complete"]:
            assert answer == whole
            continue
        assert answer["paths"] == [path for path in everything["paths"] if path in answer["paths"]]
        assert [path for path in answer["paths"] if path["depth"] == 1] == whole["paths"][: scope == "any"]
        if answer["why"] is not None:
            assert answer["why"]["reason"] == "time_budget"
            assert answer["why"]["level_reached"] >= max((path["depth"] for path in answer["paths"]), default=1)


def test_v1_reports_a_budget_that_it_exceeded(crowd: tuple[Connection[Any], float]) -> None:
    """Some 10,000 pairs of stints take more than the two thirds of a millisecond that the search has."""
    connection, _ = crowd
    for scope in ("any", "importer"):
        answer = ask_v1(connection, 1, 2, 1000, scope)
        assert not answer["complete"]
        assert answer["why"]["reason"] == "time_budget"
