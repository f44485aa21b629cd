"""Targets of a sweep: contacts of every kind, so that a rare kind is measured as well.

**Degree** is how many edges a contact has: none, few, typical, many, hub. The bounds are the quartiles and the 99th
percentile of the contacts that have edges. **Distance** is the depth of the shortest path to the contact in the
collection. Near contacts with few edges are easy and would hide the hard ones, so each degree gets the same number of
targets, and within a degree each distance does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.measure.load_generator import percentile

GIVEN = "given"  # the degree of a target that was not drawn
DEGREES = ("none", "few", "typical", "many", "hub")
_BOUNDS = (25, 75, 99)  # percentiles above which a contact is typical, many, hub
_CONTACTS = 1000  # random contacts to draw from
_CANDIDATES = 4  # contacts for each wanted target whose distance is looked up
_MIDDLING_SHARE, _SMALL_MEMBERS = 0.01, 30  # of the largest collection; members


@dataclass(frozen=True)
class Target:
    """A target with its viewer. ``distance`` is None when no path was found; ``edges`` is None for a given target."""

    contact: int
    viewer: int
    degree: str
    edges: int | None
    distance: int | None

    @property
    def stratum(self) -> str:
        """Return degree and distance in words."""
        return f"{self.degree}, {'no path' if self.distance is None else f'at depth {self.distance}'}"


#: Looks up the depth of the shortest path to a contact for a viewer.
Distance = Callable[[int, int], int | None]


def choose_collections(connection: Connection, given: Sequence[int] = ()) -> dict[int, int]:
    """Return collections with their numbers of members: those *given*, else three.

    The three are the largest, one with about a hundredth of its members, and one with about 30 members: a small
    collection around a hub is the hard case. Raises :class:`OrchestratorError` for a collection without members.
    """
    rows = connection.execute(sqlfiles.query("sweep/collections"), {"collections": list(given) or None}).fetchall()
    members: dict[int, int] = dict(rows)
    for collection in given:
        if collection not in members:
            raise OrchestratorError(f"collection {collection} has no members: there is nothing to measure")
    if not members:
        raise OrchestratorError("no collection has a member: there is nothing to measure")
    if given:
        return {collection: members[collection] for collection in given}
    largest: int = rows[0][0]

    def nearest(wanted: float) -> int:
        return min(members, key=lambda each: (max(members[each] / wanted, wanted / members[each]), each))

    chosen = (largest, nearest(max(1.0, _MIDDLING_SHARE * members[largest])), nearest(_SMALL_MEMBERS))
    return {collection: members[collection] for collection in chosen}


def viewers(connection: Connection, collection: int) -> list[int]:
    """Return three users of a collection: with the most contacts in it, a middling number, and the fewest."""
    return [row[0] for row in connection.execute(sqlfiles.query("sweep/viewers"), {"collection_id": collection})]


def distance_in(connection: Connection, collection: int, scope: str, deepest: int) -> Distance:
    """Return a function that looks up distances of at most *deepest*.

    A search that exceeds the statement timeout counts as no path.
    """

    def distance(contact: int, viewer: int) -> int | None:
        arguments = (contact, collection, viewer, deepest, scope)
        try:
            row = connection.execute(
                "SELECT d.depth FROM connection_paths.deep_finder(%s, %s, %s, %s, 1, %s) AS d", arguments
            ).fetchone()
        except psycopg.errors.QueryCanceled:
            return None
        return None if row is None else int(row[0])

    return distance


def given_targets(contacts: Sequence[int], users: Sequence[int], distance: Distance) -> list[Target]:
    """Return a target for each of *contacts*; the *users* take turns as viewers."""
    pairs = [(contact, users[number % len(users)]) for number, contact in enumerate(dict.fromkeys(contacts))]
    return [Target(contact, user, GIVEN, None, distance(contact, user)) for contact, user in pairs]


class ContactPool:
    """Random contacts to draw targets from, by degree."""

    def __init__(self, connection: Connection, seed: int) -> None:
        """Draw the contacts; the same seed and data give the same ones."""
        rows = connection.execute(sqlfiles.query("sweep/contacts"), {"seed": seed, "contacts": _CONTACTS}).fetchall()
        if not rows:
            raise OrchestratorError("there are no contacts: there is nothing to measure")
        linked = np.array([edges for _, edges, is_random in rows if is_random and edges], dtype=np.float64)
        bounds = [percentile(linked, percent) for percent in _BOUNDS] if len(linked) else []
        self._by_degree: dict[str, dict[int, int]] = {degree: {} for degree in DEGREES}
        for contact, edges, _ in rows:
            degree = DEGREES[1 + bisect_right(bounds, edges - 1)] if edges else DEGREES[0]
            self._by_degree[degree][contact] = edges

    def draw(self, wanted: int, users: Sequence[int], seed: str, distance: Distance) -> list[Target]:
        """Return *wanted* targets; the *users* take turns as viewers."""
        strata: dict[str, dict[int | None, list[Target]]] = {}
        for number, (degree, contact, edges) in enumerate(self._candidates(wanted, seed)):
            viewer = users[number % len(users)]
            target = Target(contact, viewer, degree, edges, distance(contact, viewer))
            strata.setdefault(degree, {}).setdefault(target.distance, []).append(target)
        return _in_turns([_in_turns([*by_distance.values()]) for by_distance in strata.values()])[:wanted]

    def _candidates(self, wanted: int, seed: str) -> Iterator[tuple[str, int, int]]:
        generator = Random(seed)
        each = -(-wanted * _CANDIDATES // len(DEGREES))
        for degree, edges in self._by_degree.items():
            contacts = list(edges)
            generator.shuffle(contacts)
            yield from ((degree, contact, edges[contact]) for contact in contacts[:each])


def _in_turns(queues: Sequence[Sequence[Any]]) -> list[Any]:
    """Take one from each queue, then the next from each, until all are empty."""
    longest = max(map(len, queues), default=0)
    return [queue[place] for place in range(longest) for queue in queues if place < len(queue)]
