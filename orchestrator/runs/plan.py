"""What a backfill would make, and what it would take: figures from a connection that cannot write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

from psycopg import IsolationLevel, sql

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, reading
from orchestrator.host import left_out
from orchestrator.host.left_out import Experiences, Members
from orchestrator.host.sources import require_every_row
from orchestrator.install.installation import require_installed

#: A compiled plan costs more here than it saves.
SETTINGS = {
    "jit": "off",
}

# Edges a second, as measured on two cores with everything in memory; see bench/results/backfill.md.
_REBUILD_RATE = 500_000  # per worker, while edges are generated
_INDEX_RATE = 1_750_000  # per index and worker; as many are built at once as there are workers
_INDEXES = 3
_IN_PLACE_RATE = 70_000  # per worker
_WORKERS = (1, 2, 4, 8, 16)
_ASSUMPTION = "as many idle cores as workers, and everything in memory"

_BYTES_PER_EDGE = 190  # row and three indexes, freshly built
_EDGES_TO_MEASURE = 10_000  # in the edge table, before its own bytes an edge are believed

_LARGEST = 10  # organizations to name
_PER_STRATUM = 20  # contacts drawn, enough to tell how much they differ
_MOST_OVERLAPS = 500_000  # of the contacts drawn, roughly: each is computed again, in a microsecond or a few
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Contacts:
    """How many there are, and how many of those with experiences get no edge: none of their experiences counts."""

    total: int
    with_experiences: int
    without_usable: int
    without_usable_share: float


@dataclass(frozen=True)
class Duplicates:
    """Ids that ``table`` holds more than once: how many, and the smallest. A backfill fails while there is one."""

    table: str
    ids: int
    example: int


@dataclass(frozen=True)
class Organization:
    """One of the largest: its people, and the overlapping pairs of their experiences there."""

    id: int
    name: str | None
    people: int
    pairs: int
    share_of_pairs: float


@dataclass(frozen=True)
class Edges:
    """Overlapping pairs of experiences, exactly, and the edges they make.

    Two people who overlap twice make two pairs and one edge. How often that happens is estimated from ``sampled``
    contacts; the edges are between ``low`` and ``high`` with ``confidence``.
    """

    pairs: int
    estimate: int
    low: int
    high: int
    confidence: float
    sampled: int
    seed: int


@dataclass(frozen=True)
class Storage:
    """Bytes with indexes. A rebuild needs ``bytes`` beside ``bytes_now`` until it swaps the tables.

    ``measured`` says whether ``bytes_per_edge`` is that of the edges present, else it is a usual value.
    """

    bytes: int
    bytes_per_edge: float
    measured: bool
    edges_now: int
    bytes_now: int


@dataclass(frozen=True)
class Duration:
    """How long a strategy, ``rebuild`` or ``in_place``, takes with so many workers."""

    strategy: str
    workers: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a backfill would make and take; times rest on the ``assumption``."""

    contacts: Contacts
    experiences: Experiences
    members: tuple[Members, ...]
    duplicates: tuple[Duplicates, ...]
    organizations: tuple[Organization, ...]
    edges: Edges
    storage: Storage
    durations: tuple[Duration, ...]
    assumption: str
    connections_free: int


@dataclass(frozen=True)
class Stratum:
    """A row of ``sample_overlaps.sql``, which says what the columns mean."""

    number: int | None
    contacts: int
    overlaps: int
    sampled: int
    mean_loss: float
    loss_variance: float

    @property
    def loss(self) -> float:
        """The loss of all its contacts, as the drawn ones tell."""
        return self.contacts * self.mean_loss

    @property
    def variance(self) -> float:
        """The variance of ``loss``: none where everybody was drawn."""
        return self.contacts * (self.contacts - self.sampled) * self.loss_variance / self.sampled


def plan(dsn: str, *, seed: int = 1, sample: int = 2000) -> Plan:
    """Return the plan of a backfill of the database of *dsn*, which may be a standby.

    ``sample`` contacts at most, drawn at random by ``seed``, tell the edges; fewer are drawn where each has very many
    overlaps. Everything else is counted. Reads the host's
    tables a few times in one transaction: ten seconds or so for a million and a half of usable work experiences.
    """
    # one snapshot: all figures are of one moment
    with reading(dsn, SETTINGS, isolation=IsolationLevel.REPEATABLE_READ) as connection:
        require_installed(connection)
        require_every_row(connection, "plan")
        strata = _strata(connection, seed, sample)
        edges = _edges(strata, seed)
        total, with_experiences, experiences = left_out.experiences(connection)
        members = left_out.members(connection)
        duplicates = _duplicates(connection)
        organizations = _organizations(connection, edges.pairs)
        storage, connections_free = _server(connection, edges.estimate)
    return Plan(
        contacts=_contacts(total, with_experiences, sum(stratum.contacts for stratum in strata)),
        experiences=experiences,
        members=members,
        duplicates=duplicates,
        organizations=organizations,
        edges=edges,
        storage=storage,
        durations=tuple(_durations(edges.estimate)),
        assumption=_ASSUMPTION,
        connections_free=connections_free,
    )


