"""Edges computed a second time, in simple Python, to compare the SQL with.

Quotations are from the design, §1 to §3.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from functools import partial

from tests.support.world import TODAY, WORK_OVERLAP, Edge, Experience, Pair, World

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


def size_class(people: float) -> int:
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


def with_evidence(found: Collection[Edge], best: Edge, people_of: Mapping[int, int], today: date) -> Edge:
    """*best*, with the strength and the numbers that follow from all overlaps of the two contacts.

    “Union of days over all organizations they shared”: each day is counted once, and only until today. *people_of* is
    the number of people of each organization.
    """
    assert best.date_from is not None
    spans = [
        (each.date_from.toordinal(), min(each.date_to or today, today).toordinal()) for each in found if each.date_from
    ]
    shared = {each.organization_id for each in found if each.organization_id is not None}
    smallest = min(people_of[each] for each in shared)
    begin = best.date_from.toordinal()
    return best._replace(
        strength=strength(distinct_days(spans), smallest, len(shared)),
        shared_organizations=len(shared),
        earlier_days=distinct_days((first, min(last, begin - 1)) for first, last in spans),
        people=smallest,
    )


def distinct_days(spans: Iterable[tuple[int, int]]) -> int:
    """Count the days that are in at least one span; a span is its first and its last day, and may be empty."""
    number, counted_to = 0, 0
    for first, last in sorted(spans):
        uncounted = max(first, counted_to + 1)
        if uncounted <= last:
            number += last - uncounted + 1
            counted_to = last
    return number


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

    organizations = {edge.organization_id for candidates in found.values() for edge in candidates}
    people_of = {each: people(world, each) for each in organizations if each is not None}
    return {
        pair: with_evidence(candidates, min(candidates, key=best), people_of, today)
        for pair, candidates in found.items()
    }


def every_edge(world: World, work: Mapping[Pair, Edge]) -> Layers:
    """The edges of every kind; *work* are those of work experiences."""
    extra = world.extra_edges
    return {pair: [kinds[pair] for kinds in (work, extra) if pair in kinds] for pair in {*work, *extra}}


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
