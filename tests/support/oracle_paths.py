"""Paths computed a second time, by a search in simple Python, to compare the finders with.

Quotations are from the design, §1 to §3, and from the header of find_paths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from tests.support.finder_options import FILTERS, ORDERS, Call, weakest
from tests.support.oracle import Layers, latest_first, overlap_days, tier
from tests.support.world import Edge, Pair, World

Chain = tuple[int, ...]  # contact ids, from the user's contact to the target
Answer = TypeVar("Answer")
Row = tuple[int, int, list[int], list[int | None], list[date | None], list[date | None], date | None, int | None]


def users(world: World, collection: int) -> Mapping[int, set[int]]:
    """The members of a collection, each with the users who brought it in."""
    return world.users.get(collection, {})


def openers_of(world: World, collection: int) -> Mapping[int, set[int]]:
    """The users who can open a path at each member."""
    return world.openers.get(collection, {})


def in_do_not_ask(world: World, collection: int) -> set[int]:
    """The contacts of do_not_ask for a collection; “collection_id NULL = everywhere”."""
    return {contact for of, contact in world.do_not_ask if of in (collection, None)}


def asked_too_often(world: World, collection: int) -> set[int]:
    """Who was asked as often as a limit allows, within its window; withdrawn requests do not count."""
    return {
        contact
        for limit in world.limits
        if limit.collection_id in (collection, None)
        for contact, number in Counter(
            request.introducer_contact_id
            for request in world.requests
            if limit.collection_id in (request.collection_id, None)
            and request.days_ago < limit.per_days
            and request.outcome != "withdrawn"
        ).items()
        if number >= limit.max_requests
    }


def introducers(world: World, collection: int, excluded: Collection[int] = ()) -> frozenset[int]:
    """The members who may stand on a path before its target.

    “People not to be asked in this search, besides the collection's in do_not_ask: they stand on no path but as its
    target.”
    """
    not_to_be_asked = in_do_not_ask(world, collection) | asked_too_often(world, collection) | {*excluded}
    return frozenset(users(world, collection)) - not_to_be_asked


@dataclass(frozen=True, eq=False)
class Graph:
    """The edges that a search may follow: one for each pair. They do not change."""

    every_edge: Layers
    order_by: str = "recency"
    filters: tuple[tuple[str, Any], ...] = ()  # see Call

    def passes(self, edge: Edge) -> bool:
        """“Filters, all before any limit”: an edge that does not pass does not exist for the search."""
        return all(FILTERS[name](edge, value) for name, value in self.filters)

    def best_first(self, edge: Edge) -> tuple[int, int]:
        """“date_to DESC NULLS FIRST”; 'strength': “strength DESC, then as for recency”."""
        return (ORDERS[self.order_by].edge(edge), latest_first(edge.date_to))

    @cached_property
    def edges(self) -> Mapping[Pair, Edge]:
        """“A neighbour reachable by several kinds counts once, by its best edge.”

        Of equally good ones, the kind that comes first in the enum.
        """
        found = {}
        for pair, edges in self.every_edge.items():
            passing = list(filter(self.passes, edges) if self.filters else edges)
            if passing:
                found[pair] = passing[0] if len(passing) == 1 else min(passing, key=self.best_first)
        return found

    @cached_property
    def neighbours(self) -> Mapping[int, list[int]]:
        """The neighbours of each contact, the best edge first, “then the smaller neighbour id”."""
        found: dict[int, list[tuple[tuple[int, int], int]]] = {}
        for (a, b), edge in self.edges.items():
            place_of_edge = self.best_first(edge)
            found.setdefault(a, []).append((place_of_edge, b))
            found.setdefault(b, []).append((place_of_edge, a))
        return {contact: [other for _, other in sorted(others)] for contact, others in found.items()}

    @cached_property
    def _described(self) -> dict[tuple[Chain, date], Described]:
        return {}

    def describe(self, chain: Chain, today: date) -> Described:
        """Describe a chain, once: calls that differ only in their limits return the same chains."""
        if (chain, today) not in self._described:
            path = [self.edges[min(pair), max(pair)] for pair in pairwise(chain)]
            self._described[chain, today] = Described(self.order_by, chain, path, today)
        return self._described[chain, today]


@dataclass(frozen=True, eq=False)
class Described:
    """What both finders return of a chain, whatever the other arguments of the call are.

    Most chains of a large world are only put in order. So what a path shows is computed when it is looked at.
    """

    order_by: str
    chain: Chain
    path: list[Edge]
    today: date

    @cached_property
    def recency(self) -> date | None:
        return recency(self.path, self.today)

    @cached_property
    def strength(self) -> int | None:
        return weakest(self.path)

    @cached_property
    def place(self) -> tuple[int, int, int]:
        """The place of a path without its user and contacts.

        'recency': “depth; recency descending”. 'strength': “depth; the weakest link's strength descending; then as for
        recency”.
        """
        return (len(self.path), ORDERS[self.order_by].path(self.path), latest_first(self.recency))

    @cached_property
    def columns(self) -> tuple[list[int | None], list[date | None], list[date | None]]:
        """The organizations of the edges, their first days and their last days."""
        return (
            [edge.organization_id for edge in self.path],
            [edge.date_from for edge in self.path],
            [edge.date_to for edge in self.path],
        )

    @cached_property
    def hops(self) -> list[dict[str, Any]]:
        return [
            {
                "from": start,
                "to": end,
                "kind": edge.kind,
                "organization_id": edge.organization_id,
                "date_from": _iso(edge.date_from),
                "date_to": _iso(edge.date_to),
                "strength": edge.strength,
                "tier": tier(edge.strength),
                "overlap_days": overlap_days(edge, self.today),
                "people": edge.people,
                "shared_organizations": edge.shared_organizations,
            }
            for (start, end), edge in zip(pairwise(self.chain), self.path, strict=True)
        ]


@dataclass(frozen=True)
class Walk:
    """What a search looks at."""

    chains: tuple[Chain, ...]
    is_cut: bool  # the search did not go on from some chain, or did not look at some chain, because of the cap


@lru_cache(maxsize=4)  # a test asks for the rows, the document and the reason of the same search
def walk(graph: Graph, introducers: frozenset[int], target: int, max_depth: int, max_edges_per_hop: int | None) -> Walk:
    """Every chain that the search looks at, from the target alone to chains of *max_depth* contacts.

    The search goes backward from the target. It follows edges to members who may be asked and are not on the chain
    already, the best edge first. All of that is checked before the cap.

    “Depth 2 is complete”: each such neighbour of the target makes a chain of two contacts, whatever the cap. The cap
    bounds from which of these chains the search goes on: only from the first *max_edges_per_hop* of them. From depth 3
    on, the first *max_edges_per_hop* neighbours of a chain make a chain each, and there are no others.
    """

    def longer(chain: Chain) -> list[Chain]:
        """The chain with each neighbour in front of it, the one with the best edge first."""
        return [
            (contact, *chain)
            for contact in graph.neighbours.get(chain[0], ())
            if contact in introducers and contact not in chain
        ]

    fronts: list[Chain] = [(target,)]  # the search goes on from these
    chains, is_cut = list(fronts), False
    for depth in range(2, max_depth + 1):
        candidates = [longer(chain) for chain in fronts]
        first = [chains_of_one[:max_edges_per_hop] for chains_of_one in candidates]
        fronts = [chain for chains_of_one in first for chain in chains_of_one]
        chains += candidates[0] if depth == 2 else fronts
        is_cut |= first != candidates and max_depth > 2
    return Walk(tuple(chains), is_cut)


def recency(path: list[Edge], today: date) -> date | None:
    """“The latest date_to on the path, NULL or a future date counting as today”.

    “Depth 1 has none.”
    """
    return max((min(edge.date_to or today, today) for edge in path), default=None)


def may_open(user: int, call: Call) -> bool:
    """“any: any user of the collection may open. importer: only the viewer.” And opener_user_ids: only these."""
    return (call.seed_scope == "any" or user == call.viewer) and (call.openers is None or user in call.openers)


def at_most_per_introducer(
    paths: Iterable[tuple[Chain, Answer]], max_per_introducer: int | None
) -> list[tuple[Chain, Answer]]:
    """“max_per_introducer: at most so many of the returned paths end with the same contact before the target.”"""
    kept, number = [], Counter[int]()
    for chain, answer in paths:
        if len(chain) > 1:
            number[chain[-2]] += 1
        if len(chain) == 1 or max_per_introducer is None or number[chain[-2]] <= max_per_introducer:
            kept.append((chain, answer))
    return kept


def deep_finder(graph: Graph, world: World, call: Call, today: date) -> list[Row]:
    """“One row per path (user and contact chain), at most max_paths”, in the order of §3."""
    opened_by = openers_of(world, call.collection)
    found: list[tuple[tuple[tuple[int, int, int], bool, int, Chain], Described]] = []
    may_be_asked = introducers(world, call.collection, call.excluded)
    for chain in walk(graph, may_be_asked, call.target, call.max_depth, call.max_edges_per_hop).chains:
        for user in opened_by.get(chain[0], ()):
            if may_open(user, call):
                about = graph.describe(chain, today)
                # “the viewer's own first; user id; contact ids”
                found.append(((about.place, user != call.viewer, user, chain), about))
    in_order = ((chain, (user, about)) for (_, _, user, chain), about in sorted(found, key=lambda each: each[0]))
    return [
        (len(chain), user, list(chain), *about.columns, about.recency, about.strength)
        for chain, (user, about) in at_most_per_introducer(in_order, call.max_per_introducer)[: call.max_paths]
    ]


def find_paths(graph: Graph, world: World, call: Call, today: date) -> tuple[list[dict[str, Any]], int]:
    """The paths of find_paths: “one entry, all its users, the viewer first”; and their number without max_paths.

    “Where paths are grouped by contact chain: depth, recency, chains the viewer can open
    first, contact ids.”
    """
    opened_by = openers_of(world, call.collection)
    groups: list[tuple[tuple[tuple[int, int, int], bool, Chain], tuple[list[int], Described]]] = []
    may_be_asked = introducers(world, call.collection, call.excluded)
    for chain in walk(graph, may_be_asked, call.target, call.max_depth, call.max_edges_per_hop).chains:
        users_of_path = [
            user
            for user in sorted(opened_by.get(chain[0], ()), key=lambda user: (user != call.viewer, user))
            if may_open(user, call)
        ]
        if users_of_path:
            about = graph.describe(chain, today)
            groups.append(((about.place, call.viewer not in users_of_path, chain), (users_of_path, about)))
    in_order = ((order[-1], group) for order, group in sorted(groups, key=lambda group: group[0]))
    found = at_most_per_introducer(in_order, call.max_per_introducer)
    returned = [
        {
            "depth": len(chain),
            "user_ids": users_of_path,
            "contact_ids": list(chain),
            "recency": _iso(about.recency),
            "strength": about.strength,
            "tier": tier(about.strength),
            "hops": about.hops,
        }
        for chain, (users_of_path, about) in found[: call.max_paths]
    ]
    return returned, len(found)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
