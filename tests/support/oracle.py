"""Edges and paths computed a second time, in simple Python, to compare the SQL with.

Quotations are from the design, §1 to §3, and from the headers of find_paths and why_no_more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from typing import Any, TypeVar

from tests.support.world import MEMBER_SOURCES, TODAY, WORK_OVERLAP, Edge, Experience, Pair, World

Chain = tuple[int, ...]  # contact ids, from the user's contact to the target
Answer = TypeVar("Answer")
COUNTED_TO, FEW, LOOKED_THROUGH = 500, 5, 10_000  # of why_no_more
Row = tuple[int, int, list[int], list[int | None], list[date | None], list[date | None], date | None, int | None]
Layers = Mapping[Pair, Collection[Edge]]  # every edge of a pair: one of each kind, in the order of the enum


def resolved(experience: Experience, world: World) -> Experience:
    """“Experiences with only a company name make no edge until the name is resolved.”

    “Accepted ones take part in edges like any other experience.”
    """
    if experience.organization_id is not None:
        return experience
    return experience._replace(organization_id=world.resolved_names.get(experience.company_name or ""))


def has_dates(experience: Experience) -> bool:
    """“date_from present, date_to absent or ≥ date_from”."""
    return experience.date_from is not None and (
        experience.date_to is None or experience.date_to >= experience.date_from
    )


def usable(experience: Experience, world: World) -> bool:
    """“organization present”, and the dates, too.

    And the organization exists and may make edges, and the contact exists.
    """
    return (
        experience.organization_id in world.organizations
        and world.policies.get(experience.organization_id, 1) is not None
        and experience.contact_id in world.contacts
        and has_dates(experience)
    )


def latest_first(day: date | None) -> int:
    """“date_to DESC NULLS FIRST”, as a sort key."""
    return -(date.max.toordinal() + 1) if day is None else -day.toordinal()


def overlap(one: Experience, other: Experience) -> Edge | None:
    """“date ranges intersect, ends included, date_to IS NULL meaning ongoing”.

    “The row holds the intersection (date_to NULL when both go on).”
    """
    assert one.date_from is not None
    assert other.date_from is not None
    start = max(one.date_from, other.date_from)
    ends = [day for day in (one.date_to, other.date_to) if day is not None]
    end = min(ends) if ends else None
    if end is not None and end < start:
        return None
    return Edge(WORK_OVERLAP, one.organization_id, start, end)


def is_long_enough(edge: Edge, world: World, today: date) -> bool:
    """“long_overlaps = only intersections of at least min_overlap_days”; an ongoing one counts until today."""
    assert edge.date_from is not None
    assert edge.organization_id is not None
    days = (min(edge.date_to or today, today) - edge.date_from).days + 1
    return days >= (world.policies.get(edge.organization_id) or 1)


def size_class(people: int) -> int:
    """“1, 2, 5, 10, 20, 50, 100 and so on: the nearest one, in proportion.”"""
    classes: list[int] = [digit * 10**zeros for zeros in range(9) for digit in (1, 2, 5)]
    return min(classes, key=lambda each: abs(math.log(people / each)))


def people(world: World, organization: int) -> int:
    """“How many people are known to have been there, by size class”; without a row, they are counted."""
    there = {
        each.contact_id
        for each in map(partial(resolved, world=world), world.experiences)
        if each.organization_id == organization and has_dates(each)
    }
    return world.sizes.get(organization) or size_class(len(there))


def strength(overlap_days: int, people: int, shared_organizations: int) -> int:
    """edge_strength, written in another way: without rounding to the end, and in hundredths."""
    most = min(100.0, max(10.0, 117 - 22 * math.log10(people)))
    of_days = most * (1 - math.exp(-max(overlap_days, 0) / 730))
    missing = (100 - of_days) * 0.8 ** (shared_organizations - 1)
    return 5 * round((100 - missing) / 5)


def with_evidence(found: Collection[Edge], best: Edge, world: World, today: date) -> Edge:
    """*best*, with the strength and the numbers that follow from all overlaps of the two contacts.

    “Union of days over all organizations they shared”: each day is counted once, and only until today.
    """
    assert best.date_from is not None
    days: set[int] = set()
    for each in found:
        assert each.date_from is not None
        days.update(range(each.date_from.toordinal(), min(each.date_to or today, today).toordinal() + 1))
    shared = {each.organization_id for each in found if each.organization_id is not None}
    smallest = min(people(world, each) for each in shared)
    return best._replace(
        strength=strength(len(days), smallest, len(shared)),
        shared_organizations=len(shared),
        earlier_days=sum(day < best.date_from.toordinal() for day in days),
        people=smallest,
    )


def edges(world: World, today: date = TODAY) -> dict[Pair, Edge]:
    """The work_overlap edges, “one row per pair”.

    “Several intersections: the one that ends last wins (NULL last of all), then the
    earliest date_from, then the smallest organization id.”
    “An intersection that starts in the future makes no edge until that day.”
    """
    found: dict[Pair, list[Edge]] = {}
    resolved_experiences = [resolved(each, world) for each in world.experiences]
    experiences = [each for each in resolved_experiences if usable(each, world)]
    for one in experiences:
        for other in experiences:
            if one.contact_id < other.contact_id and one.organization_id == other.organization_id:
                edge = overlap(one, other)
                if edge is not None and is_long_enough(edge, world, today):  # which excludes what begins later
                    found.setdefault((one.contact_id, other.contact_id), []).append(edge)

    def best(edge: Edge) -> tuple[int, date, int]:
        assert edge.date_from is not None
        assert edge.organization_id is not None
        return (latest_first(edge.date_to), edge.date_from, edge.organization_id)

    return {
        pair: with_evidence(candidates, min(candidates, key=best), world, today) for pair, candidates in found.items()
    }


def every_edge(world: World) -> Layers:
    """The edges of every kind."""
    work, extra = edges(world), world.extra_edges
    return {pair: [kinds[pair] for kinds in (work, extra) if pair in kinds] for pair in {*work, *extra}}


@dataclass(frozen=True)
class Filters:
    """“Filters, all before any limit”: an edge that does not pass does not exist for the search."""

    kinds: tuple[str, ...] | None = None
    min_strength: int | None = None
    ended_after: date | None = None
    via_organization_ids: tuple[int, ...] | None = None
    not_via_organization_ids: tuple[int, ...] | None = None

    def passes(self, edge: Edge) -> bool:
        """“ended_after (edges that go on or ended on or after a date)”. An edge may have no organization."""
        return (
            (self.kinds is None or edge.kind in self.kinds)
            and (self.min_strength is None or edge.strength >= self.min_strength)
            and (self.ended_after is None or edge.date_to is None or edge.date_to >= self.ended_after)
            and (self.via_organization_ids is None or edge.organization_id in self.via_organization_ids)
            and (self.not_via_organization_ids is None or edge.organization_id not in self.not_via_organization_ids)
        )


NO_FILTERS = Filters()


def tier(strength: int | None) -> str | None:
    """“strong ≥ 60, moderate ≥ 30, else weak”."""
    if strength is None:
        return None
    return "strong" if strength >= 60 else "moderate" if strength >= 30 else "weak"


def overlap_days(edge: Edge, today: date) -> int | None:
    """“The days over all organizations they shared”, until today; None for kinds that are not computed."""
    if edge.earlier_days is None or edge.date_from is None:
        return None
    return edge.earlier_days + (min(edge.date_to or today, today) - edge.date_from).days + 1


def users(world: World, collection: int) -> Mapping[int, set[int]]:
    """The members of a collection, each with the users who brought it in."""
    return world.users.get(collection, {})


def openers_of(world: World, collection: int) -> Mapping[int, set[int]]:
    """The users who can open a path at each member: “do_not_ask_users: users who open nothing”."""
    return {member: brought_by - world.do_not_ask_users for member, brought_by in users(world, collection).items()}


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
    filters: Filters = NO_FILTERS

    def best_first(self, edge: Edge) -> tuple[int, int]:
        """“date_to DESC NULLS FIRST”; 'strength': “strength DESC, then as for recency”."""
        return (-edge.strength if self.order_by == "strength" else 0, latest_first(edge.date_to))

    @cached_property
    def edges(self) -> Mapping[Pair, Edge]:
        """“A neighbour reachable by several kinds counts once, by its best edge.”

        Of equally good ones, the kind that comes first in the enum.
        """
        passing = {pair: list(filter(self.filters.passes, edges)) for pair, edges in self.every_edge.items()}
        return {pair: min(edges, key=self.best_first) for pair, edges in passing.items() if edges}

    @cached_property
    def neighbours(self) -> Mapping[int, list[int]]:
        """The neighbours of each contact, the best edge first, “then the smaller neighbour id”."""
        found: dict[int, list[tuple[tuple[int, int], int]]] = {}
        for (a, b), edge in self.edges.items():
            found.setdefault(a, []).append((self.best_first(edge), b))
            found.setdefault(b, []).append((self.best_first(edge), a))
        return {contact: [other for _, other in sorted(others)] for contact, others in found.items()}

    def between(self, chain: Chain) -> list[Edge]:
        """The edges along a chain."""
        return [self.edges[min(pair), max(pair)] for pair in pairwise(chain)]


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


def weakest(path: list[Edge]) -> int | None:
    """“The weakest link's strength”. Depth 1 has no link."""
    return min((edge.strength for edge in path), default=None)


