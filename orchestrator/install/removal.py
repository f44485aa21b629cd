"""Describes what an uninstall deletes, so that a person can read it before confirming."""

from __future__ import annotations

from psycopg import sql

from orchestrator.core.database import Connection, reading
from orchestrator.core.schema import schema_of
from orchestrator.host.installed import distributed_size, is_distributed

_TABLES = (
    ("do_not_ask", "rows of do_not_ask"),
    ("do_not_ask_users", "rows of do_not_ask_users"),
    ("introduction_requests", "requests for introductions"),
    ("introduction_limits", "rows of introduction_limits"),
    ("finder_rollout", "rows of finder_rollout"),
    ("organization_policy", "policies of organizations"),
    ("backfill_runs", "runs"),
)
_OWN_KINDS = "SELECT count(*) FROM connection_paths.contact_connections AS c WHERE c.kind::text <> 'work_overlap'"


def question(dsn: str) -> str | None:
    """Return a sentence about what an uninstall of the database of *dsn* removes; None if nothing is installed."""
    with reading(dsn, of_primary=True) as connection:
        row = connection.execute(
            "SELECT current_database(), to_regnamespace('connection_paths') IS NOT NULL"
        ).fetchone()
        if row is None or not row[1]:
            return None
        parts = [_edges(connection)] if _exists(connection, "contact_connections") else []
        for table, words in _TABLES:
            if _exists(connection, table) and (rows := _count(connection, table)):
                parts.append(f"{rows:,} {words}")
    where = f"{schema_of(dsn)} from database {row[0]}"
    return f"This removes {where}: {'; '.join([*parts, 'its functions and views'])}."


def _edges(connection: Connection) -> str:
    row = connection.execute(
        "SELECT greatest(t.reltuples, 0)::bigint FROM pg_catalog.pg_class AS t"
        " WHERE t.oid = pg_catalog.to_regclass('connection_paths.contact_connections_live')"
    ).fetchone()
    if is_distributed(connection):
        row = distributed_size(connection)
    about = f"about {row[0] if row else 0:,} edges"
    kinds = connection.execute("SELECT enum_range(NULL::connection_paths.connection_kind)::text[]").fetchone()
    if kinds is None or len(kinds[0]) < 2:
        return about  # no other kind of edge exists, so the edges need not be counted
    own = connection.execute(_OWN_KINDS).fetchone()
    if own is None or own == (0,):
        return about
    return f"{about}, among them {own[0]:,} of the application's own kinds, which no backfill creates again"


def _exists(connection: Connection, table: str) -> bool:
    name = f"{schema_of(connection)}.{table}"
    return connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)


def _count(connection: Connection, table: str) -> int:
    counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema_of(connection), table))
    row = connection.execute(counted).fetchone()
    return row[0] if row else 0
