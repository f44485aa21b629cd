"""What every command asks of an installation: that it is complete, and which schema holds the application's tables."""

from __future__ import annotations

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import not_installed, schema_of
from orchestrator.host import sources
from orchestrator.host.binding import VIEW_OF
from orchestrator.host.mapping import DEFAULT, SourceMapping


def not_installed_error(connection: Connection) -> OrchestratorError:
    """Return the error that says so, with the other installations of the database."""
    others = [row[0] for row in connection.execute(sqlfiles.query("host/other_installations"))]
    also = f" (other installations in this database: {', '.join(others)}; --schema NAME)" if others else ""
    return OrchestratorError(f"{not_installed(schema_of(connection))}{also}")


def require_installed(connection: Connection) -> None:
    """Raise :class:`OrchestratorError` unless the package is in the database."""
    row = connection.execute(
        "SELECT to_regclass('connection_paths.contact_connections') IS NOT NULL"
        " AND to_regproc('connection_paths.find_paths') IS NOT NULL"
    ).fetchone()
    if row != (True,):
        raise not_installed_error(connection)
    sources.refuse_citus(connection, sources.binding(connection, bound_host_schema(connection)))


def is_distributed(connection: Connection) -> bool:
    """Whether the edges are on the workers of Citus."""
    return connection.execute(sqlfiles.query("host/edges_are_distributed")).fetchone() == (True,)


def distributed_size(connection: Connection) -> tuple[int, int]:
    """Return how many edges the workers of Citus have, as these estimate it, and their bytes with indexes."""
    row = connection.execute(sqlfiles.query("host/distributed_size")).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def workers_away(connection: Connection) -> list[str]:
    """Return a sentence for each worker of Citus that does not answer; none if the edges are on this server."""
    if not is_distributed(connection):
        return []
    rows = connection.execute(sqlfiles.query("host/workers_away"))
    return [f"worker {name}:{port} does not answer, so finders and sync fail" for name, port in rows]


def require_unique_ids(connection: Connection) -> None:
    """Raise :class:`OrchestratorError` when two contacts, or two organizations, have the same id."""
    for sentence in repeated_ids(connection):
        raise OrchestratorError(f"{sentence}; no backfill can succeed")


def repeated_ids(connection: Connection) -> list[str]:
    """Return a sentence for each table of contacts or organizations in which an id occurs twice.

    A table is read only if it has no unique index on id.
    """
    found = []
    bound = sources.binding(connection)
    for name in sources.without_unique_id(connection, bound):
        row = connection.execute(
            f"SELECT v.id FROM connection_paths.{VIEW_OF[name]} AS v WHERE v.id IS NOT NULL"
            " GROUP BY v.id HAVING count(*) > 1 LIMIT 1".encode()
        ).fetchone()
        if row is not None:
            found.append(f"table {bound.shown(name)} has no key on id, and id {row[0]} is in several rows")
    return found


def bound_host_schema(connection: Connection) -> str | None:
    """Return the schema that the package was installed for; if that is unknown, the one that the views read."""
    known = sources.remembered(connection)
    return known.host_schema if known else schema_read_by_views(connection)


def schema_read_by_views(connection: Connection) -> str | None:
    """Return the schema of the tables that the binding views read; None while they read none."""
    row = connection.execute(sqlfiles.query("host/bound_host_schema")).fetchone()
    return None if row is None else str(row[0])


def chosen_mapping(connection: Connection, given: SourceMapping | None) -> SourceMapping:
    """Return the mapping of the tables: the given one, else that of the last install, else the default one."""
    if given is not None:
        return given
    known = sources.remembered(connection)
    return known.mapping if known else DEFAULT


def chosen_host_schema(connection: Connection, given: str | None) -> str:
    """Return the schema of the application's tables: the given one, else that of the last install, else ``public``."""
    if given is not None:
        return given
    return bound_host_schema(connection) or "public"