def may_open(user: int, viewer: int, seed_scope: str, openers: Collection[int] | None) -> bool:
    """“any: any user of the collection may open. importer: only the viewer.” And opener_user_ids: only these."""
    return (seed_scope == "any" or user == viewer) and (openers is None or user in openers)


def place(graph: Graph, path: list[Edge], today: date) -> tuple[int, int, int]:
    """The place of a path without its user and contacts.

    'recency': “depth; recency descending”. 'strength': “depth; the weakest link's strength descending; then as for
    recency”.
    """
    strength = weakest(path) if graph.order_by == "strength" else None
    return (len(path), -(strength or 0), latest_first(recency(path, today)))


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


def deep_finder(
    graph: Graph,
    world: World,
    target: int,
    collection: int,
    viewer: int,
    *,
    max_depth: int,
    max_paths: int,
    seed_scope: str,
    max_edges_per_hop: int | None,
    openers: Collection[int] | None,
    max_per_introducer: int | None,
    today: date,
) -> list[Row]:
    """“One row per path (user and contact chain), at most max_paths”, in the order of §3."""
    opened_by = openers_of(world, collection)
    rows: list[tuple[tuple[tuple[int, int, int], bool, int, Chain], Row]] = []
    for chain in walk(graph, introducers(world, collection), target, max_depth, max_edges_per_hop).chains:
        path = graph.between(chain)
        for user in opened_by.get(chain[0], ()):
            if may_open(user, viewer, seed_scope, openers):
                row = (
                    len(chain),
                    user,
                    list(chain),
                    [edge.organization_id for edge in path],
                    [edge.date_from for edge in path],
                    [edge.date_to for edge in path],
                    recency(path, today),
                    weakest(path),
                )
                # “the viewer's own first; user id; contact ids”
                rows.append(((place(graph, path, today), user != viewer, user, chain), row))
    in_order = ((order[-1], row) for order, row in sorted(rows, key=lambda each: each[0]))
    return [row for _, row in at_most_per_introducer(in_order, max_per_introducer)][:max_paths]


