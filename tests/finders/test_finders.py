"""The finders return what design §3 says: row for row, in order, against the oracle."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql

from orchestrator.core import sqlfiles
from orchestrator.install.installation import install
from tests.support import oracle
from tests.support.oracle import Row
from tests.support.world import (
    COLLECTION_IDS,
    CONTACT_IDS,
    DAYS,
    FRIEND,
    GHOST_CONTACT_IDS,
    USER_IDS,
    Edge,
    Experience,
    Membership,
    Pair,
    World,
    load,
    load_edges,
    worlds,
)

DEEP_FINDERS = ("deep_finder_v1", "deep_finder_v2", "deep_finder_v3", "deep_finder")
LEGACY_FINDERS = ("legacy_finder_v1", "legacy_finder")

TIMES = int(os.environ.get("CONNECTION_PATHS_EXAMPLES", "1"))  # `make soak` draws more


def repeatable(max_examples: int) -> settings:
    """The same examples in every run, so many times CONNECTION_PATHS_EXAMPLES."""
    return settings(
        max_examples=max_examples * TIMES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Call:
    """Arguments of a finder; the defaults see everything that a small world holds."""

    target: int
    collection: int = 1
    viewer: int = 1
    max_depth: int = 4
    max_paths: int = 1000
    seed_scope: str = "any"
    max_edges_per_hop: int | None = None
    excluded: tuple[int, ...] = ()  # of find_paths only


@dataclass(frozen=True)
class Limits:
    """Constants of find_paths and why_no_more, which a test may lower."""

    max_edges_per_hop: int = 15
    few_paths: int = oracle.FEW
    counted_to: int = oracle.COUNTED_TO
    looked_through: int = oracle.LOOKED_THROUGH


USUAL = Limits()
Situation = tuple[World, list[Call]]


@dataclass(frozen=True)
class Loaded:
    """A world in the database, its edges included."""

    connection: Connection[Any]
    world: World
    work: dict[Pair, Edge]
    edges: dict[Pair, Edge]  # of all kinds, as walked
    today: date
    kinds: Mapping[Pair, int]  # how many edges a pair has

    def find(self, function: str, call: Call) -> list[Row]:
        arguments = "%s, %s, %s, max_paths => %s, seed_scope => %s"
        values = [call.target, call.collection, call.viewer, call.max_paths, call.seed_scope]
        if function in DEEP_FINDERS:
            arguments += ", max_depth => %s, max_edges_per_hop => %s"
            values += [call.max_depth, call.max_edges_per_hop]
        return self.connection.execute(
            sql.SQL("SELECT * FROM connection_paths.{}({})").format(
                sql.Identifier(function),
                sql.SQL(arguments),
            ),
            values,
        ).fetchall()

    def expect(self, call: Call) -> list[Row]:
        return self._expect(self.edges, call)

    def expect_legacy(self, call: Call) -> list[Row]:
        """Straight from work experiences: no other kinds, no cap, two hops at most."""
        return self._expect(self.work, replace(call, max_depth=2, max_edges_per_hop=None))

    def _expect(self, edges: dict[Pair, Edge], call: Call) -> list[Row]:
        return oracle.deep_finder(
            edges,
            self.world,
            call.target,
            call.collection,
            call.viewer,
            max_depth=call.max_depth,
            max_paths=call.max_paths,
            seed_scope=call.seed_scope,
            max_edges_per_hop=call.max_edges_per_hop,
            today=self.today,
        )

    def find_paths(self, call: Call, impl: str | None) -> dict[str, Any]:
        row = self.connection.execute(
            "SELECT connection_paths.find_paths(%s, %s, %s, max_depth => %s, max_paths => %s,"
            " seed_scope => %s, impl => %s, time_budget_ms => 60000, excluded_contact_ids => %s::bigint[])",
            [
                call.target,
                call.collection,
                call.viewer,
                call.max_depth,
                call.max_paths,
                call.seed_scope,
                impl,
                list(call.excluded),
            ],
        ).fetchone()
        assert row is not None
        answer: dict[str, Any] = row[0]
        return answer

    def expect_paths(self, call: Call, impl: str, max_edges_per_hop: int | None = 15) -> dict[str, Any]:
        """“counts groups toward max_paths”; “v1 ignores depths above 2”. All but why: see hold_why."""
        paths = self._all_paths(call, impl, None if impl == "v1" else max_edges_per_hop)
        returned = paths[: call.max_paths]
        return {
            "impl": impl,
            "total": len(returned),
            "truncated": len(paths) > len(returned),
            "complete": True,
            "paths": returned,
        }

    def _all_paths(self, call: Call, impl: str, max_edges_per_hop: int | None) -> list[dict[str, Any]]:
        return oracle.find_paths(
            self.work if impl == "v1" else self.edges,
            self.world,
            call.target,
            call.collection,
            call.viewer,
            max_depth=min(call.max_depth, 2) if impl == "v1" else call.max_depth,
            seed_scope=call.seed_scope,
            max_edges_per_hop=max_edges_per_hop,
            excluded=call.excluded,
            today=self.today,
        )

    def agrees(self, call: Call, impl: str | None, meant: str | None = None) -> bool:
        """Hold find_paths' whole answer against the oracle; *meant* is the implementation that None stands for."""
        answer = self.find_paths(call, impl)
        said = answer.pop("why")
        if answer != self.expect_paths(call, meant or impl or answer["impl"]):
            return False
        if said is None or answer["total"] == call.max_paths:
            return said is None and answer["total"] == call.max_paths
        self.hold_why(said, call, answer)
        return True

    def facts(self, call: Call, impl: str, max_edges_per_hop: int | None = 15) -> oracle.Facts:
        """What is true of a call of find_paths."""
        return oracle.facts(
            dict.fromkeys(self.work, 1) if impl == "v1" else self.kinds,
            self.work if impl == "v1" else self.edges,
            self.world,
            call.target,
            call.collection,
            call.viewer,
            max_depth=min(call.max_depth, 2) if impl == "v1" else call.max_depth,
            seed_scope=call.seed_scope,
            max_edges_per_hop=None if impl == "v1" else max_edges_per_hop,
            excluded=call.excluded,
        )

    def hold_why(
        self,
        said: Mapping[str, Any],
        call: Call,
        answer: Mapping[str, Any],
        limits: Limits = USUAL,
    ) -> oracle.Facts:
        """Hold the reason and every number of an answer that is complete against what is true."""
        impl, found = answer["impl"], {tuple(path["contact_ids"]) for path in answer["paths"]}
        true = self.facts(call, impl, limits.max_edges_per_hop)
        assert oracle.holds(said["reason"], true, call.seed_scope, found), (said, true)
        assert said["reason"] in oracle.possible_reasons(
            true, call.seed_scope, found, limits.counted_to, limits.looked_through, impl == "v1"
        ), (said, true)
        assert said["level_reached"] == true.level_reached, (said, true)
        assert true.is_cut <= said["caps_hit"] <= true.is_at_limit, (said, true)
        assert said["max_edges_per_hop"] == (None if impl == "v1" else limits.max_edges_per_hop)
        assert said["counted_to"] == limits.counted_to
        counts = {
            "collection_members": (true.members, True),
            "target_edges": (true.target_edges, True),
            "target_edges_to_members": (true.target_edges_to_members, said["counts_are_exact"]),
            "target_edges_to_excluded": (true.target_edges_to_excluded, said["counts_are_exact"]),
            "excluded": (true.excluded, True),
        }
        if answer["total"] >= limits.few_paths:
            assert {said[name] for name in counts} | {said["counts_are_exact"]} == {None}
            return true
        for name, (truth, is_exact) in counts.items():
            assert oracle.number_is_right(said[name], truth, limits.counted_to, is_exact), (name, said, true)
        is_exact = true.members < limits.counted_to or true.target_edges < limits.counted_to or impl == "v1"
        assert said["counts_are_exact"] == is_exact
        return true


