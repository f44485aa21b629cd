"""Calls of the finders, and what the oracle expects of each: shared by the tests of the finders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

from psycopg import Connection

from orchestrator.finders.question import OPTIONS
from tests.support import oracle, oracle_paths, oracle_reasons
from tests.support.finder_options import Call
from tests.support.oracle_paths import Row
from tests.support.world import Edge, Experience, Membership, Pair, World, load, load_edges


@dataclass(frozen=True)
class Limits:
    """Constants of why_no_more, which a test may lower."""

    few_paths: int = oracle_reasons.FEW
    counted_to: int = oracle_reasons.COUNTED_TO
    looked_through: int = oracle_reasons.LOOKED_THROUGH


USUAL = Limits()


@dataclass(frozen=True)
class Loaded:
    """A world that is in the database, with its edges."""

    connection: Connection[Any]
    world: World
    work: oracle.Layers
    every_edge: oracle.Layers
    today: date
    followed: oracle.Layers | None = None  # where others are known to be on no path

    @cached_property
    def edges(self) -> Mapping[Pair, Edge]:
        """The best edge of each pair by recency."""
        return oracle_paths.Graph(self.followed or self.every_edge).edges

    def _graph(self, call: Call, *, of_work: bool = False) -> oracle_paths.Graph:
        """The edges that exist for a call."""
        key = (call.order_by, call.filters, of_work)
        if key not in self._graphs:
            layers = self.work if of_work else self.followed or self.every_edge
            self._graphs[key] = oracle_paths.Graph(layers, call.order_by, call.filters)
        return self._graphs[key]

    @cached_property
    def _graphs(self) -> dict[tuple[Any, ...], oracle_paths.Graph]:
        return {}

    def find(self, function: str, call: Call) -> list[Row]:
        """The rows of deep_finder, or of another function of its signature that *function* names with its schema."""
        if "." in function:
            return self._select(f"* FROM {function}", call, call.arguments(lambda each: each.is_early))
        return self._select(f"* FROM connection_paths.{function}", call, call.arguments(lambda each: each.is_of_rows))

    def _select(self, function: str, call: Call, options: Mapping[str, Any]) -> list[Any]:
        """The rows of a function, called with these options by name."""
        named = "".join(f", {name} => %({name})s::{OPTIONS[name].type}" for name in options)
        statement = f"SELECT {function}(%(target)s, %(collection)s, %(viewer)s{named})"
        return self.connection.execute(statement.encode(), {**vars(call), **options}).fetchall()

    def find_legacy(self, call: Call) -> list[Row]:
        """The rows of legacy_finder."""
        return self.connection.execute(
            "SELECT * FROM connection_paths.legacy_finder(%s, %s, %s, max_paths => %s, seed_scope => %s)",
            [call.target, call.collection, call.viewer, call.max_paths, call.seed_scope],
        ).fetchall()

    def expect(self, call: Call) -> list[Row]:
        """The rows that deep_finder should return."""
        call = call.of_rows()
        return self._expect(self._graph(call), call)

    def expect_legacy(self, call: Call) -> list[Row]:
        """The rows that legacy_finder should return: paths of work experiences, at most two contacts, no cap."""
        plain = replace(call.plain(), max_depth=2, max_edges_per_hop=None)
        return self._expect(self._graph(plain, of_work=True), plain)

    def _expect(self, graph: oracle_paths.Graph, call: Call) -> list[Row]:
        return oracle_paths.deep_finder(graph, self.world, call, self.today)

    def find_paths(self, call: Call, impl: str | None) -> dict[str, Any]:
        """The document of find_paths."""
        options = call.arguments(lambda _: True) | {"impl": impl, "time_budget_ms": 60_000}
        ((answer,),) = self._select("connection_paths.find_paths", call, options)
        found: dict[str, Any] = answer
        return found

    def expect_paths(self, call: Call, impl: str) -> dict[str, Any]:
        """The document that find_paths should return, without its part why: see hold_why."""
        meant = call.of_legacy() if impl == "v1" else call
        graph = self._graph(call, of_work=impl == "v1")
        returned, total = oracle_paths.find_paths(graph, self.world, meant, self.today)
        return {
            "impl": impl,
            "total": len(returned),
            "truncated": total > len(returned),
            "complete": True,
            "paths": returned,
        }

    def agrees(self, call: Call, impl: str | None, meant: str | None = None) -> bool:
        """Whether the whole document of find_paths is right; *meant* is the implementation that None stands for."""
        answer = self.find_paths(call, impl)
        why = answer.pop("why")
        if answer != self.expect_paths(call, meant or impl or answer["impl"]):
            return False
        if why is None or answer["total"] == call.max_paths:
            return why is None and answer["total"] == call.max_paths
        self.hold_why(why, call, answer)
        return True

    def facts(self, call: Call, impl: str) -> oracle_reasons.Facts:
        """What is true of a call of find_paths."""
        meant = call.of_legacy() if impl == "v1" else call
        return oracle_reasons.facts(
            self.work if impl == "v1" else self.every_edge,
            self._graph(call, of_work=impl == "v1"),
            self.world,
            meant,
            unresolved=self._unresolved(call.target),
        )

    def _unresolved(self, target: int) -> int | None:
        """Return how many work experiences of the target have an unresolved company name; None: names are off."""
        row = self.connection.execute("SELECT i.resolves_names FROM connection_paths.installation AS i").fetchone()
        if row != (True,):
            return None
        decided = {
            name for (name,) in self.connection.execute("SELECT company_name FROM connection_paths.name_decisions")
        }
        return sum(
            each.contact_id == target
            and each.organization_id is None
            and oracle.has_dates(each)
            and 0 < len(each.company_name or "") <= 200
            and each.company_name not in decided
            for each in self.world.experiences
        )

    def hold_why(
        self,
        why: Mapping[str, Any],
        call: Call,
        answer: Mapping[str, Any],
        limits: Limits = USUAL,
    ) -> oracle_reasons.Facts:
        """Compare the reason and every number of a complete answer with what is true."""
        impl, found = answer["impl"], {tuple(path["contact_ids"]) for path in answer["paths"]}
        true = self.facts(call, impl)
        assert oracle_reasons.holds(why["reason"], true, call.seed_scope, found), (why, true)
        assert why["reason"] in oracle_reasons.possible_reasons(
            true, call.seed_scope, found, limits.counted_to, limits.looked_through, impl == "v1"
        ), (why, true)
        assert why["level_reached"] == true.level_reached, (why, true)
        assert why["caps_hit"] == true.is_cut, (why, true)
        assert why["max_edges_per_hop"] == true.max_edges_per_hop
        assert why["counted_to"] == limits.counted_to
        counts = {
            "collection_members": (true.members, True),
            "target_edges": (true.target_edges, True),
            "target_edges_to_members": (true.target_edges_to_members, why["counts_are_exact"]),
            "target_edges_to_excluded": (true.target_edges_to_excluded, why["counts_are_exact"]),
            "excluded": (true.excluded, True),
        }
        if answer["total"] >= limits.few_paths:
            assert {why[name] for name in (*counts, "target_edges_passing", "counts_are_exact")} == {None}
            return true
        for name, (truth, is_exact) in counts.items():
            assert oracle_reasons.number_is_right(why[name], truth, limits.counted_to, is_exact), (name, why, true)
        if not call.filters:
            assert why["target_edges_passing"] is None
        else:
            assert why["target_edges_passing"] == min(true.target_edges_passing, limits.counted_to)
        experiences = {
            "target_experiences_unresolved": true.experiences_unresolved,
            "target_experiences_excluded": true.experiences_excluded,
        }
        for name, number in experiences.items():
            is_counted = number is not None and not found
            assert why[name] == (min(number or 0, limits.counted_to) if is_counted else None), (name, why, true)
        is_exact = true.members < limits.counted_to or true.target_edges_passing < limits.counted_to or impl == "v1"
        assert why["counts_are_exact"] == is_exact
        return true


def enter(connection: Connection[Any], world: World) -> Loaded:
    """Load a world and the edges that its work experiences make."""
    load(connection, world)
    work = oracle.edges(world)
    load_edges(connection, work)
    connection.execute("TRUNCATE connection_paths.finder_rollout")
    row = connection.execute("SELECT current_date").fetchone()
    assert row is not None
    of_work = {pair: [edge] for pair, edge in work.items()}
    return Loaded(connection, world, of_work, oracle.every_edge(world, work), row[0])


Path = tuple[int, tuple[int, ...]]  # a user, then the contacts up to the target


def graph(
    edges: Iterable[tuple[int, int, str, str | None]],
    members: Iterable[tuple[int, int]],
    extra_edges: dict[Pair, Edge] | None = None,
) -> World:
    """A world of edges (contact, contact, date_from, date_to) and of members (user, contact) of collection 1.

    Each edge has an organization of its own, numbered from 101.
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
    """Compare the oracle and all finders with the paths that an example expects."""
    loaded = enter(connection, world)
    rows = loaded.expect(call)
    assert [(row[1], tuple(row[2])) for row in rows] == list(expected)
    assert loaded.find("deep_finder", call) == rows
    assert loaded.find_legacy(call) == loaded.expect_legacy(call)
    for impl in ("v1", "v2"):
        assert loaded.agrees(call, impl), impl
    return loaded


#: Contacts 2 to 19 worked with contact 1, the smaller ones more recently.
STAR = graph([(1, contact, "2010-01-01", f"20{30 - contact}-01-01") for contact in range(2, 20)], [(1, 1), (1, 2)])


def star(members: Iterable[int], do_not_ask: Iterable[tuple[int, int]] = ()) -> World:
    """The world STAR with other members, all brought by user 1."""
    memberships = tuple(Membership(1, contact, 1, 0) for contact in members)
    return replace(STAR, memberships=memberships, do_not_ask=frozenset(do_not_ask))