def find_paths(
    graph: Graph,
    world: World,
    target: int,
    collection: int,
    viewer: int,
    *,
    max_depth: int,
    seed_scope: str,
    max_edges_per_hop: int | None,
    excluded: Collection[int],
    openers: Collection[int] | None,
    max_per_introducer: int | None,
    today: date,
) -> list[dict[str, Any]]:
    """Every path of find_paths, before max_paths: “one entry, all its users, the viewer first”.

    “Where paths are grouped by contact chain: depth, recency, chains the viewer can open
    first, contact ids.”
    """
    opened_by = openers_of(world, collection)
    groups: list[tuple[tuple[tuple[int, int, int], bool, Chain], dict[str, Any]]] = []
    may_be_asked = introducers(world, collection, excluded)
    for chain in walk(graph, may_be_asked, target, max_depth, max_edges_per_hop).chains:
        path = graph.between(chain)
        users_of_path = [
            user
            for user in sorted(opened_by.get(chain[0], ()), key=lambda user: (user != viewer, user))
            if may_open(user, viewer, seed_scope, openers)
        ]
        if users_of_path:
            entry = {
                "depth": len(chain),
                "user_ids": users_of_path,
                "contact_ids": list(chain),
                "recency": _iso(recency(path, today)),
                "strength": weakest(path),
                "tier": tier(weakest(path)),
                "hops": [
                    {
                        "from": start,
                        "to": end,
                        "kind": edge.kind,
                        "organization_id": edge.organization_id,
                        "date_from": _iso(edge.date_from),
                        "date_to": _iso(edge.date_to),
                        "strength": edge.strength,
                        "tier": tier(edge.strength),
                        "overlap_days": overlap_days(edge, today),
                        "people": edge.people,
                        "shared_organizations": edge.shared_organizations,
                    }
                    for (start, end), edge in zip(pairwise(chain), path, strict=True)
                ],
            }
            groups.append(((place(graph, path, today), viewer not in users_of_path, chain), entry))
    in_order = ((order[-1], entry) for order, entry in sorted(groups, key=lambda group: group[0]))
    return [entry for _, entry in at_most_per_introducer(in_order, max_per_introducer)]


