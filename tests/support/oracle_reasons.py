"""The reasons that why_no_more may give, and the facts that they follow from, computed in simple Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from tests.support.finder_options import Call
from tests.support.oracle import Layers, has_dates, resolved
from tests.support.oracle_paths import (
    Chain,
    Graph,
    in_do_not_ask,
    introducers,
    may_open,
    openers_of,
    users,
    walk,
)
from tests.support.world import MEMBER_SOURCES, World

COUNTED_TO, FEW, LOOKED_THROUGH = 500, 5, 10_000  # of why_no_more


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
    experiences_unresolved: int | None  # of the target; None: company names are not resolved
    experiences_excluded: int  # of the target
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
    call: Call,
    unresolved: int | None,
) -> Facts:
    """Look at everything; *counted* are all edges, and those of *graph* all that can be on a path.

    *unresolved* is the number of work experiences of the target with an unresolved company name.
    """
    members, opened_by = users(world, call.collection), openers_of(world, call.collection)
    may_be_asked = introducers(world, call.collection, call.excluded)
    every_one: Counter[int] = Counter()
    around: Counter[int] = Counter()  # edges that pass
    for pair in [pair for pair in counted if call.target in pair]:
        neighbour, edges = sum(pair) - call.target, counted[pair]  # a pair is two contacts
        every_one[neighbour] += len(edges)
        around[neighbour] += sum(map(graph.passes, edges))
    walked = walk(graph, may_be_asked, call.target, call.max_depth, call.max_edges_per_hop)

    def opens(brought_by: Collection[int]) -> bool:
        return any(may_open(user, call) for user in brought_by)

    paths = {chain for chain in walked.chains if opens(opened_by.get(chain[0], ()))}
    ends = Counter(chain[-2] for chain in paths if len(chain) > 1)
    return Facts(
        is_known=call.target in world.contacts,
        members=len(members),
        entries=sum(
            row.collection_id == call.collection and row.source in MEMBER_SOURCES and row.user_id is not None
            for row in world.memberships
        ),
        openers_brought=any(map(opens, members.values())),
        viewer_opens=call.viewer not in world.do_not_ask_users,
        viewer_is_opener=call.openers is None or call.viewer in call.openers,
        has_openers=call.openers is not None,
        target_edges=every_one.total(),
        target_edges_passing=around.total(),
        target_edges_to_members=sum(number for contact, number in around.items() if contact in members),
        target_edges_to_excluded=sum(
            number for contact, number in around.items() if contact in members and contact not in may_be_asked
        ),
        experiences_unresolved=unresolved,
        experiences_excluded=sum(
            each.contact_id == call.target and has_dates(each) and world.policies.get(each.organization_id, 1) is None
            for each in (resolved(each, world) for each in world.experiences)
            if each.organization_id is not None
        ),
        excluded=len(in_do_not_ask(world, call.collection) | {*call.excluded}),
        has_limits=any(limit.collection_id in (call.collection, None) for limit in world.limits),
        max_depth=call.max_depth,
        max_edges_per_hop=call.max_edges_per_hop,
        level_reached=max(map(len, walked.chains)),
        is_cut=walked.is_cut,
        is_limited=call.max_per_introducer is not None and max(ends.values(), default=0) > call.max_per_introducer,
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
        "names_unresolved": not edges and (true.experiences_unresolved or 0) > 0,
        "organizations_excluded": not edges and true.experiences_excluded > 0,
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
        "names_unresolved": not found and not true.target_edges and (true.experiences_unresolved or 0) > 0,
        "organizations_excluded": not found and not true.target_edges and true.experiences_excluded > 0,
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
