"""A synthetic world to measure in: made on a private server, or reused in a database that is already there."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from orchestrator.core import embedded, sqlfiles
from orchestrator.core.database import Connection, connect
from orchestrator.core.embedded import serve_temporarily
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading
from orchestrator.seed import synthetic as seed_synthetic

_SETTINGS = (
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "effective_cache_size",
    "random_page_cost",
    "max_parallel_workers_per_gather",
    "max_wal_size",
    "min_wal_size",
    "wal_buffers",
    "fsync",
    "jit",
)

_EDGES = "connection_paths.contact_connections"
_WRITERS = 2
# What finders read: the edges, their indexes, and the indexes that the package made on the application's tables.
_READ_BY_FINDERS = """
    SELECT r.oid, r.relname::text, pg_relation_size(r.oid)
    FROM pg_class AS r
    WHERE r.relkind IN ('r', 'i') AND (
        r.oid IN (SELECT p.relid FROM pg_partition_tree(%(edges)s) AS p WHERE p.isleaf)
        OR r.oid IN (
            SELECT i.indexrelid
            FROM pg_index AS i
            JOIN pg_partition_tree(%(edges)s) AS p ON p.relid = i.indrelid AND p.isleaf
        )
        OR r.oid IN (SELECT i.indexrelid FROM pg_index AS i) AND r.relname = ANY (%(names)s)
    )
    ORDER BY r.relkind DESC, 2"""


@dataclass(frozen=True)
class Counts:
    """How large the world is, as the package sees it."""

    contacts: int
    organizations: int
    experiences: int


@contextmanager
def world(
    contacts: int,
    seed: int,
    dsn: str | None = None,
    *,
    edges: bool = False,
    settings: Mapping[str, str] = embedded.SETTINGS,
    progress: Callable[[str], None] = print,
) -> Iterator[str]:
    """Yield the connection string of a database with a world and the package installed.

    Without *dsn*, a private server with *settings* is started, and removed at the end. With *dsn*, the world of that
    database is used as it is, with the functions that are installed there; a database without the package gets a new
    world. With *edges*, a world without edges gets its edges.
    """
    if dsn is None:
        with serve_temporarily(settings=settings) as (_, private):
            with connect(private) as connection:
                loading.load(connection, "public", seed_synthetic.tables(contacts, seed), replace=False)
                if one(connection, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_prewarm'"):
                    connection.execute("CREATE EXTENSION pg_prewarm")
            install(private)
            if edges:
                fill_edges(private, progress)
            yield private
        return
    with connect(dsn) as connection:
        is_installed = one(connection, "SELECT to_regnamespace('connection_paths') IS NOT NULL")
        if not is_installed:
            loading.load(connection, "public", seed_synthetic.tables(contacts, seed), replace=False)
    if not is_installed:
        install(dsn)
    if edges:
        fill_edges(dsn, progress)
    yield dsn


def server_settings(contacts: int) -> dict[str, str]:
    """Return settings for a private server that keeps a world of *contacts* and its edges in its own cache."""
    needed = contacts * 20 // 1024  # MB; 430,000 contacts and their 28.6 million edges take 13 kB a contact
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    return {**embedded.SETTINGS, "shared_buffers": f"{min(max(512, needed), memory // 2)}MB"}


def fill_edges(dsn: str, progress: Callable[[str], None] = print) -> None:
    """Fill ``contact_connections`` by a rebuild, unless it holds edges."""
    with connect(dsn) as connection:
        if one(connection, f"SELECT EXISTS (SELECT FROM {_EDGES})"):
            return
        connection.execute("VACUUM (ANALYZE)")
    done = backfill(dsn, BackfillOptions(workers=_WRITERS, strategy="rebuild", limits=None))
    progress(f"{done.run.edges_changed:,} edges in {done.seconds:.0f} s")


def sizes(connection: Connection) -> dict[str, int]:
    """Return the bytes of the edge table, of its indexes, and of the package's indexes on the application's tables."""
    return {name: size for _, name, size in _read_by_finders(connection)}


def warm(connection: Connection) -> bool:
    """Read what finders read into the server's cache; False where ``pg_prewarm`` is not installed."""
    if one(connection, "SELECT to_regproc('pg_prewarm') IS NULL"):
        return False
    for relation, _, _ in _read_by_finders(connection):
        connection.execute("SELECT pg_prewarm(%s::oid::regclass)", (relation,))
    return True


def _read_by_finders(connection: Connection) -> list[tuple[Any, ...]]:
    names = [path.stem for path in (sqlfiles.ROOT / "indexes").glob("*.sql")]
    return connection.execute(_READ_BY_FINDERS.encode(), {"edges": _EDGES, "names": names}).fetchall()


def one(connection: Connection, query: str, parameters: tuple[object, ...] = ()) -> Any:
    """Return the first column of the first row of *query*."""
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


def counts(connection: Connection) -> Counts:
    """Count the world's rows."""
    return Counts(
        contacts=one(connection, "SELECT count(*) FROM connection_paths.live_contacts"),
        organizations=one(connection, "SELECT count(*) FROM connection_paths.known_organizations"),
        experiences=one(connection, "SELECT count(*) FROM connection_paths.work_experiences"),
    )


def environment(connection: Connection) -> dict[str, str]:
    """Return what a measurement depends on besides the code: versions, cores, settings."""
    settings = {name: str(one(connection, "SELECT current_setting(%s)", (name,))) for name in _SETTINGS}
    return {
        "PostgreSQL": str(one(connection, "SELECT current_setting('server_version')")),
        "cores": str(os.cpu_count()),
        "machine": f"{platform.system()} {platform.machine()}",
        **settings,
    }