@dataclass(frozen=True)
class Facts:
    """What is true of a world, a call of find_paths and its walk, counted without any limit."""

    is_known: bool  # the target is in contacts
    members: int
    entries: int  # rows that make somebody a member
    openers_brought: bool  # a user who may open brought at least one member
    viewer_opens: bool  # the viewer is not in do_not_ask_users
    viewer_is_opener: bool  # not left out by opener_user_ids
    has_openers: bool  # opener_user_ids is given
    target_edges: int  # one per pair and kind
    target_edges_passing: int  # the filters of the call
    target_edges_to_members: int  # of those that pass
    target_edges_to_excluded: int  # members who may not be asked; of those that pass
    excluded: int  # contacts in do_not_ask and those that the call excludes, members or not
    has_limits: bool  # a limit of introduction_limits applies
    max_depth: int
    max_edges_per_hop: int | None
    level_reached: int  # contacts on the longest chain that the search looked at
    is_cut: bool  # see Walk
    is_limited: bool  # max_per_introducer leaves a path out
    paths: Collection[Chain]  # that the call may return


def facts(
    counted: Layers,
    graph: Graph,
    world: World,
    target: int,
    collection: int,
    viewer: int,
    *,
    max_depth: int,
    seed_scope: str,
    max_edges_per_hop: int | None,
    excluded: Collection[int],
    openers: Collection[int] | None,
    max_per_introducer: int | None,
) -> Facts:
    """Look at everything; *counted* are all edges, and those of *graph* all that can be on a path."""
    members, opened_by = users(world, collection), openers_of(world, collection)
    may_be_asked = introducers(world, collection, excluded)
    every_one: Counter[int] = Counter()
    around: Counter[int] = Counter()  # edges that pass
    for (a, b), edges in counted.items():
        if target in (a, b):
            every_one[b if a == target else a] += len(edges)
            around[b if a == target else a] += sum(map(graph.filters.passes, edges))
    walked = walk(graph, may_be_asked, target, max_depth, max_edges_per_hop)

    def opens(brought_by: Collection[int]) -> bool:
        return any(may_open(user, viewer, seed_scope, openers) for user in brought_by)

    paths = {chain for chain in walked.chains if opens(opened_by.get(chain[0], ()))}
    ends = Counter(chain[-2] for chain in paths if len(chain) > 1)
    return Facts(
        is_known=target in world.contacts,
        members=len(members),
        entries=sum(
            row.collection_id == collection and row.source in MEMBER_SOURCES and row.user_id is not None
            for row in world.memberships
        ),
        openers_brought=any(map(opens, members.values())),
        viewer_opens=viewer not in world.do_not_ask_users,
        viewer_is_opener=openers is None or viewer in openers,
        has_openers=openers is not None,
        target_edges=every_one.total(),
        target_edges_passing=around.total(),
        target_edges_to_members=sum(number for contact, number in around.items() if contact in members),
        target_edges_to_excluded=sum(
            number for contact, number in around.items() if contact in members and contact not in may_be_asked
        ),
        excluded=len(in_do_not_ask(world, collection) | {*excluded}),
        has_limits=any(limit.collection_id in (collection, None) for limit in world.limits),
        max_depth=max_depth,
        max_edges_per_hop=max_edges_per_hop,
        level_reached=max(map(len, walked.chains)),
        is_cut=walked.is_cut,
        is_limited=max_per_introducer is not None and max(ends.values(), default=0) > max_per_introducer,
        paths=paths,
    )