def enter(connection: Connection[Any], world: World) -> Loaded:
    load(connection, world)
    work = oracle.edges(world)
    load_edges(connection, work)
    connection.execute("TRUNCATE connection_paths.finder_rollout")
    row = connection.execute("SELECT current_date").fetchone()
    assert row is not None
    kinds = Counter([*work, *world.extra_edges])
    return Loaded(connection, world, work, oracle.walked_edges(world), row[0], kinds)


@st.composite
def situations(draw: st.DrawFn, count: int, max_depth: int = 4, max_contacts: int = len(CONTACT_IDS)) -> Situation:
    """A world, and so many calls in it."""
    world = draw(worlds(max_contacts))
    calls = st.builds(
        Call,
        target=st.sampled_from((*sorted(world.contacts) * 4, GHOST_CONTACT_IDS[0], 999)),
        collection=st.sampled_from((*COLLECTION_IDS * 4, 999)),
        viewer=st.sampled_from((*USER_IDS * 4, 999)),
        max_depth=st.sampled_from((*range(1, max_depth + 1), *range(2, max_depth + 1))),
        max_paths=st.sampled_from((1, 2, 3, 5, 8, 13, 25, 100, 1000)),
        seed_scope=st.sampled_from(("any", "any", "importer")),
        max_edges_per_hop=st.sampled_from((None, None, *range(1, 5), *range(1, 16))),
        excluded=st.one_of(
            st.just(()),
            st.lists(st.sampled_from((*sorted(world.contacts), GHOST_CONTACT_IDS[0])), max_size=4).map(tuple),
        ),
    )
    return world, draw(st.lists(calls, min_size=count, max_size=count))


