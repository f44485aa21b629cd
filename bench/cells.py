"""The calls of the walk benchmark: every combination of the collections, viewers and targets of a world."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from bench.finders import Arguments
from orchestrator.core.database import Connection

HUB, RANDOM, MEDIAN, LEAF, UNREACHABLE = "hub", "random", "median", "leaf", "unreachable"
TARGET_CLASSES = (HUB, RANDOM, MEDIAN, LEAF, UNREACHABLE)

ANY, MANY, FEW = "any", "importer-many", "importer-few"
SCOPES = (ANY, MANY, FEW)

#: Depth and max_paths.
REQUESTS = ((1, 25), (2, 25), (3, 25), (4, 25), (4, 100))

# Besides the largest collection, those whose sizes are nearest to these are measured:
_SHARES = (0.12, 0.03, 0.005, 0.001)  # of all contacts
_SMALL = 30  # members

_DEGREES = """
    SELECT c.id, COALESCE(a.edges, 0) + COALESCE(b.edges, 0)
    FROM connection_paths.live_contacts AS c
    LEFT JOIN (SELECT e.contact_a_id, count(*) FROM connection_paths.contact_connections AS e GROUP BY 1)
        AS a (id, edges) USING (id)
    LEFT JOIN (SELECT e.contact_b_id, count(*) FROM connection_paths.contact_connections AS e GROUP BY 1)
        AS b (id, edges) USING (id)
    ORDER BY 2 DESC, 1"""


@dataclass(frozen=True)
class Viewer:
    """A user of a collection, and how many contacts the user brought into it."""

    user: int
    contacts: int


@dataclass(frozen=True)
class Collection:
    """A collection with its viewers; ``few`` is None when it has one user only."""

    id: int
    members: int
    share: float  # of all contacts
    users: int
    many: Viewer
    few: Viewer | None

    def viewer(self, scope: str) -> Viewer | None:
        """Return the viewer of a call in *scope*."""
        return self.few if scope == FEW else self.many


@dataclass(frozen=True)
class Degrees:
    """How many edges contacts have: percentiles of those who have any, and how many have none."""

    p50: int
    p90: int
    p99: int
    largest: int
    without: int


@dataclass(frozen=True)
class Cell:
    """A kind of request, made for each target of a class."""

    collection: Collection
    scope: str
    viewer: Viewer
    depth: int
    max_paths: int
    target_class: str

    @property
    def name(self) -> str:
        """The name that ``--cells`` is matched with."""
        return f"{request_name(self.collection, self.scope, self.depth, self.max_paths)} {self.target_class}"

    def arguments(self, target: int) -> Arguments:
        """Return the call's arguments for *target*."""
        return arguments(target, self.collection, self.viewer, self.scope, self.depth, self.max_paths)


def request_name(collection: Collection, scope: str, depth: int, max_paths: int) -> str:
    """Return a request without its target, for example ``c1 97% any d4 p25``."""
    return f"c{collection.id} {percent(collection.share)} {scope} d{depth} p{max_paths}"


def percent(share: float) -> str:
    """Return *share* in per cent, two digits."""
    return f"{100 * share:.2g}%"


def arguments(target: int, collection: Collection, viewer: Viewer, scope: str, depth: int, max_paths: int) -> Arguments:
    """Return deep_finder's arguments as text."""
    values = (target, collection.id, viewer.user, depth, max_paths, "any" if scope == ANY else "importer")
    return [str(value).encode() for value in values]


def collections(connection: Connection) -> list[Collection]:
    """Return the largest collection, those nearest to the shares wanted, and a small one; each once."""
    contacts = _rows(connection, "SELECT count(*) FROM connection_paths.live_contacts")[0][0]
    members: dict[int, int] = dict(
        _rows(
            connection,
            "SELECT m.collection_id, count(DISTINCT m.contact_id) FROM connection_paths.collection_members AS m"
            " GROUP BY 1 ORDER BY 2 DESC, 1",
        )
    )
    if not members:
        raise SystemExit("No collection has members. There is nothing to measure.")

    def nearest(wanted: float) -> int:
        return min(members, key=lambda collection: abs(math.log(members[collection] / wanted)))

    chosen = [next(iter(members)), *(nearest(max(1.0, share * contacts)) for share in _SHARES), nearest(_SMALL)]
    return [_collection(connection, id_, members[id_], contacts) for id_ in dict.fromkeys(chosen)]


def _collection(connection: Connection, id_: int, members: int, contacts: int) -> Collection:
    users = _rows(
        connection,
        "SELECT m.user_id, count(DISTINCT m.contact_id) FROM connection_paths.collection_members AS m"
        " WHERE m.collection_id = %s GROUP BY 1 ORDER BY 2 DESC, 1",
        (id_,),
    )
    return Collection(
        id=id_,
        members=members,
        share=members / contacts,
        users=len(users),
        many=Viewer(*users[0]),
        few=Viewer(*users[-1]) if len(users) > 1 else None,
    )


def targets(connection: Connection, number: int, seed: int) -> tuple[dict[str, list[int]], Degrees]:
    """Return up to *number* targets of each class, drawn from *seed*, and how degrees are distributed.

    Hubs are the contacts with most edges; random ones have an edge; median ones are drawn from the middle
    hundredth by degree; leaves have 1 to 3 edges; unreachable ones none.
    """
    found = _rows(connection, _DEGREES)
    linked = [row for row in found if row[1]]
    if not linked:
        raise SystemExit("There are no edges. There is nothing to measure.")
    degrees = [degree for _, degree in linked]
    middle = len(linked) // 2
    reach = max(number, len(linked) // 200)
    pools: dict[str, list[int]] = {
        HUB: [id_ for id_, _ in linked[:number]],
        RANDOM: [id_ for id_, _ in linked],
        MEDIAN: [id_ for id_, _ in linked[max(0, middle - reach) : middle + reach]],
        LEAF: [id_ for id_, degree in linked if degree <= 3],
        UNREACHABLE: [id_ for id_, degree in found if not degree],
    }
    drawn = {
        name: Random(f"{seed} {name}").sample(sorted(pool), min(number, len(pool))) for name, pool in pools.items()
    }
    return drawn, Degrees(
        p50=degrees[middle],
        p90=degrees[len(linked) // 10],
        p99=degrees[len(linked) // 100],
        largest=degrees[0],
        without=len(found) - len(linked),
    )


def cells(found: Sequence[Collection], drawn: Mapping[str, Sequence[int]]) -> list[Cell]:
    """Return every combination that has a viewer and targets."""
    return [
        Cell(collection, scope, viewer, depth, max_paths, target_class)
        for collection in found
        for scope in SCOPES
        if (viewer := collection.viewer(scope)) is not None
        for depth, max_paths in REQUESTS
        for target_class in TARGET_CLASSES
        if drawn[target_class]
    ]


def _rows(connection: Connection, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode(), parameters).fetchall()
