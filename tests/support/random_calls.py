"""Random worlds with calls of the finders in them, drawn by Hypothesis."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import strategies as st

from tests.support.finder_options import Call, random_options
from tests.support.world import (
    COLLECTION_IDS,
    CONTACT_IDS,
    DAYS,
    FRIEND,
    GHOST_CONTACT_IDS,
    USER_IDS,
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
    dice = draw(st.randoms(use_true_random=False))
    calls = [
        Call(
            target=dice.choice((*sorted(world.contacts) * 4, GHOST_CONTACT_IDS[0], 999)),
            collection=dice.choice((*COLLECTION_IDS * 4, 999)),
            viewer=dice.choice((*USER_IDS * 4, 999)),
            max_depth=dice.choice((*range(1, max_depth + 1), *range(2, max_depth + 1))),
            max_edges_per_hop=dice.choice((None, None, *range(1, 5), *range(1, 16))),
            **random_options(dice, world),
        )
        for _ in range(count)
    ]
    return world, calls


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
            max_edges_per_hop=cap,
            **random_options(dice, world),
        )
        for depth, cap in (dice.choice(depths_and_caps) for _ in range(count))
    ]
    return world, calls
