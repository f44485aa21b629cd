"""A synthetic world to measure in: made on a private server, or reused where a connection string says."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from orchestrator import embedded, seed_synthetic, sqlfiles
from orchestrator import seed as loading
from orchestrator.database import Connection, connect
from orchestrator.embedded import serve_temporarily
from orchestrator.installation import install

_SETTINGS = (
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "effective_cache_size",
    "random_page_cost",
    "max_parallel_workers_per_gather",
    "fsync",
    "jit",
)

_EDGES = "connection_paths.contact_connections"
_WRITERS = 2
_CONTACTS_AT_ONCE = 2000
_EDGES_OF = f"""
    INSERT INTO {_EDGES} (contact_a_id, contact_b_id, kind, organization_id, date_from, date_to)
    SELECT c.id, o.neighbour_id, 'work_overlap', o.organization_id, o.date_from, o.date_to
    FROM connection_paths.live_contacts AS c
    CROSS JOIN LATERAL connection_paths.work_overlaps(c.id) AS o
    WHERE c.id > %s AND c.id <= %s AND o.neighbour_id > c.id"""
_KEYS = """
    SELECT quote_ident(c.conname), pg_get_constraintdef(c.oid)
    FROM pg_constraint AS c
    WHERE c.conrelid = %s::regclass AND c.contype IN ('p', 'u', 'x')
    ORDER BY 1"""
_INDEXES = """
    SELECT format('%%I.%%I', n.nspname, r.relname), pg_get_indexdef(r.oid), quote_literal(obj_description(r.oid))
    FROM pg_index AS i
    JOIN pg_class AS r ON r.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = r.relnamespace
    WHERE i.indrelid = %s::regclass AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = r.oid)
    ORDER BY 1"""
# What finders read: the edges with their indexes, and the package's indexes of host tables.
_READ_BY_FINDERS = """
    SELECT r.oid, r.relname::text, pg_relation_size(r.oid)
    FROM pg_class AS r
    WHERE r.oid = %(edges)s::regclass
        OR r.oid IN (SELECT i.indexrelid FROM pg_index AS i WHERE i.indrelid = %(edges)s::regclass)
        OR r.oid IN (SELECT i.indexrelid FROM pg_index AS i) AND r.relname = ANY (%(names)s)
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

    Without *dsn* a private server with *settings* is started, and removed at the end. With it, the world that is
    there is measured as it is; one is loaded where there is none. With *edges*, edges are filled in where there
    are none.
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
        if one(connection, "SELECT to_regclass('contacts') IS NULL"):
            loading.load(connection, "public", seed_synthetic.tables(contacts, seed), replace=False)
    install(dsn)
    if edges:
        fill_edges(dsn, progress)
    yield dsn


def roomy(contacts: int) -> dict[str, str]:
    """Return settings for a private server that keeps a world of *contacts* and its edges in its own cache."""
    needed = contacts * 20 // 1024  # MB; 430,000 contacts and their 28.6 million edges take 13 kB a contact
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    return {**embedded.SETTINGS, "shared_buffers": f"{min(max(512, needed), memory // 2)}MB"}


def fill_edges(dsn: str, progress: Callable[[str], None] = print) -> None:
    """Fill ``contact_connections`` in bulk, unless it holds edges.

    A shortcut of benchmarks, right only for a world that nobody else uses: keys and indexes of the table are
    dropped, every pair is inserted once from the lower contact's side, and they are built again, to the definitions
    they had. ``orchestrator backfill`` is what a database with users takes. An interruption leaves no edges.
    """
    with connect(dsn, settings={"maintenance_work_mem": "1GB"}) as connection:
        if one(connection, f"SELECT EXISTS (SELECT FROM {_EDGES})"):
            return
        found = connection.execute("SELECT c.id FROM connection_paths.live_contacts AS c ORDER BY 1").fetchall()
        if not found:
            return
        ids = [row[0] for row in found]
        bounds = [ids[0] - 1, *ids[_CONTACTS_AT_ONCE - 1 :: _CONTACTS_AT_ONCE]]
        if bounds[-1] != ids[-1]:
            bounds.append(ids[-1])
        parts = list(pairwise(bounds))
        with _without_indexes(connection):
            try:
                _insert_edges(dsn, parts, progress)
            except BaseException:
                connection.execute(f"TRUNCATE {_EDGES}".encode())  # some edges would be taken for all of them
                raise
            progress("building the indexes of the edges")
        connection.execute("VACUUM (ANALYZE)")


def _insert_edges(dsn: str, parts: list[tuple[int, int]], progress: Callable[[str], None]) -> None:
    def insert(part: tuple[int, int]) -> int:
        with connect(dsn, settings={"jit": "off"}) as connection:
            return connection.execute(_EDGES_OF.encode(), part).rowcount

    edges = 0
    with ThreadPoolExecutor(_WRITERS) as pool:
        for done, number in enumerate(pool.map(insert, parts), start=1):
            edges += number
            if done == len(parts) or done % max(1, len(parts) // 5) == 0:
                progress(f"{edges:,} edges, {done / len(parts):.0%} of the contacts")


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    """Drop keys and indexes of the edge table for the length of the block."""
    keys = connection.execute(_KEYS.encode(), (_EDGES,)).fetchall()
    indexes = connection.execute(_INDEXES.encode(), (_EDGES,)).fetchall()
    with connection.transaction():
        for name, _ in keys:
            connection.execute(f"ALTER TABLE {_EDGES} DROP CONSTRAINT {name}".encode())
        for name, _, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
    try:
        yield
    finally:
        with connection.transaction():
            for name, definition in keys:
                connection.execute(f"ALTER TABLE {_EDGES} ADD CONSTRAINT {name} {definition}".encode())
            for name, definition, comment in indexes:
                connection.execute(definition.encode())
                connection.execute(f"COMMENT ON INDEX {name} IS {comment or 'NULL'}".encode())


def sizes(connection: Connection) -> dict[str, int]:
    """Return the bytes of the edge table, of its indexes and of the package's indexes of host tables."""
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
        organizations=one(connection, "SELECT count(*) FROM connection_paths.live_organizations"),
        experiences=one(connection, "SELECT count(*) FROM connection_paths.work_experiences"),
    )


def environment(connection: Connection) -> dict[str, str]:
    """Return what a number depends on besides the code: versions, cores, settings."""
    settings = {name: str(one(connection, "SELECT current_setting(%s)", (name,))) for name in _SETTINGS}
    return {
        "PostgreSQL": str(one(connection, "SELECT current_setting('server_version')")),
        "cores": str(os.cpu_count()),
        "machine": f"{platform.system()} {platform.machine()}",
        **settings,
    }
