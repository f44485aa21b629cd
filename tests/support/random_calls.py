"""Random worlds with calls of the finders in them, drawn by Hypothesis."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta

from hypothesis import strategies as st

from tests.support import oracle_paths
from tests.support.finder_calls import Call
from tests.support.world import (
    COLLECTION_IDS,
    CONTACT_IDS,
    DAYS,
    FRIEND,
    GHOST_CONTACT_IDS,
    ORGANIZATION_IDS,
    USER_IDS,
    WORK_OVERLAP,
    Edge,
    Experience,
    Limit,
    Membership,
    Request,
    World,
    worlds,
)

Situation = tuple[World, list[Call]]


@st.composite
def situations(draw: st.DrawFn, count: int, max_depth: int = 4, max_contacts: int = len(CONTACT_IDS)) -> Situation:
    """A small world, and *count* calls in it."""
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
        order_by=st.sampled_from(("recency", "strength")),
        filters=st.one_of(st.just(oracle_paths.NO_FILTERS), filters()),
        openers=st.sampled_from(
            (None, None, None, (USER_IDS[0],), USER_IDS[1:3], (*USER_IDS[2:], USER_IDS[2]), (999,))
        ),
        max_per_introducer=st.sampled_from((None, None, None, 1, 2, 3)),
    )
    return world, draw(st.lists(calls, min_size=count, max_size=count))


def filters() -> st.SearchStrategy[oracle_paths.Filters]:
    """Filters on edges, most of them not set."""
    some_organizations = st.lists(st.sampled_from((*ORGANIZATION_IDS, 999)), min_size=1, max_size=3).map(tuple)
    return st.builds(
        oracle_paths.Filters,
        kinds=st.sampled_from((None, None, None, (WORK_OVERLAP,), (WORK_OVERLAP, WORK_OVERLAP))),
        min_strength=st.one_of(st.none(), st.none(), st.sampled_from((0, 5, 20, 50, 80, 100))),
        ended_after=st.one_of(st.none(), st.none(), st.sampled_from(DAYS)),
        via_organization_ids=st.one_of(st.none(), st.none(), st.none(), some_organizations),
        not_via_organization_ids=st.one_of(st.none(), st.none(), some_organizations),
    )


@st.composite
def crowds(draw: st.DrawFn, count: int) -> Situation:
    """A world where contacts have more edges than a search follows, and *count* calls in it.

    Hypothesis draws a seed only: a world of this size has too many values to draw one by one.
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
    extra_edges = {
        (a, b): Edge(FRIEND, None, None, dice.choice((*days, None)), dice.choice((0, 5, 50, 50, 100))) for a, b in pairs
    }
    refused, limits = dice.choice((0, 0, 0.1, 0.4)), dice.choice((0, 0, 1))
    world = World(
        contacts=frozenset(contacts),
        organizations=frozenset(organizations),
        experiences=tuple(experiences),
        memberships=tuple(memberships),
        extra_edges=extra_edges,
        do_not_ask=frozenset(
            (collection, contact)
            for collection in (*COLLECTION_IDS, None)
            for contact in contacts
            if dice.random() < (refused if collection else refused / 10)
        ),
        do_not_ask_users=frozenset(user for user in USER_IDS if dice.random() < dice.choice((0, 0, 0.5))),
        limits=tuple(Limit(dice.choice((*COLLECTION_IDS, None)), dice.choice((1, 2)), 7) for _ in range(limits)),
        requests=tuple(
            Request(dice.choice(COLLECTION_IDS), dice.choice(contacts), dice.choice((0.5, 6.5, 7.5))) for _ in contacts
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
            order_by=dice.choice(("recency", "strength")),
            filters=dice.choice((oracle_paths.NO_FILTERS, random_filters(dice, days, organizations))),
            openers=dice.choice((None, None, None, tuple(dice.sample(USER_IDS, 2)))),
            max_per_introducer=dice.choice((None, None, None, 1, 2, 5)),
        )
        for depth, cap in (dice.choice(depths_and_caps) for _ in range(count))
    ]
    return world, calls


def random_filters(dice: random.Random, days: Sequence[date], organizations: Sequence[int]) -> oracle_paths.Filters:
    """Filters that leave some edges of a crowd out."""
    return oracle_paths.Filters(
        kinds=dice.choice((None, None, None, (WORK_OVERLAP,))),
        min_strength=dice.choice((None, None, 5, 30, 50, 60)),
        ended_after=dice.choice((None, None, *days)),
        via_organization_ids=dice.choice((None, None, None, tuple(organizations[:2]))),
        not_via_organization_ids=dice.choice((None, None, tuple(organizations[:1]))),
    )
