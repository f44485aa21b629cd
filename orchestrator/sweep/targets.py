"""Who is asked about: contacts of every kind, so that no kind is left out because it is rare.

**Degree**: none (no edges), few, typical, many, hub; the bounds are quartiles and the 99th percentile of the edges of
contacts that have any. **Distance**: the depth of the shortest path to the contact in the collection, or none within
the deepest that is measured. Easy targets, near and with few edges, hide what the others take; so each degree gets an
equal part of the targets, and each distance that occurs an equal part of those.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.statistics import percentile

DEGREES = ("none", "few", "typical", "many", "hub")
_BOUNDS = (25, 75, 99)  # percentiles of contacts with edges: above them begins typical, many, hub
_CONTACTS = 1000  # random ids tried
_LOOKED_AT = 4  # distances looked up for each target that is wanted
_MIDDLING, _SMALL = 0.01, 30  # a share of the largest collection; members


@dataclass(frozen=True)
class Target:
    """A question's target and viewer; ``edges`` of the target, ``distance`` None where no path was found."""

    contact: int
    viewer: int
    degree: str
    edges: int
    distance: int | None

    @property
    def stratum(self) -> str:
        """Both kinds in a word or two."""
        return f"{self.degree}, {'no path' if self.distance is None else f'at {self.distance}'}"


def collections(connection: Connection, given: Sequence[int] = ()) -> dict[int, int]:
    """Return collections with their members: those *given*, else some worth measuring.

    These are the largest, one of about a hundredth of it, and one of about 30 members: a small collection around a hub
    is the hard case, and the largest one the easy one. Raises :class:`OrchestratorError` for one without members.
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

    chosen = [largest, nearest(max(1.0, _MIDDLING * members[largest])), nearest(_SMALL)]
    return {collection: members[collection] for collection in chosen}


class Contacts:
    """The contacts that targets are drawn from, with the bounds of their degrees."""

    def __init__(self, connection: Connection, seed: int, given: Sequence[int] = ()) -> None:
        """Draw them, or take those that are *given*."""
        if given:
            rows = connection.execute(sqlfiles.query("sweep/degrees"), {"contacts": list(dict.fromkeys(given))})
            self._edges = dict(rows.fetchall())
            linked = np.empty(0)
        else:
            rows = connection.execute(sqlfiles.query("sweep/contacts"), {"seed": seed, "contacts": _CONTACTS})
            found = rows.fetchall()
            self._edges = {contact: edges for contact, edges, _ in found}
            linked = np.array([edges for _, edges, is_random in found if is_random and edges], dtype=np.float64)
        if not self._edges:
            raise OrchestratorError("there are no contacts: there is nothing to measure")
        self._given = bool(given)
        self._bounds = [percentile(linked, percent) for percent in _BOUNDS] if len(linked) else []

    def targets(
        self,
        viewers: Sequence[int],
        wanted: int,
        seed: str,
        distance: Callable[[int, int], int | None],
    ) -> list[Target]:
        """Return *wanted* targets, or all that were given; ``distance`` of a contact from a viewer is looked up."""
        looked_at = []
        for number, contact in enumerate(self._edges if self._given else self._some_of_each(wanted, seed)):
            viewer, edges = viewers[number % len(viewers)], self._edges[contact]
            looked_at.append(Target(contact, viewer, self._degree(edges), edges, distance(contact, viewer)))
        return looked_at if self._given else _evenly(looked_at, wanted)

    def _some_of_each(self, wanted: int, seed: str) -> Iterator[int]:
        """Yield contacts of each degree, more than will be taken."""
        generator = Random(seed)
        each = -(-wanted * _LOOKED_AT // len(DEGREES))
        by_degree: dict[str, list[int]] = {degree: [] for degree in DEGREES}
        for contact, edges in self._edges.items():
            by_degree[self._degree(edges)].append(contact)
        for contacts in by_degree.values():
            generator.shuffle(contacts)
            yield from contacts[:each]

    def _degree(self, edges: int) -> str:
        if not edges:
            return DEGREES[0]
        if not self._bounds:
            return DEGREES[2]  # given targets are not compared with others
        return DEGREES[1 + bisect_right(self._bounds, edges - 1)]


def viewers(connection: Connection, collection: int) -> list[int]:
    """Return users who may ask in *collection*: with most contacts in it, a middling number, fewest."""
    return [row[0] for row in connection.execute(sqlfiles.query("sweep/viewers"), {"collection_id": collection})]


def distance_in(connection: Connection, collection: int, scope: str, deepest: int) -> Callable[[int, int], int | None]:
    """Return a function that looks up the shortest path's depth, *deepest* at most, from a viewer to a contact.

    A search that exceeds the statement timeout has found none.
    """

    def distance(contact: int, viewer: int) -> int | None:
        asked = (contact, collection, viewer, deepest, scope)
        try:
            row = connection.execute(
                "SELECT d.depth FROM connection_paths.deep_finder(%s, %s, %s, %s, 1, %s) AS d", asked
            ).fetchone()
        except psycopg.errors.QueryCanceled:
            return None
        return None if row is None else int(row[0])

    return distance


def _evenly(found: Iterable[Target], wanted: int) -> list[Target]:
    """Take turns between degrees, and within one between distances, until there are *wanted*."""
    strata: dict[str, dict[int | None, list[Target]]] = {}
    for target in found:
        strata.setdefault(target.degree, {}).setdefault(target.distance, []).append(target)
    queues = [_turns(list(by_distance.values())) for by_distance in strata.values()]
    return _turns(queues)[:wanted]


def _turns(queues: Sequence[Sequence[Target]]) -> list[Target]:
    longest = max(map(len, queues), default=0)
    return [queue[place] for place in range(longest) for queue in queues if place < len(queue)]