def _strata(connection: Connection, seed: int, sample: int) -> list[Stratum]:
    rows = connection.execute(
        sqlfiles.query("runs/sample_overlaps"),
        {"sample": sample, "per_stratum": _PER_STRATUM, "most_overlaps": _MOST_OVERLAPS, "seed": seed},
    )
    return [Stratum(*row) for row in rows]


def _edges(strata: Sequence[Stratum], seed: int) -> Edges:
    """Estimate the edges: half of all overlaps, less half of what the sample says is lost to repeated meetings."""
    overlaps = sum(stratum.overlaps for stratum in strata)
    margin = _margin(strata) / 2
    estimate = (overlaps - sum(stratum.loss for stratum in strata)) / 2
    pairs = overlaps // 2
    return Edges(
        pairs=pairs,
        estimate=round(estimate),
        low=max(0, round(estimate - margin)),
        high=min(pairs, round(estimate + margin)),
        confidence=_CONFIDENCE,
        sampled=sum(stratum.sampled for stratum in strata),
        seed=seed,
    )


def _margin(strata: Sequence[Stratum]) -> float:
    """Half the width of the confidence interval of the loss, by Student's t with Satterthwaite's degrees of freedom.

    Losses too rare for the sample to meet would leave no variance at all. So the variance is that of the contacts drawn
    and of one more, as if he had lost everything he stands for.
    """
    drawn = [stratum for stratum in strata if 0 < stratum.sampled < stratum.contacts]
    if not drawn:
        return 0.0
    seen = sum(stratum.variance for stratum in drawn)
    of_variance = sum(stratum.variance**2 / (stratum.sampled - 1) for stratum in drawn)
    freedom = seen**2 / of_variance if of_variance else float("inf")
    unseen = sum(stratum.overlaps for stratum in drawn) / sum(stratum.sampled for stratum in drawn)
    return _student(freedom) * sqrt(seen + unseen**2)


def _student(freedom: float) -> float:
    """The two-sided quantile of Student's t (Cornish and Fisher's series, right to a hundredth from 4 degrees on)."""
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    n = max(freedom, 4.0)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def _contacts(total: int, with_experiences: int, usable: int) -> Contacts:
    without_usable = with_experiences - usable
    return Contacts(total, with_experiences, without_usable, _share(without_usable, with_experiences))


def _duplicates(connection: Connection) -> tuple[Duplicates, ...]:
    """Look for ids given twice in the tables whose ids no unique index guards."""
    found = []
    for view in ("live_contacts", "live_organizations"):
        schema, table = left_out.table_behind(connection, view)
        guarded = connection.execute(
            sqlfiles.query("host/has_unique_id"), {"schema": schema, "table": table}
        ).fetchone()
        if guarded == (True,):
            continue
        ids = sql.SQL("WITH ids AS (SELECT t.id FROM {} AS t)\n").format(sql.Identifier(schema, table))
        row = connection.execute(ids + sql.SQL(sqlfiles.query("host/duplicate_ids"))).fetchone()
        if row is not None and row[0]:
            found.append(Duplicates(f"{schema}.{table}", *row))
    return tuple(found)


def _organizations(connection: Connection, pairs: int) -> tuple[Organization, ...]:
    rows = connection.execute(sqlfiles.query("runs/largest_organizations"), {"most": _LARGEST})
    return tuple(
        Organization(organization, name, people, shared, _share(shared, pairs))
        for organization, name, people, shared in rows
    )


def _server(connection: Connection, edges: int) -> tuple[Storage, int]:
    row = connection.execute(sqlfiles.query("runs/edge_table_size")).fetchone()
    assert row is not None  # an aggregate returns one row
    edges_now, bytes_now, connections_free = row
    measured = edges_now >= _EDGES_TO_MEASURE
    bytes_per_edge = bytes_now / edges_now if measured else float(_BYTES_PER_EDGE)
    return Storage(round(edges * bytes_per_edge), bytes_per_edge, measured, edges_now, bytes_now), connections_free


def _durations(edges: int) -> list[Duration]:
    rebuild = [
        # one index after another, two and then one, or all at once
        Duration("rebuild", workers, edges / (workers * _REBUILD_RATE) + ceil(_INDEXES / workers) * edges / _INDEX_RATE)
        for workers in _WORKERS
    ]
    return rebuild + [Duration("in_place", workers, edges / (workers * _IN_PLACE_RATE)) for workers in _WORKERS]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
