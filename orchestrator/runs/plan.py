"""Plans a backfill: what it would make, how much disk it needs and how long it takes. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from psycopg import IsolationLevel

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, reading
from orchestrator.host import left_out, sources
from orchestrator.host.binding import VIEW_OF
from orchestrator.host.left_out import Experiences, Members
from orchestrator.host.sources import require_every_row
from orchestrator.install.installed import require_installed
from orchestrator.runs.edge_estimate import EdgeEstimate, draw_strata, estimate_edges

#: Settings of the transaction. Here, compiling a plan takes longer than it saves.
SETTINGS = {
    "jit": "off",
}

# Edges per second, measured on two cores with all data in memory: bench/results/backfill.md.
_REBUILD_RATE = 500_000  # per worker, while edges are generated
_INDEX_RATE = 1_750_000  # per index and worker; as many indexes are built at once as there are workers
_INDEXES = 3
_IN_PLACE_RATE = 70_000  # per worker
_WORKERS = (1, 2, 4, 8, 16)
_ASSUMPTION = "as many idle cores as workers, and everything in memory"

_BYTES_PER_EDGE = 190  # of the row and its entries in three indexes, just built
_EDGES_TO_MEASURE = 10_000  # with fewer edges in the table, the usual bytes per edge are assumed

#: Contacts to draw by default, at most.
SAMPLE = 2000

_LARGEST = 10  # organizations to name


@dataclass(frozen=True)
class ContactCounts:
    """How many contacts exist, and how many of those with experiences get no edge because no experience is usable."""

    total: int
    with_experiences: int
    without_usable: int
    without_usable_share: float


@dataclass(frozen=True)
class DuplicateIds:
    """How many ids ``table`` has more than once, and the smallest of them. A backfill fails while there is one."""

    table: str
    ids: int
    example: int


@dataclass(frozen=True)
class LargeOrganization:
    """One of the organizations with the most people, and how many overlapping pairs of experiences it has."""

    id: int
    name: str | None
    people: int
    pairs: int
    share_of_pairs: float


@dataclass(frozen=True)
class Storage:
    """Bytes on disk, with indexes. A rebuild needs ``bytes`` beside ``bytes_now`` until it exchanges the tables.

    ``measured``: whether ``bytes_per_edge`` was measured in the edge table; else it is a usual value.
    """

    bytes: int
    bytes_per_edge: float
    measured: bool
    edges_now: int
    bytes_now: int


@dataclass(frozen=True)
class PredictedTime:
    """How many seconds a strategy, ``rebuild`` or ``in_place``, takes with so many workers."""

    strategy: str
    workers: int
    seconds: float


@dataclass(frozen=True)
class BackfillPlan:
    """What a backfill would make and need. The times hold under the ``assumption``."""

    contacts: ContactCounts
    experiences: Experiences
    members: tuple[Members, ...]
    duplicates: tuple[DuplicateIds, ...]
    organizations: tuple[LargeOrganization, ...]
    edges: EdgeEstimate
    storage: Storage
    durations: tuple[PredictedTime, ...]
    assumption: str
    connections_free: int


def plan(dsn: str, *, seed: int = 1, sample: int = SAMPLE) -> BackfillPlan:
    """Return the plan of a backfill of the database of *dsn*, which may be a standby.

    The edges are estimated from at most ``sample`` contacts, drawn at random by ``seed``; fewer are drawn where they
    have very many overlaps. Everything else is counted. The host's tables are read a few times in one transaction:
    that takes about ten seconds for 1.5 million usable work experiences.
    """
    # With one snapshot, all figures are of the same moment.
    with reading(dsn, SETTINGS, isolation=IsolationLevel.REPEATABLE_READ) as connection:
        require_installed(connection)
        require_every_row(connection, "plan")
        strata = draw_strata(connection, seed, sample)
        edges = estimate_edges(strata, seed)
        total, with_experiences, experiences = left_out.experiences(connection)
        members = left_out.members(connection)
        duplicates = _duplicates(connection)
        organizations = _organizations(connection, edges.pairs)
        storage, connections_free = _server(connection, edges.estimate)
    return BackfillPlan(
        contacts=_contacts(total, with_experiences, sum(stratum.contacts for stratum in strata)),
        experiences=experiences,
        members=members,
        duplicates=duplicates,
        organizations=organizations,
        edges=edges,
        storage=storage,
        durations=tuple(predicted_times(edges.estimate)),
        assumption=_ASSUMPTION,
        connections_free=connections_free,
    )


def predicted_times(edges: int) -> list[PredictedTime]:
    """Return how long each strategy takes with 1 to 16 workers, from the measured rates."""
    rebuild = [
        # As many indexes as workers are built at once: one after another, two and then one, or all three.
        PredictedTime(
            "rebuild", workers, edges / (workers * _REBUILD_RATE) + ceil(_INDEXES / workers) * edges / _INDEX_RATE
        )
        for workers in _WORKERS
    ]
    return rebuild + [PredictedTime("in_place", workers, edges / (workers * _IN_PLACE_RATE)) for workers in _WORKERS]


def _contacts(total: int, with_experiences: int, usable: int) -> ContactCounts:
    without_usable = with_experiences - usable
    return ContactCounts(total, with_experiences, without_usable, _share(without_usable, with_experiences))


def _duplicates(connection: Connection) -> tuple[DuplicateIds, ...]:
    """Find ids that occur more than once, in the tables whose ids have no unique index."""
    found = []
    bound = sources.binding(connection)
    for name in sources.without_unique_id(connection, bound):
        ids = f"WITH ids AS (SELECT v.id FROM connection_paths.{VIEW_OF[name]} AS v)\n"
        row = connection.execute((ids + sqlfiles.query("host/duplicate_ids")).encode()).fetchone()
        if row is not None and row[0]:
            found.append(DuplicateIds(bound.shown(name), *row))
    return tuple(found)


def _organizations(connection: Connection, pairs: int) -> tuple[LargeOrganization, ...]:
    rows = connection.execute(sqlfiles.query("runs/largest_organizations"), {"most": _LARGEST})
    return tuple(
        LargeOrganization(organization, name, people, shared, _share(shared, pairs))
        for organization, name, people, shared in rows
    )


def _server(connection: Connection, edges: int) -> tuple[Storage, int]:
    row = connection.execute(sqlfiles.query("runs/edge_table_size")).fetchone()
    assert row is not None  # an aggregate returns one row
    edges_now, bytes_now, connections_free = row
    measured = edges_now >= _EDGES_TO_MEASURE
    bytes_per_edge = bytes_now / edges_now if measured else float(_BYTES_PER_EDGE)
    return Storage(round(edges * bytes_per_edge), bytes_per_edge, measured, edges_now, bytes_now), connections_free


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