def holds(reason: str, true: Facts, seed_scope: str, found: Collection[Chain]) -> bool:
    """Whether what *reason* asserts is so, of a search that was complete and found *found*; see why_no_more."""
    edges, passing = true.target_edges, true.target_edges_passing
    to_members, to_excluded = true.target_edges_to_members, true.target_edges_to_excluded
    assertions = {
        "unknown_target": not true.is_known,
        "empty_collection": not true.members,
        "viewer_is_no_opener": seed_scope == "importer" and not true.viewer_is_opener,
        "viewer_opens_nothing": seed_scope == "importer" and not true.viewer_opens,
        "viewer_brought_nobody": seed_scope == "importer" and not true.openers_brought,
        "openers_brought_nobody": true.has_openers and not true.openers_brought,
        "target_has_no_edges": not edges,
        "no_edge_passes": edges > 0 and not passing,
        "no_edge_to_a_member": passing > 0 and not to_members,
        "all_excluded": 0 < to_members == to_excluded,
        "nobody_to_ask": passing > 0 and to_members == to_excluded,
        "introducer_limit": true.is_limited,
        "edge_limit": true.is_cut,
        # where nothing was cut, the walk is every chain there is
        "depth_limit": not true.is_cut and set(found) == true.paths and true.level_reached == true.max_depth,
        "exhausted": not true.is_cut and set(found) == true.paths and true.level_reached < true.max_depth,
    }
    return assertions[reason]


def possible_reasons(
    true: Facts,
    seed_scope: str,
    found: Collection[Chain],
    counted_to: int = COUNTED_TO,
    looked_through: int = LOOKED_THROUGH,
    is_v1: bool = False,
) -> set[str]:
    """The reasons that why_no_more may return: the first that holds, and others where it cannot know that."""
    first = {
        "unknown_target": not true.target_edges and not found and not true.is_known,
        "empty_collection": not true.members,
        "viewer_is_no_opener": seed_scope == "importer" and not true.viewer_is_opener,
        "viewer_opens_nothing": not found and seed_scope == "importer" and not true.viewer_opens,
        "viewer_brought_nobody": not found and seed_scope == "importer" and not true.openers_brought,
        "openers_brought_nobody": not found and true.has_openers and not true.openers_brought,
        "target_has_no_edges": not true.target_edges,
        "no_edge_passes": not true.target_edges_passing,
    }
    for reason, is_so in first.items():
        if is_so and (not reason.endswith("brought_nobody") or true.entries <= looked_through):
            return {reason}
    if true.target_edges_to_members == true.target_edges_to_excluded:
        near = "all_excluded" if true.target_edges_to_members else "no_edge_to_a_member"
        is_exact = is_v1 or true.members < counted_to or true.target_edges_passing < counted_to
        if is_exact or (true.excluded < counted_to and not true.has_limits and true.max_depth > 1):
            return {near}
        if true.max_depth > 1:
            return {near, "nobody_to_ask"}
    if true.is_limited:
        return {"introducer_limit"}
    if true.is_cut:
        return {"edge_limit"}
    return {"depth_limit" if true.level_reached == true.max_depth else "exhausted"}


def number_is_right(said: int, truth: int, counted_to: int, is_exact: bool) -> bool:
    """Whether a count that stops at *counted_to* fits the truth."""
    return said == min(truth, counted_to) if is_exact else said <= min(truth, counted_to)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