@st.composite
def crowds(draw: st.DrawFn, count: int) -> Situation:
    """A world where contacts have more neighbours than are followed, and so many calls in it.

    Drawn by a seed, since a world this large is more than hypothesis can draw value by value.
    """
    dice = random.Random(draw(st.integers(0, 2**32 - 1)))
    contacts = range(1, draw(st.sampled_from((20, 40, 50, 60))) + 1)
    organizations = range(1, draw(st.sampled_from((1, 2, 3, 4))) + 1)
    days = [DAYS, DAYS[:3], DAYS[2:4], DAYS[6:]][draw(st.sampled_from(range(4)))]  # the fewer, the more ties
    kinds = draw(st.booleans())
    jobs = [(contact, dice.choice(organizations)) for contact in contacts for _ in range(dice.choice((1, 1, 2)))]
    experiences = [
        Experience(number, *job, DAYS[0] - timedelta(dice.randrange(3)), dice.choice((*days, None)))
        for number, job in enumerate(jobs, 1)
    ]
    memberships = [
        Membership(dice.choice(USER_IDS), contact, collection, 0)
        for collection, share in zip(COLLECTION_IDS, (0.95, dice.choice((0.1, 0.5))), strict=True)
        for contact in contacts
        for _ in range(dice.choice((1, 1, 1, 2)))
        if dice.random() < share
    ]
    pairs = [tuple(sorted(dice.sample(contacts, 2))) for _ in range(200 if kinds else 0)]
    extra_edges = {(a, b): Edge(FRIEND, None, None, dice.choice((*days, None))) for a, b in pairs}
    refused = dice.choice((0, 0, 0.1, 0.4))
    world = World(
        contacts=frozenset(contacts),
        organizations=frozenset(organizations),
        experiences=tuple(experiences),
        memberships=tuple(memberships),
        extra_edges=extra_edges,
        do_not_ask=frozenset(
            (collection, contact) for collection in COLLECTION_IDS for contact in contacts if dice.random() < refused
        ),
    )
    depths_and_caps = [*((3, cap) for cap in (15, 15, 15, 14, 16, 3, 1)), (2, 15), (2, None), (4, 4)]
    calls = [
        Call(
            target=dice.choice(contacts),
            collection=dice.choice(COLLECTION_IDS),
            viewer=dice.choice(USER_IDS),
            max_depth=depth,
            max_paths=dice.choice((1, 5, 25, 25, 100, 1000)),
            seed_scope=dice.choice(("any", "any", "importer")),
            max_edges_per_hop=cap,
            excluded=tuple(dice.choices(contacts, k=dice.choice((0, 0, 1, 10)))),
        )
        for depth, cap in (dice.choice(depths_and_caps) for _ in range(count))
    ]
    return world, calls


