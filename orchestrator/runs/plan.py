"""Plans a backfill: what it would make, how much disk it needs and how long it takes. Writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import IsolationLevel

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, connect, reading
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.formats import duration
from orchestrator.host import host_schemas, left_out, rights
from orchestrator.host import reader as source_reader
from orchestrator.host.binding import VIEW_OF, Binding, bind
from orchestrator.host.installed import bound_host_schema, distributed_size, is_distributed, require_installed
from orchestrator.host.left_out import Details, Experiences, Members
from orchestrator.host.mapping import DEFAULT, SourceMapping
from orchestrator.host.mapping_probe import create_functions
from orchestrator.host.mapping_values import suspicious
from orchestrator.host.organizations import LARGE
from orchestrator.host.reader import SourceReader
from orchestrator.host.sources import refuse_hidden_rows, require_every_row, without_unique_id
from orchestrator.runs import candidates
from orchestrator.runs.candidates import Candidate
from orchestrator.runs.edge_estimate import EdgeEstimate, draw_strata, estimate_edges

log = logging.getLogger(__name__)

# Edges per second of one busy core with all data in memory: docs/adr/0022-how-near-a-rebuild-is-to-its-floor.md.
_REBUILD_RATE = 330_000  # per worker, while edges are generated
_INDEX_RATE = 2_200_000  # per index and worker, the mean of all indexes; a worker builds one index at a time
_INDEXES = 5
_LARGEST_INDEX = 1.75  # how much longer than the mean the slowest build takes
_IN_PLACE_RATE = 50_000  # per worker
_WORKERS = (1, 2, 4, 8, 16)
_ASSUMPTION = "as many idle cores as workers, and everything in memory"

_BYTES_PER_EDGE = 234  # of the row and its entries in five indexes, just built: docs/adr/0018
_EDGES_TO_MEASURE = 10_000  # with fewer edges in the table, the usual bytes per edge are assumed

_SECONDS_PER_ROW = 4e-6  # of work experiences, half of them usable; measured as above
_LONG = 20  # seconds

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
    """What a backfill would make and need. The times hold under the ``assumption``.

    ``future_pairs``: overlapping pairs of work experiences that make an edge only after today. ``edges`` excludes them.
    ``notes`` says what looks wrong in the mapping of which this is the plan: see ``suspicious``.
    """

    is_installed: bool
    notes: tuple[str, ...]
    contacts: ContactCounts
    experiences: Experiences
    details: Details
    future_pairs: int
    members: tuple[Members, ...]
    duplicates: tuple[DuplicateIds, ...]
    organizations: tuple[LargeOrganization, ...]
    candidates: tuple[Candidate, ...]
    edges: EdgeEstimate
    storage: Storage
    durations: tuple[PredictedTime, ...]
    assumption: str
    connections_free: int


def plan(
    dsn: str,
    host_schema: str | None = None,
    mapping: SourceMapping | None = None,
    *,
    seed: int = 1,
    sample: int = SAMPLE,
    progress: Callable[[str], None] = log.info,
) -> BackfillPlan:
    """Return the plan of a backfill of the database of *dsn*, which may be a standby.

    If the package is not installed, or if there is a *mapping*, the plan is that of an installation for these tables.
    Then it needs only the right to read them. Their schema is *host_schema*, by default ``public``.

    The edges are estimated from at most ``sample`` contacts, drawn at random by ``seed``; fewer are drawn where they
    have very many overlaps. Everything else is counted. The host's tables are read a few times in one transaction. That
    takes about ten seconds for three million work experiences, half of them usable. If there are many, *progress* is
    first called with a sentence that says how long it takes.
    """
    with _reading(dsn, host_schema, mapping) as reader:
        _announce(reader, progress)
        strata = draw_strata(reader, seed, sample)
        edges = estimate_edges(strata, seed)
        contacts, experiences, details = left_out.count(reader)
        members = left_out.members_of(reader)
        duplicates = _duplicates(reader)
        organizations = _organizations(reader, edges.pairs)
        ((future_pairs,),) = reader.rows("runs/future_pairs")
        storage, connections_free = _server(reader.connection, edges.estimate)
        large = [each.id for each in organizations if each.share_of_pairs > LARGE]
        per_pair = edges.estimate / edges.pairs if edges.pairs else 1.0
        proposed = candidates.find(reader, large, per_pair, storage.bytes_per_edge)
    return BackfillPlan(
        is_installed=reader.is_installed,
        notes=_notes(dsn, host_schema, mapping),
        contacts=_contacts(contacts),
        experiences=experiences,
        details=details,
        future_pairs=future_pairs,
        members=members,
        duplicates=duplicates,
        organizations=organizations,
        candidates=proposed,
        edges=edges,
        storage=storage,
        durations=tuple(predicted_times(edges.estimate)),
        assumption=_ASSUMPTION,
        connections_free=connections_free,
    )


def _notes(dsn: str, host_schema: str | None, mapping: SourceMapping | None) -> tuple[str, ...]:
    """Return what looks wrong in *mapping*; nothing without one. This needs temporary tables, so another session."""
    if mapping is None:
        return ()
    with connect(dsn, reads_only=True) as connection:
        return tuple(suspicious(connection, mapping, host_schema or "public"))


@contextmanager
def _reading(dsn: str, host_schema: str | None, mapping: SourceMapping | None) -> Iterator[SourceReader]:
    """Yield a reader of the application's tables, for a database with or without the package.

    All figures are of the same moment. Nothing is written: even temporary functions, which an expression of the mapping
    may need before an installation, are rolled back.
    """
    creates = mapping is not None and source_reader.needs_functions(mapping)
    repeatable = IsolationLevel.REPEATABLE_READ
    with reading(dsn, isolation=repeatable, may_write=creates, undo=creates) as connection:
        is_there = connection.execute("SELECT to_regnamespace('connection_paths')").fetchone() != (None,)
        if is_there and mapping is None:
            require_installed(connection)
            known = bound_host_schema(connection)
            if host_schema is not None and host_schema != known:
                host_schemas.require(connection, host_schema)
                raise OrchestratorError(
                    f"connection_paths is installed here for host schema {known!r}; leave out --host-schema, or plan"
                    f" another installation: orchestrator --schema NAME plan --host-schema {host_schema}"
                )
            require_every_row(connection, "plan")
            yield source_reader.installed(connection)
            return
        wanted = mapping or DEFAULT
        if host_schema is not None and any(source.schema is None for source in wanted.sources.values()):
            host_schemas.require(connection, host_schema)
        bound = bind(connection, wanted, host_schema or "public")
        _require_readable(connection, bound)
        if creates:
            create_functions(connection)
        yield source_reader.before_installing(connection, bound)


def _require_readable(connection: Connection, bound: Binding) -> None:
    """Raise :class:`OrchestratorError` unless all tables are there, and this role may read every row of them."""
    rights.require(connection, rights.to_read(bound), "plan")
    missing = [bound.shown(name) for name in bound.sources if name not in bound.tables]
    if missing:
        advice = "name the schema of the tables (--host-schema NAME), or say which tables they are (--map FILE)"
        raise OrchestratorError(f"there is no table {', '.join(missing)}; {advice}")
    refuse_hidden_rows(rights.hidden(connection, bound), "plan")


def predicted_times(edges: int) -> list[PredictedTime]:
    """Return how long each strategy takes with 1 to 16 workers, from the measured rates."""
    rebuild = [
        # The workers share the builds, but the slowest build has one worker.
        PredictedTime(
            "rebuild",
            workers,
            edges / (workers * _REBUILD_RATE) + max(_INDEXES / workers, _LARGEST_INDEX) * edges / _INDEX_RATE,
        )
        for workers in _WORKERS
    ]
    return rebuild + [PredictedTime("in_place", workers, edges / (workers * _IN_PLACE_RATE)) for workers in _WORKERS]


def _announce(reader: SourceReader, progress: Callable[[str], None]) -> None:
    """If the plan will take long, report how long, and how many work experiences there are."""
    source = reader.bound.sources["contact_work_experiences"]
    estimate = (
        "SELECT c.reltuples::bigint FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s"
    )
    for (rows,) in reader.connection.execute(estimate, (source.schema, source.table)):
        if rows * _SECONDS_PER_ROW > _LONG:
            progress(
                f"reading about {rows:,} work experiences several times: about {duration(rows * _SECONDS_PER_ROW)} on"
                " idle cores"
            )


def _contacts(found: left_out.Contacts) -> ContactCounts:
    share = _share(found.without_usable, found.with_experiences)
    return ContactCounts(found.total, found.with_experiences, found.without_usable, share)


def _duplicates(reader: SourceReader) -> tuple[DuplicateIds, ...]:
    """Find ids that occur more than once, in the tables whose ids have no unique index."""
    found = []
    for name in without_unique_id(reader.connection, reader.bound):
        ids, example = reader.rows("host/duplicate_ids", over=VIEW_OF[name])[0]
        if ids:
            found.append(DuplicateIds(reader.bound.shown(name), ids, example))
    return tuple(found)


def _organizations(reader: SourceReader, pairs: int) -> tuple[LargeOrganization, ...]:
    rows = reader.rows("runs/largest_organizations", {"most": _LARGEST})
    return tuple(
        LargeOrganization(organization, name, people, shared, _share(shared, pairs))
        for organization, name, people, shared in rows
    )


def _server(connection: Connection, edges: int) -> tuple[Storage, int]:
    row = connection.execute(sqlfiles.query("runs/edge_table_size")).fetchone()
    assert row is not None  # an aggregate returns one row
    edges_now, bytes_now, connections_free = row
    if is_distributed(connection):
        edges_now, bytes_now = distributed_size(connection)
    measured = edges_now >= _EDGES_TO_MEASURE
    bytes_per_edge = bytes_now / edges_now if measured else float(_BYTES_PER_EDGE)
    return Storage(round(edges * bytes_per_edge), bytes_per_edge, measured, edges_now, bytes_now), connections_free


def proposed(dsn: str) -> tuple[Candidate, ...]:
    """Return the organizations that a plan would propose to exclude or to limit, with what each costs.

    This takes half the time of a plan, because each overlapping pair counts as an edge, and edges are not estimated.
    """
    with _reading(dsn, None, None) as reader:
        rows = reader.rows("runs/largest_organizations", {"most": _LARGEST})
        pairs = reader.rows("runs/all_pairs")[0][0]
        large = [row[0] for row in rows if _share(row[3], pairs) > LARGE]
        storage, _ = _server(reader.connection, pairs)
        return candidates.find(reader, large, 1.0, storage.bytes_per_edge)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