@pytest.fixture(scope="module")
def one_kind(new_database: Callable[[], str]) -> Iterator[Connection[Any]]:
    """A database of its own where no test has added a kind: the walk has a branch for that."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn)
        yield connection


# Properties


@repeatable(100)
@given(situation=situations(25))
def test_deep_finder_equals_the_oracle(installed: Connection[Any], situation: Situation) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    for call in drawn:
        expected = loaded.expect(call)
        for function in DEEP_FINDERS:
            assert loaded.find(function, call) == expected, (function, call)


@repeatable(60)
@given(situation=situations(20))
def test_deep_finder_and_find_paths_equal_the_oracle_where_there_is_one_kind(
    one_kind: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(one_kind, replace(world, extra_edges={}))
    for call in drawn:
        expected = loaded.expect(call)
        for function in DEEP_FINDERS:
            assert loaded.find(function, call) == expected, (function, call)
        assert loaded.agrees(call, "v2"), call
    kinds = "SELECT cardinality(enum_range(NULL::connection_paths.connection_kind))"
    assert one_kind.execute(kinds).fetchone() == (1,)


@repeatable(25)
@given(situation=crowds(8))
def test_deep_finder_and_find_paths_equal_the_oracle_in_a_crowd(
    installed: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    for call in drawn:
        expected = loaded.expect(call)
        for function in DEEP_FINDERS:
            assert loaded.find(function, call) == expected, (function, call)
        shallower = replace(call, max_depth=min(call.max_depth, 3))
        assert loaded.agrees(shallower, "v2"), shallower


@repeatable(25)
@given(situation=situations(8, max_depth=6, max_contacts=8))
def test_deep_finder_equals_the_oracle_to_six_hops(installed: Connection[Any], situation: Situation) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    for each in drawn:
        call = replace(each, max_edges_per_hop=min(each.max_edges_per_hop or 3, 3))
        expected = loaded.expect(call)
        for function in DEEP_FINDERS:
            assert loaded.find(function, call) == expected, (function, call)


@repeatable(50)
@given(situation=situations(20, max_depth=2))
def test_legacy_finder_equals_deep_finder_of_two_hops_without_a_cap(
    installed: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(installed, replace(world, extra_edges={}))
    for each in drawn:
        call = replace(each, max_depth=2, max_edges_per_hop=None)
        expected = loaded.expect_legacy(call)
        for function in (*LEGACY_FINDERS, *DEEP_FINDERS):
            assert loaded.find(function, call) == expected, (function, call)


@repeatable(40)
@given(situation=situations(10, max_depth=2))
def test_legacy_finder_needs_no_edges_and_knows_no_other_kinds(
    installed: Connection[Any], situation: Situation
) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    installed.execute("DELETE FROM connection_paths.contact_connections WHERE kind = 'work_overlap'")
    for call in drawn:
        for function in LEGACY_FINDERS:
            assert loaded.find(function, call) == loaded.expect_legacy(call), (function, call)


@repeatable(60)
@given(situation=situations(10), rollout=st.sampled_from(("v1", "v2")))
def test_find_paths_equals_the_oracle(installed: Connection[Any], situation: Situation, rollout: str) -> None:
    world, drawn = situation
    loaded = enter(installed, world)
    installed.execute(
        "INSERT INTO connection_paths.finder_rollout (collection_id, impl) VALUES (%s, %s)",
        [COLLECTION_IDS[1], rollout],
    )
    for call in drawn:
        for impl in ("v1", "v2", None):
            meant = impl or (rollout if call.collection == COLLECTION_IDS[1] else "v2")
            assert loaded.agrees(call, impl, meant), (call, impl)


# Examples: every rule by its name

Path = tuple[int, tuple[int, ...]]  # a user, then the contacts up to the target


def graph(
    edges: Iterable[tuple[int, int, str, str | None]],
    members: Iterable[tuple[int, int]],
    extra_edges: dict[Pair, Edge] | None = None,
) -> World:
    """A world of (contact, contact, date_from, date_to) and (user, contact) in collection 1.

    Every edge has an organization of its own, numbered from 101 on.
    """
    experiences: list[Experience] = []
    contacts: set[int] = set()
    for organization, (one, other, start, end) in enumerate(edges, 101):
        contacts |= {one, other}
        for contact in (one, other):
            experiences.append(
                Experience(
                    len(experiences) + 1,
                    contact,
                    organization,
                    date.fromisoformat(start),
                    date.fromisoformat(end) if end else None,
                )
            )
    memberships = tuple(Membership(user, contact, 1, 0) for user, contact in members)
    return World(
        contacts=frozenset(contacts | {row.contact_id for row in memberships}),
        organizations=frozenset(row.organization_id or 0 for row in experiences),
        experiences=tuple(experiences),
        memberships=memberships,
        extra_edges=extra_edges or {},
    )


def check(connection: Connection[Any], world: World, call: Call, expected: Sequence[Path]) -> Loaded:
    """Hold oracle and finders against what the example says."""
    loaded = enter(connection, world)
    rows = loaded.expect(call)
    assert [(row[1], tuple(row[2])) for row in rows] == list(expected)
    for function in DEEP_FINDERS:
        assert loaded.find(function, call) == rows, function
    for function in LEGACY_FINDERS:
        assert loaded.find(function, call) == loaded.expect_legacy(call), function
    for impl in ("v1", "v2"):
        assert loaded.agrees(call, impl), impl
    return loaded


def test_a_path_says_through_which_work_and_when(installed: Connection[Any]) -> None:
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
    )
    assert loaded.find_paths(Call(3), "v2")["paths"][1] == {
        "depth": 3,
        "user_ids": [7],
        "contact_ids": [1, 2, 3],
        "recency": loaded.today.isoformat(),
        "hops": [
            {
                "from": 1,
                "to": 2,
                "kind": "work_overlap",
                "organization_id": 101,
                "date_from": "2010-01-01",
                "date_to": "2012-01-01",
            },
            {
                "from": 2,
                "to": 3,
                "kind": "work_overlap",
                "organization_id": 102,
                "date_from": "2015-01-01",
                "date_to": None,
            },
        ],
    }


def test_depth_one_is_a_colleague_who_knows_the_target(installed: Connection[Any]) -> None:
    loaded = check(installed, graph([], [(2, 1), (1, 1)]), Call(1), [(1, (1,)), (2, (1,))])
    assert loaded.find("deep_finder", Call(1))[0] == (1, 1, [1], [], [], [], None)
    assert loaded.find_paths(Call(1), None)["paths"] == [
        {"depth": 1, "user_ids": [1, 2], "contact_ids": [1], "recency": None, "hops": []}
    ]


def test_membership_is_checked_before_the_cap(installed: Connection[Any]) -> None:
    strangers = [(1, stranger, "2010-01-01", None) for stranger in range(10, 40)]
    world = graph([*strangers, (1, 2, "2001-01-01", "2002-01-01")], [(1, 2)])
    check(installed, world, Call(1, max_edges_per_hop=1), [(1, (2, 1))])


def test_everybody_between_user_and_target_is_a_member(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None)], [(1, 1)])
    check(installed, world, Call(3), [])
    check(installed, world, Call(2), [(1, (1, 2))])


def test_the_target_need_not_be_a_member(installed: Connection[Any]) -> None:
    check(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]), Call(1), [(1, (2, 1))])


def test_no_repeat_is_checked_before_the_cap(installed: Connection[Any]) -> None:
    # from 2 the most recent edge leads back to the target, and must not spend the budget of one
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
            (1, 2, "2010-01-01", "2012-01-01"),
            (1, 3, "2010-01-01", "2014-01-01"),
            (1, 4, "2010-01-01", None),
        ],
        [(1, 2), (1, 3), (1, 4)],
    )
    check(installed, world, Call(1, max_edges_per_hop=2), [(1, (4, 1)), (1, (3, 1))])


def test_an_ongoing_edge_is_followed_before_one_that_ends_in_the_future(
    installed: Connection[Any],
) -> None:
    world = graph([(1, 2, "2010-01-01", "9999-12-31"), (1, 3, "2010-01-01", None)], [(1, 2), (1, 3)])
    check(installed, world, Call(1, max_edges_per_hop=1), [(1, (3, 1))])


def test_among_equally_recent_edges_the_smaller_neighbour_is_followed(
    installed: Connection[Any],
) -> None:
    # 3 and 9 stand on different sides of 5, so that both indexes of the walk are used
    world = graph([(5, 9, "2010-01-01", None), (5, 3, "2010-01-01", None)], [(1, 3), (1, 9)])
    check(installed, world, Call(5, max_edges_per_hop=1), [(1, (3, 5))])


def test_only_the_viewer_opens_paths_in_importer_scope(installed: Connection[Any]) -> None:
    edges = [(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None)]
    world = graph(edges, [(1, 3), (2, 2), (2, 1)])  # 2 is walked over, though not the viewer's
    check(installed, world, Call(1, seed_scope="importer"), [(1, (3, 2, 1))])
    check(installed, world, Call(1, viewer=9, seed_scope="importer"), [])


def test_a_user_by_several_sources_counts_once(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None)], [])
    memberships = tuple(Membership(1, 2, 1, source) for source in (0, 5, 10))
    check(installed, replace(world, memberships=memberships), Call(1), [(1, (2, 1))])


def test_sources_outside_the_network_and_rows_of_nobody_do_not_count(
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
    for function in (*DEEP_FINDERS, *LEGACY_FINDERS):
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
    assert loaded.find("deep_finder", Call(1))[0][3:] == ([None], [None], [None], loaded.today)
    assert loaded.find_paths(Call(1), "v2")["paths"][0]["hops"][0]["kind"] == FRIEND
    check(installed, world, Call(1, max_edges_per_hop=2), [(1, (2, 1)), (1, (3, 1))])
    check(installed, world, Call(1, max_edges_per_hop=1), [(1, (2, 1))])


def test_equally_recent_kinds_are_told_apart_by_the_order_of_the_enum(
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
    capped = [(1, (leaf, 1)) for leaf in latest[:15]]
    check(installed, world, Call(1, max_edges_per_hop=15), [(1, (1,)), *capped])
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
    capped = [(1,), (2, 1), (3, 2, 1), (4, 3, 2, 1)]
    check(installed, world, Call(1, max_edges_per_hop=1), [(1, chain) for chain in capped])


def test_all_dates_equal(installed: Connection[Any]) -> None:
    edges = [(1, contact, "2010-01-01", "2010-01-01") for contact in (5, 4, 3, 2)]
    world = graph(edges, [(user, contact) for user in (3, 2, 1) for contact in (5, 4, 3, 2)])
    expected = [(user, (contact, 1)) for user in (2, 1, 3) for contact in (2, 3, 4, 5)]
    check(installed, world, Call(1, viewer=2), expected)
    check(installed, world, Call(1, viewer=2, max_paths=5), expected[:5])


def test_nothing_is_found_beyond_the_collection(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None)], [(1, 2)])
    elsewhere = replace(world, memberships=(*world.memberships, Membership(1, 3, 2, 0)))
    check(installed, elsewhere, Call(1), [(1, (2, 1))])
    check(installed, elsewhere, Call(1, collection=2), [])


@pytest.mark.parametrize("call", [Call(999), Call(1, collection=999), Call(1, viewer=999, seed_scope="importer")])
def test_an_unknown_contact_collection_or_user_is_an_empty_answer(installed: Connection[Any], call: Call) -> None:
    check(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]), call, [])


# Who is not to be asked

STAR = graph([(1, contact, "2010-01-01", f"20{30 - contact}-01-01") for contact in range(2, 20)], [(1, 1), (1, 2)])


def star(members: Iterable[int], do_not_ask: Iterable[tuple[int, int]] = ()) -> World:
    """Contacts 2 to 19 know contact 1, the smaller the more recently; user 1 brought the members."""
    memberships = tuple(Membership(1, contact, 1, 0) for contact in members)
    return replace(STAR, memberships=memberships, do_not_ask=frozenset(do_not_ask))


def test_nobody_is_asked_who_is_not_to_be_asked(installed: Connection[Any]) -> None:
    world = star([2, 3, 4], [(1, 3), (2, 4)])  # 4 is not to be asked in another collection
    check(installed, world, Call(1), [(1, (2, 1)), (1, (4, 1))])
    loaded = check(
        installed, replace(world, do_not_ask=frozenset()), Call(1), [(1, (contact, 1)) for contact in (2, 3, 4)]
    )
    for impl in ("v1", "v2"):
        call = Call(1, excluded=(3, 3, 999, 2))
        assert [path["contact_ids"] for path in loaded.find_paths(call, impl)["paths"]] == [[4, 1]]
        assert loaded.agrees(call, impl)


def test_nobody_is_walked_through_who_is_not_to_be_asked(installed: Connection[Any]) -> None:
    edges = [
        (1, 2, "2010-01-01", None),
        (2, 3, "2010-01-01", None),
        (1, 4, "2010-01-01", None),
        (3, 4, "2010-01-01", None),
    ]
    world = replace(graph(edges, [(1, 2), (1, 3), (1, 4)]), do_not_ask=frozenset({(1, 2)}))
    check(installed, world, Call(1), [(1, (4, 1)), (1, (3, 4, 1))])


def test_whom_not_to_ask_may_still_be_the_target(installed: Connection[Any]) -> None:
    world = star([1, 2], [(1, 1)])
    loaded = check(installed, world, Call(1), [(1, (1,)), (1, (2, 1))])
    for impl in ("v1", "v2"):
        for excluded in ((1,), (1, 2)):
            assert loaded.agrees(Call(1, excluded=excluded), impl)
    assert loaded.find_paths(Call(1, excluded=(1,)), "v2")["total"] == 2
    assert check(installed, world, Call(2), [(1, (2,))]).find_paths(Call(2), "v2")["total"] == 1


def test_who_is_not_to_be_asked_spends_no_budget(installed: Connection[Any]) -> None:
    # the 15 most recent edges are spent on those who can be asked
    world = star(range(2, 20), [(1, contact) for contact in range(2, 5)])
    check(installed, world, Call(1, max_edges_per_hop=2), [(1, (5, 1)), (1, (6, 1))])
    loaded = check(installed, star(range(2, 20)), Call(1, max_edges_per_hop=1), [(1, (2, 1))])
    answer = loaded.find_paths(Call(1, excluded=(2, 3, 4, 5)), "v2")
    assert [path["contact_ids"][0] for path in answer["paths"]] == [*range(6, 20)]


def test_a_path_more_than_wanted_is_none_through_the_excluded(installed: Connection[Any]) -> None:
    loaded = enter(installed, star([2, 3]))
    answer = loaded.find_paths(Call(1, max_paths=1, excluded=(3,)), "v2")
    assert (answer["total"], answer["truncated"], answer["why"]) == (1, False, None)


def test_rows_that_come_and_go_count_at_the_next_call(installed: Connection[Any]) -> None:
    loaded = enter(installed, star([2, 3]))
    for statement, expected in (
        ("INSERT INTO connection_paths.do_not_ask VALUES (1, 2)", [3]),
        ("INSERT INTO connection_paths.do_not_ask VALUES (1, 3)", []),
        ("DELETE FROM connection_paths.do_not_ask WHERE contact_id = 2", [2]),
        ("DELETE FROM connection_paths.do_not_ask", [2, 3]),
    ):
        installed.execute(statement.encode())
        for depth in (2, 3):
            for function in DEEP_FINDERS:
                found = [row[2][0] for row in loaded.find(function, Call(1, max_depth=depth))]
                assert found == expected, (statement, function)
        for function in LEGACY_FINDERS:
            assert [row[2][0] for row in loaded.find(function, Call(1))] == expected, (statement, function)
        for impl in ("v1", "v2"):
            assert [path["contact_ids"][0] for path in loaded.find_paths(Call(1), impl)["paths"]] == expected


def test_a_null_among_the_excluded_is_refused(installed: Connection[Any]) -> None:
    for excluded in ([None], [1, None, 2]):
        with pytest.raises(psycopg.errors.NullValueNotAllowed, match="excluded_contact_ids") as caught:
            installed.execute(
                "SELECT connection_paths.find_paths(1, 1, 1, excluded_contact_ids => %s::bigint[])", [excluded]
            )
        assert caught.value.diag.message_hint


# Why no more were found

FAR = graph(
    [(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None), (3, 4, "2010-01-01", None)], [(1, 2), (1, 3), (2, 4)]
)


def crowded(size: int, stranger: int | None = None) -> World:
    """A target 1 with so many edges, and a collection of as many others; contact 700, known longest, is in both."""
    edges = [(1, 1000 + number, "2010-01-01", None) for number in range(size - 1)]
    members = [(1, 3000 + number) for number in range(size - 1)]
    return graph([*edges, (1, 700, "2010-01-01", "2011-01-01")], members if stranger == 700 else [*members, (1, 700)])


@pytest.mark.parametrize(
    ("world", "call", "reason"),
    [
        (FAR, Call(999), "unknown_target"),
        (FAR, Call(1, collection=999), "empty_collection"),
        (FAR, Call(1, viewer=9, seed_scope="importer"), "viewer_brought_nobody"),
        (replace(FAR, contacts=FAR.contacts | {5}), Call(5), "target_has_no_edges"),
        (graph([(1, 2, "2010-01-01", None)], [(1, 3)]), Call(1), "no_edge_to_a_member"),
        (replace(FAR, do_not_ask=frozenset({(1, 2)})), Call(1), "all_excluded"),
        (FAR, Call(1, excluded=(2,)), "all_excluded"),
        (crowded(600), Call(1, viewer=9, seed_scope="importer"), "viewer_brought_nobody"),
        (replace(crowded(600), do_not_ask=frozenset({(1, 700)})), Call(1, max_depth=2), "all_excluded"),
        (crowded(600, stranger=700), Call(1, max_depth=2), "no_edge_to_a_member"),
        (FAR, Call(1, max_depth=1), "depth_limit"),
        (FAR, Call(1, max_depth=3), "depth_limit"),
        (FAR, Call(1, viewer=2, max_depth=3, seed_scope="importer"), "depth_limit"),
        (FAR, Call(1, max_depth=5), "exhausted"),
        (star(range(2, 20)), Call(1), "edge_limit"),
    ],
)
def test_the_reason_why_no_more_were_found(installed: Connection[Any], world: World, call: Call, reason: str) -> None:
    loaded = enter(installed, world)
    assert loaded.find_paths(call, "v2")["why"]["reason"] == reason
    for impl in ("v1", "v2"):
        assert loaded.agrees(call, impl)


def test_nobody_reads_a_large_collection_to_say_why(installed: Connection[Any]) -> None:
    """Up to 10,000 entries it is looked whether the viewer brought anybody."""
    loaded = enter(installed, crowded(600))
    call = Call(1, viewer=9, max_depth=2, seed_scope="importer")
    for more, reason in ((9_400, "viewer_brought_nobody"), (1, "depth_limit")):
        installed.execute(
            "INSERT INTO public.user_contact_collections SELECT 1, 5000 + n, 1, 0 FROM generate_series(1, %s) AS n",
            [more],
        )
        assert loaded.find_paths(call, "v2")["why"]["reason"] == reason


def test_a_full_answer_says_no_why(installed: Connection[Any]) -> None:
    loaded = enter(installed, star(range(2, 10)))
    for impl in ("v1", "v2"):
        for wanted in (1, 7, 8):
            assert loaded.find_paths(Call(1, max_paths=wanted), impl)["why"] is None
        assert loaded.find_paths(Call(1, max_paths=9), impl)["why"] is not None


def test_what_is_counted(installed: Connection[Any]) -> None:
    friends = {(1, 2): Edge(FRIEND, None, None, None)}  # an edge more between people who know each other anyway
    world = replace(star([2, 3, 4, 30], [(1, 3), (1, 30), (2, 4)]), extra_edges=friends)
    loaded = enter(installed, world)
    assert loaded.find_paths(Call(1, excluded=(4, 31)), "v2")["why"] == {
        "reason": "exhausted",
        "collection_members": 4,
        "target_edges": 19,
        "target_edges_to_members": 4,
        "target_edges_to_excluded": 2,
        "excluded": 4,
        "level_reached": 2,
        "caps_hit": False,
        "max_edges_per_hop": 15,
        "counted_to": 500,
        "counts_are_exact": True,
    }


def test_the_defaults(installed: Connection[Any]) -> None:
    edges = [(1, contact, "2010-01-01", None) for contact in range(2, 32)]
    world = graph(edges, [(user, contact) for user in (1, 2) for contact in range(2, 32)])
    loaded = enter(installed, world)
    defaults = Call(1, max_depth=2, max_paths=25, max_edges_per_hop=15)
    for function, expected in (
        ("deep_finder", loaded.expect(defaults)),
        ("legacy_finder", loaded.expect_legacy(defaults)),
    ):
        query = sql.SQL("SELECT * FROM connection_paths.{}(1, 1, 1)")
        rows = installed.execute(query.format(sql.Identifier(function))).fetchall()
        assert rows == expected
    found = installed.execute("SELECT connection_paths.find_paths(1, 1, 1)").fetchone()
    assert found is not None
    assert found[0] == loaded.find_paths(defaults, None)
    assert loaded.agrees(defaults, None, "v2")


def test_truncated_counts_groups_not_users(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None)], [(user, 2) for user in (1, 2, 3)])
    loaded = check(installed, world, Call(1, max_paths=1), [(1, (2, 1))])
    answer = loaded.find_paths(Call(1, max_paths=1), "v2")
    assert (answer["total"], answer["truncated"]) == (1, False)
    assert answer["paths"][0]["user_ids"] == [1, 2, 3]


# Bad arguments

DEEP: dict[str, Any] = {
    "target_contact_id": 1,
    "collection_id": 1,
    "viewer_user_id": 1,
    "max_depth": 2,
    "max_paths": 25,
    "seed_scope": "any",
    "max_edges_per_hop": 15,
}
LEGACY = {name: DEEP[name] for name in DEEP if name not in ("max_depth", "max_edges_per_hop")}
FIND = {name: DEEP[name] for name in DEEP if name != "max_edges_per_hop"} | {
    "impl": "v2",
    "time_budget_ms": 1500,
    "excluded_contact_ids": [],
}
CONTACT = {"contact_id": 1}
SIGNATURES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(DEEP_FINDERS, DEEP),
    **dict.fromkeys(LEGACY_FINDERS, LEGACY),
    "find_paths": FIND,
    "backfill_contact": CONTACT,
}
MAY_BE_NULL = ("max_edges_per_hop", "impl")
OUT_OF_RANGE: dict[str, tuple[Any, ...]] = {
    "max_depth": (0, 7, -1),
    "max_paths": (0, 1001),
    "seed_scope": ("x", "", "ANY"),
    "max_edges_per_hop": (0, -1),
    "impl": ("v9", ""),
    "time_budget_ms": (0, -1),
    "excluded_contact_ids": ([1] * 10_001, list(range(10_001))),
}


def call_by_name(connection: Connection[Any], function: str, arguments: dict[str, Any]) -> None:
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(
            sql.Identifier(name),
            sql.SQL("{}::bigint[]").format(value) if isinstance(value, list) else sql.Literal(value),
        )
        for name, value in arguments.items()
    )
    connection.execute(sql.SQL("SELECT * FROM connection_paths.{}({})").format(sql.Identifier(function), named))


@pytest.mark.parametrize(
    ("function", "argument", "value"),
    [
        (function, argument, value)
        for function, signature in SIGNATURES.items()
        for argument in signature
        for value in (
            *([] if argument in MAY_BE_NULL else [None]),
            *OUT_OF_RANGE.get(argument, ()),
        )
    ],
)
def test_a_bad_argument_is_named_and_a_hint_given(
    installed: Connection[Any], function: str, argument: str, value: Any
) -> None:
    load(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]))
    with pytest.raises(psycopg.Error) as caught:
        call_by_name(installed, function, SIGNATURES[function] | {argument: value})
    diagnosis = caught.value.diag
    assert diagnosis.sqlstate == ("22004" if value is None else "22023")
    assert argument in (diagnosis.message_primary or "")
    assert diagnosis.message_hint


@pytest.mark.parametrize("function", SIGNATURES)
def test_good_arguments_by_name_even_at_their_limits(installed: Connection[Any], function: str) -> None:
    load(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]))
    limits = {
        "max_depth": (1, 6),
        "max_paths": (1, 1000),
        "seed_scope": ("any", "importer"),
        "max_edges_per_hop": (1, 2**31 - 1, None),
        "impl": ("v1", "v2", None),
        "time_budget_ms": (1, 2**31 - 1),
        "excluded_contact_ids": ([], [2**63 - 1, -(2**63), 2**63 - 1], list(range(10_000)), [1] * 10_000),
    }
    for argument in SIGNATURES[function]:
        for value in limits.get(argument, (1, 2**63 - 1)):
            call_by_name(installed, function, SIGNATURES[function] | {argument: value})
